"""Bounds: numbers between which the results of operators lie in exact arithmetic, for any input of the network.

A gate whose breakpoints lie outside these bounds has bits that no input changes: tanh behind softplus, as in a Mish
that is written by hand. Rounding is ignored: where softplus underflows, its result is 0, and so is the bit.
"""

from collections.abc import Callable
from math import inf, log, log1p, nextafter
from typing import Any

import torch

Interval = tuple[float, float]
"""Open interval of numbers."""
UNBOUNDED: Interval = (-inf, inf)
BELOW_ZERO = nextafter(0.0, -1.0)
"""Largest number below 0: the lower bound of results that may be 0, since intervals are open."""
RESULT_BOUNDS: dict[str, Interval] = {
    **dict.fromkeys(("exp", "exp2", "softplus"), (0.0, inf)),
    **dict.fromkeys(
        ("sigmoid", "softmax", "_softmax", "_safe_softmax", "special_softmax", "special_expit"), (0.0, 1.0)
    ),
    **dict.fromkeys(("log_sigmoid_forward", "log_softmax", "_log_softmax"), (-inf, 0.0)),
    **dict.fromkeys(("tanh", "erf"), (-1.0, 1.0)),
    **dict.fromkeys(("relu", "abs", "square"), (BELOW_ZERO, inf)),
}
"""Bounds of the results of operators that hold for all arguments."""
DERIVED = ("add", "sub", "rsub", "neg", "mul", "div", "reciprocal", "sqrt", "log", "log1p")
"""Operators whose bounds follow from those of their arguments."""


def bounds_of(
    operator: str, args: tuple[Any, ...], kwargs: dict[str, Any], of_argument: Callable[[torch.Tensor], Interval]
) -> Interval:
    """Return the bounds of an operator's result.

    Parameters
    ----------
    operator : str
        Name of the operator, without the ``_`` of its in-place variant.
    args, kwargs : tuple, dict
        Its arguments.
    of_argument : callable
        Function from a tensor to its bounds.
    """
    if operator in RESULT_BOUNDS:
        return RESULT_BOUNDS[operator]
    if operator not in DERIVED or kwargs.get("rounding_mode") is not None:
        return UNBOUNDED
    sides = [of_argument(value) if isinstance(value, torch.Tensor) else _of_number(value) for value in args[:2]]
    if operator in ("add", "sub", "rsub") and len(sides) == 2 and _of_number(kwargs.get("alpha", 1)) == (1.0, 1.0):
        one, other = sides if operator != "rsub" else sides[::-1]
        return (one[0] + other[0], one[1] + other[1]) if operator == "add" else (one[0] - other[1], one[1] - other[0])
    if operator == "neg":
        return -sides[0][1], -sides[0][0]
    positive = bool(sides) and all(low >= 0 and high > 0 for low, high in sides)
    if operator in ("mul", "div", "reciprocal", "sqrt") and positive:
        return 0.0, inf
    if operator == "log1p" and positive:
        return log1p(sides[0][0]), inf
    if operator == "log" and positive and sides[0][0] >= 1:
        return log(sides[0][0]), inf
    return UNBOUNDED


def _of_number(value: Any) -> Interval:
    return (float(value), float(value)) if isinstance(value, (int, float)) else UNBOUNDED


def has_constant_bits(interval: Interval, breakpoints: list[Any]) -> bool:
    """Return whether all numbers in an open interval have the same bits: no breakpoint lies between two of them."""
    return all(
        isinstance(breakpoint, (int, float)) and not interval[0] < breakpoint < interval[1]
        for breakpoint in breakpoints
    )
