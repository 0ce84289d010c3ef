"""Summary of a computed kernel: the result of ``hashlens kernel compute``."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.rounding import critical_size
from hashlens.report.figures import Figure, Histogram, Lines, Series
from hashlens.result import Result
from hashlens.tables import table

Array = npt.NDArray[Any]
SHOWN_EXAMPLES = 1000
"""Number of examples, the first ones, whose spectrum and values are shown."""
FEWEST_EXAMPLES = 32
"""Smallest number of examples for which a critical size is predicted."""


@dataclass(frozen=True)
class KernelSummary(Result):
    """Summary of a computed kernel: its size, its values and, for a kernel of one set of examples, its spectrum.

    Attributes
    ----------
    file : str
        Path of the kernel.
    network : str
        The layers of the network, as text.
    kernel : {"nngp", "ntk"}
        Kind of kernel.
    rows, columns : int
        Numbers of examples.
    dtype : str
        Dtype of the kernel.
    counts, edges : tuple of float
        Histogram of the values for pairs of different examples, among the first 1,000.
    diagonal : float or None
        Mean of the diagonal; None for two sets of examples.
    eigenvalues : tuple of float
        Eigenvalues of the kernel of the first 1,000 examples, the largest first; empty for two sets.
    float32_size, bfloat16_size : float or None
        Number of examples at which such a kernel, rounded to this precision, is expected to be no longer positive
        definite: the prediction of :func:`critical_size` from the first 1,000 examples. None if it is not known, or
        infinite.
    """

    file: str
    network: str
    kernel: Literal["nngp", "ntk"]
    rows: int
    columns: int
    dtype: str
    counts: tuple[float, ...]
    edges: tuple[float, ...]
    diagonal: float | None
    eigenvalues: tuple[float, ...]
    float32_size: float | None
    bfloat16_size: float | None

    def figures(self) -> tuple[Figure, ...]:
        """Return a histogram of the values, and the spectrum if there is one."""
        total = sum(self.counts) or 1.0
        shares = tuple(count / total for count in self.counts)
        name = self.kernel.upper()
        found: list[Figure] = [
            Histogram(
                f"{name} of pairs of different examples", "kernel", self.edges, (("pairs", shares),), "share of pairs"
            )
        ]
        positive = [value for value in self.eigenvalues if value > 0]
        if positive:
            ranks = tuple(map(float, range(1, len(positive) + 1)))
            logarithms = tuple(np.log10(positive).tolist())
            found.append(Lines(f"Eigenvalues of {len(self.eigenvalues):,} examples", "rank", "log10 of the eigenvalue",
                               (Series(name, ranks, logarithms),), log_x=True, dense=True))  # fmt: skip
        return tuple(found)

    def __rich__(self) -> RenderableType:
        rows = [
            ("file", self.file),
            ("kernel", self.kernel.upper()),
            ("size", f"{self.rows:,} x {self.columns:,}, {self.dtype}"),
        ]
        if self.diagonal is not None:
            rows.append(("of an example with itself, mean", f"{self.diagonal:.4g}"))
        if self.eigenvalues:
            n = len(self.eigenvalues)
            rows.append((f"eigenvalues of {n:,} examples", f"{self.eigenvalues[-1]:.3g} to {self.eigenvalues[0]:.3g}"))
        for name, size in (("float32", self.float32_size), ("bfloat16", self.bfloat16_size)):
            if size is not None:
                rows.append((f"examples at which {name} fails, about", f"{size:,.0f}" if size < 1e9 else "over 1e9"))
        return table("Kernel of infinite width", ("", ""), rows, self.network)


def summarise(
    kernel: Array, network: InfiniteNetwork, kind: Literal["nngp", "ntk"], file: str, own: bool
) -> KernelSummary:
    """Return the summary of a kernel.

    Parameters
    ----------
    kernel : numpy.ndarray
        Kernel ``(n, m)``, such as that of :func:`kernel_on_disk`; its first 1,000 rows and columns and its diagonal are
        read.
    network : InfiniteNetwork
        The network.
    kind : {"nngp", "ntk"}
        Kind of kernel.
    file : str
        Path of the kernel.
    own : bool
        Whether the kernel is that of one set of examples with itself.
    """
    part = np.asarray(kernel[:SHOWN_EXAMPLES, :SHOWN_EXAMPLES], dtype=np.float64)
    different = part[np.eye(*part.shape) == 0] if own else part.ravel()
    counts, edges = np.histogram(different if different.size else part, 30)
    values = np.linalg.eigvalsh(part)[::-1] if own else np.empty(0)
    sizes: list[float | None] = [None, None]
    if own and len(part) >= FEWEST_EXAMPLES and values[-1] > 0:
        sizes = [critical_size(part, "float32").predicted, critical_size(part, "bfloat16").predicted]
    return KernelSummary(
        file=file,
        network=", ".join(map(repr, network.layers)),
        kernel=kind,
        rows=kernel.shape[0],
        columns=kernel.shape[1],
        dtype=str(kernel.dtype),
        counts=tuple(map(float, counts)),
        edges=tuple(edges.tolist()),
        diagonal=float(np.mean(np.diagonal(kernel), dtype=np.float64)) if own else None,
        eigenvalues=tuple(values.tolist()),
        float32_size=_finite_or_none(sizes[0]),
        bfloat16_size=_finite_or_none(sizes[1]),
    )


def _finite_or_none(size: float | None) -> float | None:
    return size if size is not None and np.isfinite(size) else None
