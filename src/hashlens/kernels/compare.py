"""Comparison of a network's code kernel with its infinite-width limit: how far training moved the codes, by layer."""

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import torch
from rich.console import RenderableType

from hashlens.arguments import excerpt, require_whole
from hashlens.codes import Codes, Reading, ReadingOptions, encode
from hashlens.data import load_data
from hashlens.errors import KernelError
from hashlens.kernels.compute import code_kernel
from hashlens.kernels.finite import finite_network
from hashlens.kernels.from_module import Init, from_module
from hashlens.kernels.network import InfiniteNetwork
from hashlens.report.figures import Figure, Lines
from hashlens.result import Result
from hashlens.seeds import torch_seed
from hashlens.tables import table

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CodeKernelComparison(Result):
    """Distance of the codes of a network from those of infinitely wide random networks with the same structure.

    The kernel of codes is the share of bits of a layer that agree, for each pair of examples.

    Attributes
    ----------
    layers : tuple of str
        Names of the layers, in order.
    bits : tuple of int
        Number of bits of each layer.
    examples : int
        Number of examples; all pairs of different examples are compared.
    moved : numpy.ndarray
        float64 ``(layers,)``: root mean square, over pairs, of the difference between the kernel and its limit.
    random : numpy.ndarray
        float64 ``(layers,)``: the mean of this number over random networks of the same widths, which shows the effect
        of finite width alone.
    correlation : numpy.ndarray
        float64 ``(layers,)``: correlation of the kernel with its limit over pairs; NaN where one of them is constant.
    agreement, limit : numpy.ndarray
        float64 ``(layers,)``: means over pairs of the kernel and of its limit.
    draws : int
        Number of random networks.
    """

    layers: tuple[str, ...]
    bits: tuple[int, ...]
    examples: int
    moved: Floats
    random: Floats
    correlation: Floats
    agreement: Floats
    limit: Floats
    draws: int

    def figures(self) -> tuple[Figure, ...]:
        """Return the distance to the limit over layers, and that of random networks."""
        lines = {"this network": self.moved.tolist(), "random, of its widths": self.random.tolist()}
        return (Lines.over(self.layers, lines, title="Distance of the code kernel to its limit", x_label="layer",
                           y_label="root mean square"),)  # fmt: skip

    def __rich__(self) -> RenderableType:
        rows = [
            (name, f"{bits:,}", f"{moved:.4f}", f"{random:.4f}", f"{together:.3f}", f"{agree:.3f}", f"{limit:.3f}")
            for name, bits, moved, random, together, agree, limit in zip(
                self.layers, self.bits, self.moved, self.random, self.correlation, self.agreement, self.limit,
                strict=True,
            )
        ]  # fmt: skip
        heading = ("layer", "bits", "moved", "random", "correlation", "agreement", "limit")
        note = (
            f"{self.examples:,} examples. moved: root mean square, over pairs, of the share of bits that agree, minus "
            f"its limit of infinite width; random: the same of {self.draws} random networks of the same widths"
        )
        return table("Codes and their limit", heading, rows, note)


def compare_codes(
    model: torch.nn.Module,
    data: Any,
    network: InfiniteNetwork | None = None,
    *,
    init: Init = "pytorch",
    examples: int = 500,
    draws: int = 3,
    reading: Reading | None = None,
    **options: Unpack[ReadingOptions],
) -> CodeKernelComparison:
    """Compare the codes of a network, trained or not, with those of infinitely wide random networks.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    data : str, Examples, pair, Dataset or DataLoader
        Examples, in any form that :func:`hashlens.load_data` takes.
    network : InfiniteNetwork, optional
        The limit; by default that of the model, by :func:`from_module`.
    init : {"pytorch", "glorot", "he"}
        Initialisation scheme of the limit, if `network` is not passed.
    examples : int
        Number of examples to compare, the first ones of `data`; all their pairs are compared.
    draws : int
        Number of random networks of the same widths to compare.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. ``seed`` is also the seed of the weights of
        random networks.

    Raises
    ------
    KernelError
        If a layer has no limit, or the layers of the codes are not the activations of the limit.
    HashlensError
        If :func:`hashlens.encode` raises it.
    """
    require_whole(KernelError, "examples", examples, 2)
    require_whole(KernelError, "draws", draws)
    limiting = from_module(model, init=init, parameterization="standard") if network is None else network
    rows = load_data(data).narrow(0, examples).load()
    read = Reading.from_options(compare_codes, reading, options)
    codes = encode(model, rows, reading=read)
    names = tuple(layer.name for layer in codes.layers)
    if len(names) != len(limiting.activations()):
        raise KernelError(
            f"the codes have {len(names)} layers ({excerpt(', '.join(names))}), and the limit "
            f"{len(limiting.activations())} activations: leave out layers=, or give the network of these layers"
        )
    x = rows.tensor().double()
    limit = _pairs(code_kernel(limiting, x))
    own = _pairs(_agreements(codes))
    random_distances = []
    for draw in range(draws):
        random = finite_network(limiting, tuple(x.shape[1:]), 1, seed=torch_seed(read.seed, "codes", draw))
        random_distances.append(_distances(_pairs(_agreements(encode(random, rows))), limit))
    return CodeKernelComparison(
        layers=names,
        bits=tuple(int(np.prod(layer.shape)) for layer in codes.layers),
        examples=len(codes),
        moved=_distances(own, limit),
        random=np.mean(random_distances, axis=0),
        correlation=np.array([_correlation(a, b) for a, b in zip(own, limit, strict=True)]),
        agreement=own.mean(axis=1),
        limit=limit.mean(axis=1),
        draws=draws,
    )


def _agreements(codes: Codes) -> Floats:
    """Return the share of bits that agree, ``(layers, n, n)``."""
    found = []
    for layer in codes.layers:
        bits = codes.layer(layer.name).unpack().astype(np.float32)
        both = bits @ bits.T
        on = both.diagonal()
        found.append(1 - (on[:, None] + on[None] - 2 * both) / bits.shape[1])
    return np.array(found, dtype=np.float64)


def _pairs(kernels: npt.NDArray[Any]) -> Floats:
    """Return the entries of pairs of different examples, ``(layers, pairs)``."""
    first, second = np.triu_indices(kernels.shape[1], 1)
    return np.asarray(kernels[:, first, second], dtype=np.float64)


def _distances(found: Floats, limit: Floats) -> Floats:
    """Return the root mean square difference over pairs, ``(layers,)``."""
    return np.asarray(np.sqrt(np.mean((found - limit) ** 2, axis=1)))


def _correlation(first: Floats, second: Floats) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
