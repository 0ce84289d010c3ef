"""Gates: the nonlinear operators of a network, by ATen operator name, and the breakpoints that define their bits.

A bit compares the *input* of a gate with a breakpoint. The sign of the output would be a different bit for a gate that
is shifted (``threshold``, ``hardtanh``) or leaky.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Bound = dict[str, Any]
"""Arguments of an operator, by the names of its schema."""
Plane = tuple[torch.Tensor, torch.Tensor | float]
"""A gate's input and one of its breakpoints; the bits are ``input > breakpoint``."""

# A clamp from below at a tiny positive number protects a division or a logarithm (F.normalize, a probability away from
# 0 and 1); it is not an activation.
GUARD = 1e-3


@dataclass(frozen=True)
class Gate:
    """An operator that contributes bits to a code.

    Attributes
    ----------
    name : str
        Name of the operator, without the ``_`` of its in-place variant.
    planes : callable
        Function from the operator's arguments by name to pairs (input, breakpoint); the bits are
        ``input > breakpoint``.
    soft : bool
        Whether the operator has curved parts: its bit is the sign of its input, and does not bound a linear region.
    activation : bool
        Whether codes include it by default; the other gates need ``gates="all"``.
    """

    name: str
    planes: Callable[[Bound], list[Plane]]
    soft: bool = False
    activation: bool = True


def _at_zero(bound: Bound) -> list[Plane]:
    return [(bound["self"], 0.0)]


def _between(low: str, high: str) -> Callable[[Bound], list[Plane]]:
    return lambda bound: [(bound["self"], bound[low]), (bound["self"], bound[high])]


def _symmetric(bound: Bound) -> list[Plane]:
    return [(bound["self"], -bound["lambd"]), (bound["self"], bound["lambd"])]


def is_guard(low: Any, high: Any) -> bool:
    """Return whether a clamp between these bounds guards a division or a logarithm, and is no activation."""
    return isinstance(low, (int, float)) and 0 < low <= GUARD and (high is None or 1 - GUARD <= high < 1)


def _clamp(bound: Bound) -> list[Plane]:
    low, high = bound.get("min"), bound.get("max")
    if is_guard(low, high):
        return []
    return [_broadcast(bound["self"], bound_value) for bound_value in (low, high) if bound_value is not None]


def _broadcast(x: torch.Tensor, breakpoint: Any) -> Plane:
    """Return an input and its breakpoint; if the breakpoint is a tensor, both broadcast to one shape."""
    if not isinstance(breakpoint, torch.Tensor) or breakpoint.dim() == 0 or breakpoint.shape == x.shape:
        return x, breakpoint
    return tuple(torch.broadcast_tensors(x, breakpoint))  # type: ignore[no-untyped-call]


def _glu(bound: Bound) -> list[Plane]:
    return [(bound["self"].chunk(2, bound["dim"])[1], 0.0)]


def _pair(bound: Bound) -> list[Plane]:
    return [_broadcast(bound["self"], bound["other"])]


_HARD: dict[str, Callable[[Bound], list[Plane]]] = {
    "relu": _at_zero,
    "leaky_relu": _at_zero,
    "_prelu_kernel": _at_zero,
    "rrelu_with_noise": _at_zero,
    "rrelu_with_noise_functional": _at_zero,
    "hardtanh": _between("min_val", "max_val"),
    "threshold": lambda bound: [(bound["self"], bound["threshold"])],
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp,
    "hardsigmoid": lambda bound: [(bound["self"], -3.0), (bound["self"], 3.0)],
    "hardshrink": _symmetric,
    "softshrink": _symmetric,
}
_SOFT = ("gelu", "silu", "sigmoid", "tanh", "hardswish", "mish", "celu", "elu", "selu", "softplus",
         "log_sigmoid_forward", "erf")  # fmt: skip
_OTHER = {"abs": _at_zero, "maximum": _pair, "minimum": _pair}

GATES: dict[str, Gate] = {
    **{name: Gate(name, planes) for name, planes in _HARD.items()},
    **{name: Gate(name, _at_zero, soft=True) for name in _SOFT},
    "glu": Gate("glu", _glu, soft=True),
    **{name: Gate(name, planes, activation=False) for name, planes in _OTHER.items()},
}
"""Every elementwise gate by ATen operator name, without the ``_`` of in-place variants."""

MAX_POOLS = ("max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool3d")
"""Max-pools by ATen operator name: one-hot gates, included with ``gates="all"``."""

FUSED = {
    "_transformer_encoder_layer_fwd": "give a module that is not traced, so that the fast path can be switched off",
    "mkldnn_rnn_layer": "run it on eager modules, or leave the recurrent part out",
    "_thnn_fused_lstm_cell": "encode it on the CPU",
    "_thnn_fused_gru_cell": "encode it on the CPU",
    "cudnn_convolution_relu": "give the model as it was before it was frozen",
    "cudnn_convolution_add_relu": "give the model as it was before it was frozen",
    "_cudnn_rnn": "encode it on the CPU, or under torch.backends.cudnn.flags(enabled=False)",
    "_addmm_activation": "give the unfused module",
}
"""Fused operators that hide a gate, and how to avoid each."""

_nn = torch.nn
ACTIVATION_MODULES: tuple[type[torch.nn.Module], ...] = (
    _nn.ReLU, _nn.ReLU6, _nn.LeakyReLU, _nn.PReLU, _nn.RReLU, _nn.Hardtanh, _nn.Threshold, _nn.Hardsigmoid,
    _nn.Hardshrink, _nn.Softshrink, _nn.GELU, _nn.SiLU, _nn.Sigmoid, _nn.Tanh, _nn.Hardswish, _nn.Mish, _nn.CELU,
    _nn.ELU, _nn.SELU, _nn.Softplus, _nn.LogSigmoid, _nn.GLU, _nn.Tanhshrink, _nn.Softsign,
)  # fmt: skip
"""Modules that must run a gate whenever they are called."""

_GATES_OF_MODULES = {("abs", "torch.nn.modules.activation.Softsign"): Gate("softsign", _at_zero, soft=True)}
"""Gates that stand for an operator inside a module, by the operator's name and the module's qualified class name."""


def gate_of_module(kind: str, gate: Gate) -> Gate:
    """Return the gate that an operator is in a module of the class `kind`, a qualified name.

    It is `gate`, except for the ``abs`` in the denominator of Softsign, which stands for the soft gate ``softsign``.
    """
    return _GATES_OF_MODULES.get((gate.name, kind), gate)


def bind(func: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
    """Return an operator's arguments by the names of its schema, defaults filled in."""
    bound: Bound = {}
    for position, argument in enumerate(func._schema.arguments):
        if position < len(args):
            bound[argument.name] = args[position]
        elif argument.name in kwargs:
            bound[argument.name] = kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
    return bound


def max_pool_choices(name: str, bound: Bound, indices: torch.Tensor) -> torch.Tensor:
    """Return which element of its window is the maximum for each output of a max-pool, one-hot.

    Parameters
    ----------
    name : str
        One of :data:`MAX_POOLS`.
    bound : dict
        The operator's arguments by name.
    indices : torch.Tensor
        int64 ``(b, c, *out)``: the flat position in the input's spatial plane, as PyTorch returns it.

    Returns
    -------
    torch.Tensor
        bool ``(b, c, *out, window)``, exactly one true along the last axis.
    """
    space = bound["self"].shape[-indices.dim() + 2 :]
    axes = len(space)
    quotient, coordinates = indices, list[torch.Tensor]()
    for size in reversed(space):
        coordinates.insert(0, quotient % size)
        quotient = quotient // size
    offset, window = torch.zeros_like(indices), 1
    for axis in range(axes):
        starts, extent, step = axis_windows(name, bound, axis, space[axis], indices.shape[2 + axis])
        shape = [1] * indices.dim()
        shape[2 + axis] = -1
        place = (coordinates[axis] - starts.to(indices.device).view(shape)) // step
        offset = offset * extent + place
        window *= extent
    return offset.unsqueeze(-1) == torch.arange(window, device=offset.device)


def axis_windows(name: str, bound: Bound, axis: int, size: int, out: int) -> tuple[torch.Tensor, int, int]:
    """Return the positions of the windows of a max-pool along one of its axes.

    Parameters
    ----------
    name : str
        One of :data:`MAX_POOLS`.
    bound : dict
        The operator's arguments by name.
    axis : int
        Index among the pooled axes, from 0.
    size, out : int
        Sizes of that axis before and after.

    Returns
    -------
    torch.Tensor, int, int
        Starts of the windows (int64 ``(out,)``, negative in the padding), number of elements of the largest window, and
        step between elements.
    """
    index = torch.arange(out)
    if name.startswith("adaptive"):
        starts, ends = index * size // out, -(-(index + 1) * size // out)
        return starts, int((ends - starts).max()), 1
    kernel, stride, padding, dilation = (
        along_axis(bound[key], axis) for key in ("kernel_size", "stride", "padding", "dilation")
    )
    return index * (stride if stride is not None else kernel) - padding, kernel, dilation


def along_axis(value: Any, axis: int) -> Any:
    """Return the entry of an operator's argument, such as a stride, for one of its spatial axes.

    The argument is a number, a list with one number for all axes, or a list with a number for each axis. An empty list
    gives None.
    """
    if isinstance(value, (list, tuple)):
        return None if not value else value[axis if len(value) > 1 else 0]
    return value
