"""Choices: elementwise maximum or minimum of two tensors that both depend on the input."""

from dataclasses import dataclass

import torch

from hashlens.regions.piecewise_linear import PiecewiseLinear

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Choice(PiecewiseLinear):
    """A step of a program: maximum or minimum. Its input is both tensors, stacked along a last axis.

    It flips where the difference of the two changes its sign. The output is one of the two tensors itself, not computed
    from the difference, which may be huge and lose the digits of the smaller one.

    Attributes
    ----------
    larger : bool
        True for the maximum, False for the minimum.
    """

    larger: bool = True

    def state(self, values: Tensor) -> Tensor:
        """Return whether the first is larger, from both ``(rows, *shape, 2)``: ``(rows, *shape, 1)``."""
        return (values[..., 0] > values[..., 1]).unsqueeze(-1)

    def apply(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the chosen values ``(rows, *shape)``."""
        first, second = values.unbind(-1) if self.larger else values.flip(-1).unbind(-1)
        return torch.where(state[..., 0], first, second)

    def map_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the chosen tangents ``(directions, rows, *shape)``."""
        return self.apply(state, tangents)

    def slack(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the slack of each bit, its distance from flipping, ``(rows, bits)``."""
        return super().slack(state, _difference(values))

    def slack_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the derivatives of :meth:`slack`, ``(directions, rows, bits)``."""
        return super().slack_tangents(state, _slope(tangents))

    def slack_norm(self, state: Tensor, tangents: Tensor, order: float) -> Tensor:
        """Return the norm over directions of :meth:`slack_tangents`, ``(rows or 1, bits)``."""
        return super().slack_norm(state, _slope(tangents), order)

    def lines(self, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the affine functions whose zeros are the flips of bits, like :meth:`PiecewiseLinear.lines`."""
        return super().lines(_difference(values), _slope(tangents))

    def crossings(self, span: Tensor, values: Tensor, tangents: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """Return the positions on straight lines where bits flip, like :meth:`PiecewiseLinear.crossings`."""
        return super().crossings(span, _difference(values), _slope(tangents), noise)


def _difference(pairs: Tensor) -> Tensor:
    first, second = pairs.unbind(-1)
    return torch.where(first == second, 0.0, first - second)  # also where both are infinite


def _slope(pairs: Tensor) -> Tensor:
    """Return the plain difference of tangents, a linear function that can be run backward."""
    return pairs[..., 0] - pairs[..., 1]
