"""The kernels of an infinitely wide network: NNGP, NTK and codes, block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float

from hashlens.arguments import excerpt
from hashlens.device import find_device
from hashlens.errors import KernelError, nearest
from hashlens.kernels.layers import Flatten
from hashlens.kernels.moments import Moments
from hashlens.kernels.network import InfiniteNetwork, needs_pairs, needs_pooled_variances, run
from hashlens.progress import bar

Array = npt.NDArray[Any]
Tensor = torch.Tensor
Kind = Literal["nngp", "ntk", "code"]
Precision = Literal["float64", "float32"]
KINDS: tuple[Kind, ...] = ("nngp", "ntk", "code")
PRECISIONS: dict[str, torch.dtype] = {"float64": torch.float64, "float32": torch.float32}
CPU_BLOCK, GPU_BLOCK = 1 << 17, 1 << 25
"""Size of one block, in numbers: as many as fit into the cache of a core, and as many as keep a GPU busy."""


@dataclass(frozen=True, eq=False)
class Kernels:
    """Kernels of one network for the same pairs of inputs.

    Attributes
    ----------
    nngp, ntk : numpy.ndarray or None
        ``(n, m)`` in the requested dtype; None if not requested.
    code : numpy.ndarray or None
        ``(layers, n, m)``: one kernel for each activation that has bits; None if not requested.
    """

    nngp: Array | None = None
    ntk: Array | None = None
    code: Array | None = None


def compute(
    network: InfiniteNetwork,
    x1: Any,
    x2: Any = None,
    kinds: Sequence[Kind] = ("nngp", "ntk"),
    *,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
) -> Kernels:
    """Return kernels of an infinitely wide network.

    Parameters
    ----------
    network : InfiniteNetwork
        The network; see :func:`serial` and :func:`from_module`.
    x1, x2 : array_like
        Inputs ``(n, features)`` and ``(m, features)``, or images ``(n, channels, height, width)``. Without `x2` the
        kernels of `x1` with itself are computed: only one triangle, and the diagonal without the rounding of pairs.
    kinds : sequence of {"nngp", "ntk", "code"}
        Kinds of kernels; all together take little more time than the slowest one.
    dtype : {"float64", "float32"}
        Dtype of the computation and the result. In float32 the NTK of near copies has an error of about 5e-4.
    device : str or torch.device
        Device of the computation.

    Raises
    ------
    KernelError
        If the inputs do not fit each other or the network, are empty or not finite, or a layer cannot follow another.

    Examples
    --------
    >>> from hashlens.kernels import Dense, ReLU, compute, serial
    >>> found = compute(serial(Dense(), ReLU(), Dense()), [[1.0, 0.0], [0.0, 1.0]])
    >>> found.nngp.round(3).tolist()
    [[1.0, 0.318], [0.318, 1.0]]
    """
    wanted = _require_kinds(kinds)
    first, second = inputs_of(network, x1, x2, dtype, device)
    layers = len(network.activations()) if "code" in wanted else 0
    shape = (len(first), len(first if second is None else second))
    made = {kind: np.empty(shape, dtype) for kind in wanted if kind != "code"}
    code = np.empty((layers, *shape), dtype)
    for rows, columns, found in blocks(network, first, second, wanted, describe="kernel"):
        for kind, values in made.items():
            values[rows, columns] = getattr(found, kind)
            if second is None:
                values[columns, rows] = getattr(found, kind).T
        if layers and found.code is not None:
            code[:, rows, columns] = found.code
            if second is None:
                code[:, columns, rows] = found.code.swapaxes(1, 2)
    return Kernels(made.get("nngp"), made.get("ntk"), code if "code" in wanted else None)


def _compute_one(
    kind: Kind, network: InfiniteNetwork, x1: Any, x2: Any, dtype: Precision, device: str | torch.device
) -> Array:
    return np.asarray(getattr(compute(network, x1, x2, (kind,), dtype=dtype, device=device), kind))


def nngp(
    network: InfiniteNetwork,
    x1: Any,
    x2: Any = None,
    *,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
) -> Float[Array, "n m"]:
    """Return the covariance of the outputs over random weights (NNGP), ``(n, m)``; arguments as in :func:`compute`.

    References
    ----------
    Lee, Bahri, Novak, Schoenholz, Pennington, Sohl-Dickstein (2018): Deep neural networks as Gaussian processes. ICLR.
    """
    return _compute_one("nngp", network, x1, x2, dtype, device)


def ntk(
    network: InfiniteNetwork,
    x1: Any,
    x2: Any = None,
    *,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
) -> Float[Array, "n m"]:
    """Return the neural tangent kernel, ``(n, m)``; arguments as in :func:`compute`.

    References
    ----------
    Jacot, Gabriel, Hongler (2018): Neural tangent kernel: convergence and generalization in neural networks. NeurIPS.
    """
    return _compute_one("ntk", network, x1, x2, dtype, device)


def code_kernel(
    network: InfiniteNetwork,
    x1: Any,
    x2: Any = None,
    *,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
) -> Float[Array, "layers n m"]:
    """Return the expected share of bits that agree in the neural codes of two inputs, for each layer.

    It is the limit of the Hamming similarity, which is one minus the Hamming distance divided by the number of bits.
    The bits of two inputs agree with probability ``1 - angle / pi``. For a ReLU, this is twice the factor by which the
    layer multiplies the NTK.

    Parameters
    ----------
    network, x1, x2, dtype, device
        As in :func:`compute`.

    Returns
    -------
    numpy.ndarray
        ``(layers, n, m)``: one kernel for each activation that has bits (all but the sine). For images it is the mean
        over positions, as in codes with one bit per unit.
    """
    return _compute_one("code", network, x1, x2, dtype, device)


def diagonals(
    network: InfiniteNetwork,
    x: Any,
    kinds: Sequence[Kind] = ("nngp", "ntk"),
    *,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
) -> Kernels:
    """Return the kernels of each input with itself, ``(n,)``, without those of pairs; arguments as in `compute`."""
    wanted = _require_kinds(kinds)
    inputs, _ = inputs_of(network, x, None, dtype, device)
    parts: list[Kernels] = []
    step = max(1, _block_size(inputs) // _covariances_per_pair(network, inputs))
    for start in range(0, len(inputs), step):
        parts.append(_evaluate(network, inputs[start : start + step], None, wanted, aligned=True))

    def join(kind: Kind) -> Array | None:
        return np.concatenate([getattr(part, kind) for part in parts], axis=-1) if kind in wanted else None

    return Kernels(join("nngp"), join("ntk"), join("code"))


def blocks(
    network: InfiniteNetwork,
    first: Tensor,
    second: Tensor | None,
    kinds: tuple[Kind, ...],
    side: int | None = None,
    describe: str = "",
) -> Iterator[tuple[slice, slice, Kernels]]:
    """Yield rows, columns and kernels of each block; without `second`, those of one triangle.

    Parameters
    ----------
    network : InfiniteNetwork
        The network.
    first, second : torch.Tensor
        Inputs that :func:`inputs_of` returned.
    kinds : tuple of {"nngp", "ntk", "code"}
        Kinds of kernels.
    side : int, optional
        Number of rows and columns of a block; by default as many as fit into the cache.
    describe : str
        Text of the progress bar.
    """
    side = side or max(1, int((_block_size(first) / _covariances_per_pair(network, first)) ** 0.5))
    others = first if second is None else second
    rows, columns = _slices(len(first), side), _slices(len(others), side)
    pairs = [(row, column) for i, row in enumerate(rows) for j, column in enumerate(columns)
             if second is not None or j >= i]  # fmt: skip
    with bar(describe, len(pairs)) as advance:
        for row, column in pairs:
            own = second is None and row == column
            yield row, column, _evaluate(network, first[row], None if own else others[column], kinds)
            advance("")


def inputs_of(
    network: InfiniteNetwork,
    x1: Any,
    x2: Any,
    dtype: Precision,
    device: str | torch.device,
    names: tuple[str, str] = ("x1", "x2"),
) -> tuple[Tensor, Tensor | None]:
    """Return the inputs as tensors, the second one None if `x2` is None; vectors if the network begins with Flatten.

    Parameters
    ----------
    network, x1, x2, dtype, device
        As in :func:`compute`.
    names : (str, str)
        Names of both inputs, for error messages.

    Raises
    ------
    KernelError
        If an argument is invalid, or inputs are empty, not finite, or of different shapes.
    """
    if not isinstance(network, InfiniteNetwork):
        raise KernelError(
            f"a network must be an InfiniteNetwork, received {type(network).__name__}: build it with serial(), or read "
            "a torch.nn.Module by from_module()"
        )
    if dtype not in PRECISIONS:
        raise KernelError(f"unknown dtype {excerpt(dtype)}; {nearest(dtype, PRECISIONS)}")
    place = find_device(device)
    first = _tensor(x1, names[0], PRECISIONS[dtype], place)
    second = None if x2 is None else _tensor(x2, names[1], PRECISIONS[dtype], place)
    if second is not None and second.shape[1:] != first.shape[1:]:
        raise KernelError(
            f"{names[1]} has examples of shape {tuple(second.shape[1:])}, and {names[0]} of "
            f"{tuple(first.shape[1:])}: give the same"
        )
    if network.layers and isinstance(network.layers[0], Flatten):
        return first.flatten(1), None if second is None else second.flatten(1)
    return first, second


def _tensor(x: Any, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    try:
        values = (x.detach() if isinstance(x, Tensor) else torch.from_numpy(np.array(x))).to(device, dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise KernelError(f"{name} must be an array of numbers, received {excerpt(x)}") from error
    if values.dim() not in (2, 4) or 0 in values.shape:
        raise KernelError(
            f"{name} must be (n, features) or images (n, channels, height, width), none of them 0, received shape "
            f"{tuple(values.shape)}"
        )
    if not bool(torch.isfinite(values).all()):
        row = int((~torch.isfinite(values)).flatten(1).any(1).nonzero()[0])
        raise KernelError(f"{name} has a value that is not finite, in row {row}: leave such rows out, or fill them in")
    return values


def _require_kinds(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    for kind in kinds:
        if kind not in KINDS:
            raise KernelError(f"unknown kind of kernel {excerpt(kind)}; {nearest(kind, KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _slices(length: int, side: int) -> list[slice]:
    return [slice(start, min(start + side, length)) for start in range(0, length, side)]


def _block_size(inputs: Tensor) -> int:
    return CPU_BLOCK if inputs.device.type == "cpu" else GPU_BLOCK


def _covariances_per_pair(network: InfiniteNetwork, inputs: Tensor) -> int:
    """Return the number of covariances that are stored for a pair of inputs."""
    positions = int(np.prod(inputs.shape[2:]))
    return positions**2 if needs_pairs(network) else positions


@torch.no_grad()
def _evaluate(
    network: InfiniteNetwork, first: Tensor, second: Tensor | None, kinds: tuple[Kind, ...], aligned: bool = False
) -> Kernels:
    moments = input_moments(network, first, second, kinds, aligned)
    moments = run(network.layers, moments, network.parameterization)
    if moments.has_positions:
        raise KernelError("the network ends in images: put Flatten() or GlobalAvgPool(), then Dense(), at its end")
    symmetric = second is None and not aligned

    def to_array(values: Tensor) -> Array:
        # Rounding may differ between a pair and its mirror image.
        values = values.triu() + values.triu(1).mT if symmetric else values
        found: Array = values.cpu().numpy()
        return found

    code = None
    if moments.agreements is not None:
        # A network without bits has no agreements to stack: the covariances give the shape (0, n, m).
        code = to_array(torch.stack([*moments.agreements, moments.cov])[:-1])
    return Kernels(
        to_array(moments.cov) if "nngp" in kinds else None,
        None if moments.ntk is None else to_array(moments.ntk),
        code,
    )


def input_moments(
    network: InfiniteNetwork, first: Tensor, second: Tensor | None, kinds: Sequence[Kind], aligned: bool = False
) -> Moments:
    """Return the moments of inputs: products of features, their mean over channels.

    Parameters
    ----------
    network : InfiniteNetwork
        The network; its layers determine which pairs of positions are needed.
    first, second : torch.Tensor
        ``(n, features)`` or ``(n, channels, height, width)``; without `second` pairs are of `first` with itself.
    kinds : sequence of {"nngp", "ntk", "code"}
        Kinds of kernels.
    aligned : bool
        Whether pairs are aligned, as in :class:`Moments`; by default they form a grid.
    """
    others, features = first if second is None else second, first.shape[1]
    pairs = first.dim() == 4 and needs_pairs(network)
    rows_have_pairs = pairs and needs_pooled_variances(network)
    cov = _products(first, others, pairs, aligned) / features
    rows = _products(first, first, rows_have_pairs, True) / features
    columns = rows if second is None else _products(others, others, rows_have_pairs, True) / features
    return Moments(
        cov=cov,
        ntk=torch.zeros_like(cov) if "ntk" in kinds else None,
        rows=rows,
        columns=columns,
        features=features,
        pairs_of_positions=pairs,
        rows_have_pairs=rows_have_pairs,
        is_same=second is None,
        aligned=aligned,
        agreements=[] if "code" in kinds else None,
    )


def _products(first: Tensor, second: Tensor, pairs: bool, aligned: bool) -> Tensor:
    """Return sums over features of products, for each pair of inputs and positions."""
    if first.dim() == 2:
        return (first * second).sum(1) if aligned else first @ second.T
    if pairs:
        return torch.einsum("nchw,ncuv->nhwuv" if aligned else "nchw,mcuv->nmhwuv", first, second).contiguous()
    if not aligned:
        first, second = first[:, None], second[None]
    sums = (first[..., 0, :, :] * second[..., 0, :, :]).contiguous()
    # Channel by channel, in place: an einsum multiplies small matrices, one for each pixel.
    for channel in range(1, first.shape[-3]):
        sums.addcmul_(first[..., channel, :, :], second[..., channel, :, :])
    return sums
