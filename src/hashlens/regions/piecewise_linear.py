"""Piecewise linear: elementwise hard gates, each a few linear pieces between breakpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import torch

from hashlens.codes.gates import Bound
from hashlens.codes.layers import Layer
from hashlens.regions.rounding import median_magnitude

Tensor = torch.Tensor
Number = Tensor | float


@dataclass(frozen=True)
class Pieces:
    """A piecewise linear function of one number.

    Attributes
    ----------
    breakpoints : tuple of float or torch.Tensor
        Breakpoints between pieces, ascending; the bits of a unit are ``input > breakpoint``.
    slopes, offsets : tuple of float or torch.Tensor
        Slope and offset of each piece ``slope * input + offset``; one more than the breakpoints.
    """

    breakpoints: tuple[Number, ...]
    slopes: tuple[Number, ...]
    offsets: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """A step of a program: an elementwise gate. Its state is its bits, bool ``(rows, *shape, planes)``.

    Attributes
    ----------
    input, output : int
        Registers of the argument and of the result.
    layer : Layer
        Name, shape and span in the code.
    pieces : Pieces
        The function of the gate.
    """

    input: int
    output: int
    layer: Layer
    pieces: Pieces

    @property
    def inputs(self) -> tuple[int, ...]:
        """Registers of its arguments."""
        return (self.input,)

    def state(self, values: Tensor) -> Tensor:
        """Return the piece that each unit is on, from its input ``(rows, *shape)``."""
        if len(self.pieces.breakpoints) == 1:
            return (values > self.pieces.breakpoints[0]).unsqueeze(-1)
        return torch.stack([values > breakpoint for breakpoint in self.pieces.breakpoints], dim=-1)

    def bits(self, state: Tensor) -> Tensor:
        """Return the bits of the code, bool ``(rows, bits)``."""
        return state.flatten(1)

    def apply(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the output ``(rows, *shape)`` of the pieces in `state`, also for inputs outside these pieces."""
        bent = self._scale(state, values)
        offsets = self.pieces.offsets
        if _all_equal(offsets, 0.0):
            return bent
        return bent + self._choose(state, offsets, values)

    def map_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the tangents ``(directions, rows, *shape)`` of the output."""
        return self._scale(state, tangents)

    def slack(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the slack of each bit, its distance from flipping in units of the gate's input, ``(rows, bits)``."""
        return self._signed_slack(state, [values - breakpoint for breakpoint in self.pieces.breakpoints])

    def slack_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the derivatives of :meth:`slack`, ``(directions, rows, bits)``."""
        return self._signed_slack(state, [tangents] * len(self.pieces.breakpoints))

    def slack_norm(self, state: Tensor, tangents: Tensor, order: float) -> Tensor:
        """Return the norm over directions of :meth:`slack_tangents`, ``(rows or 1, bits)``."""
        norm: Tensor = torch.linalg.vector_norm(tangents, order, dim=0).flatten(1)
        return norm.repeat_interleave(self.layer.planes, dim=1) if self.layer.planes > 1 else norm

    def lines(self, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the affine functions whose zeros are the flips of bits.

        Parameters
        ----------
        values, tangents : torch.Tensor
            ``(rows, *shape)`` and ``(directions, rows, *shape)``: inputs of the gate and their derivatives.

        Returns
        -------
        torch.Tensor, torch.Tensor, torch.Tensor
            Values ``(rows, bits)`` and slopes ``(directions, rows, bits)``, ordered by breakpoint, and the breakpoints
            that were subtracted from the values, ``(bits,)``.
        """
        heights = [(values - breakpoint).flatten(1) for breakpoint in self.pieces.breakpoints]
        slopes = tangents.flatten(2)
        breakpoints = [
            torch.as_tensor(breakpoint, dtype=values.dtype, device=values.device).expand(values.shape[1:]).flatten()
            for breakpoint in self.pieces.breakpoints
        ]
        if len(heights) == 1:
            return heights[0], slopes, breakpoints[0]
        return torch.cat(heights, dim=1), torch.cat([slopes] * len(heights), dim=2), torch.cat(breakpoints)

    def crossings(self, span: Tensor, values: Tensor, tangents: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """Return the positions t on straight lines ``values + t * tangents`` where bits flip.

        Parameters
        ----------
        span : torch.Tensor
            ``(2, rows)``: start and end of the range of t in each row.
        values, tangents : torch.Tensor
            ``(rows, *shape)`` each.
        noise : float
            Tolerance for zero, as a share of the magnitude of a value, or of the median magnitude in its row.

        Returns
        -------
        torch.Tensor, torch.Tensor
            Row of each crossing, int64, and its t.
        """
        rows, crossings = list[Tensor](), list[Tensor]()
        flat, slope = values.flatten(1), tangents.expand_as(values).flatten(1)
        median = median_magnitude(flat, slope)
        for breakpoint in self.pieces.breakpoints:
            shifted = (values - breakpoint).flatten(1) if isinstance(breakpoint, Tensor) else flat - breakpoint
            first, last = (torch.addcmul(shifted, slope, end[:, None]) for end in span)
            row, unit = ((first > 0) != (last > 0)).nonzero(as_tuple=True)
            height, speed = shifted[row, unit], slope[row, unit]
            bound = torch.as_tensor(breakpoint, dtype=values.dtype, device=values.device).abs()
            at = bound.expand(values.shape[1:]).flatten()[unit] if bound.dim() else bound
            size = torch.maximum(flat[row, unit].abs() + speed.abs() + at, median[row])
            real = torch.minimum(first[row, unit].abs(), last[row, unit].abs()) > noise * size
            real &= torch.isfinite(height)
            rows.append(row[real])
            crossings.append(-height[real] / speed[real])
        return torch.cat(rows), torch.cat(crossings)

    def _scale(self, state: Tensor, rows: Tensor) -> Tensor:
        """Return rows, or tangents with one more axis in front, times the slopes."""
        slopes = self.pieces.slopes
        if _all_equal(slopes, 0.0, 1.0):
            return rows * state[..., 0]
        return rows * self._choose(state, slopes, rows)

    def _choose(self, state: Tensor, choices: tuple[Number, ...], like: Tensor) -> Tensor:
        """Return the entry of `choices` for the piece of each unit, ``(rows, *shape)``."""
        chosen = torch.as_tensor(choices[0], dtype=like.dtype, device=like.device)
        for plane, choice in enumerate(choices[1:]):
            above = torch.as_tensor(choice, dtype=like.dtype, device=like.device)
            chosen = torch.where(state[..., plane], above, chosen)
        return chosen

    def _signed_slack(self, state: Tensor, distances: list[Tensor]) -> Tensor:
        sided = torch.stack(distances, dim=-1)
        return torch.where(state, sided, -sided).flatten(sided.dim() - state.dim() + 1)


def _all_equal(numbers: tuple[Number, ...], *expected: float) -> bool:
    """Return whether the numbers equal the expected ones (a single expected number applies to all)."""
    wanted = expected * len(numbers) if len(expected) == 1 else expected
    return all(isinstance(number, float) for number in numbers) and numbers == wanted


def _leaky(slope: Callable[[Bound], Number]) -> Callable[[Bound], Pieces]:
    return lambda bound: Pieces((0.0,), (slope(bound), 1.0), (0.0, 0.0))


def _between(low: str, high: str) -> Callable[[Bound], Pieces]:
    def pieces(bound: Bound) -> Pieces:
        return _clamp(bound.get(low), bound.get(high))

    return pieces


def _clamp(low: Any, high: Any) -> Pieces:
    low, high = (float(end) if isinstance(end, (int, float)) and abs(end) < inf else end for end in (low, high))
    low = None if isinstance(low, float) and low == -inf else low
    high = None if isinstance(high, float) and high == inf else high
    if low is not None and high is not None:
        # torch returns `high` where `low` is above `high`.
        low = min(low, high) if not isinstance(low, Tensor) and not isinstance(high, Tensor) else _minimum(low, high)
        return Pieces((low, high), (0.0, 1.0, 0.0), (low, 0.0, high))
    if low is not None:
        return Pieces((low,), (0.0, 1.0), (low, 0.0))
    return Pieces((high,), (1.0, 0.0), (0.0, high))


def _minimum(low: Number, high: Number) -> Tensor:
    like = low if isinstance(low, Tensor) else high
    assert isinstance(like, Tensor)
    return torch.minimum(*(torch.as_tensor(end, dtype=like.dtype, device=like.device) for end in (low, high)))


def _threshold(bound: Bound) -> Pieces:
    return Pieces((float(bound["threshold"]),), (0.0, 1.0), (float(bound["value"]), 0.0))


def _hard_sigmoid(bound: Bound) -> Pieces:
    return Pieces((-3.0, 3.0), (0.0, 1 / 6, 0.0), (0.0, 0.5, 1.0))


def _shrink(shift: float) -> Callable[[Bound], Pieces]:
    def pieces(bound: Bound) -> Pieces:
        at = float(bound["lambd"])
        return Pieces((-at, at), (1.0, 0.0, 1.0), (shift * at, 0.0, -shift * at))

    return pieces


BENDS: dict[str, Callable[[Bound], Pieces]] = {
    "relu": lambda bound: Pieces((0.0,), (0.0, 1.0), (0.0, 0.0)),
    "leaky_relu": _leaky(lambda bound: float(bound["negative_slope"])),
    "_prelu_kernel": _leaky(lambda bound: bound["weight"]),
    "rrelu_with_noise": _leaky(lambda bound: (float(bound["lower"]) + float(bound["upper"])) / 2),
    "rrelu_with_noise_functional": _leaky(lambda bound: (float(bound["lower"]) + float(bound["upper"])) / 2),
    "hardtanh": _between("min_val", "max_val"),
    "clamp": _between("min", "max"),
    "clamp_min": _between("min", "max"),
    "clamp_max": _between("min", "max"),
    "threshold": _threshold,
    "hardsigmoid": _hard_sigmoid,
    "hardshrink": _shrink(0.0),
    "softshrink": _shrink(1.0),
    "abs": lambda bound: Pieces((0.0,), (-1.0, 1.0), (0.0, 0.0)),
}
"""Every elementwise hard gate by ATen operator name, with its pieces from the operator's arguments."""

DIFFERENCE = Pieces((0.0,), (0.0, 1.0), (0.0, 0.0))
"""The gate of a choice between two tensors, applied to their difference."""
