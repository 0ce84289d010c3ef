"""Choices: of two tensors that both depend on the input, the larger or the smaller element goes on."""

from dataclasses import dataclass

import torch

from hashlens.regions.piecewise_linear import PiecewiseLinear

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Choice(PiecewiseLinear):
    """A step of a program: maximum or minimum. Its input is both tensors, stacked along a last axis.

    It flips where their difference does, and otherwise is a bend of it. But what goes on is one of the two as it is:
    their difference may be huge, and has lost the digits of the smaller.

    Attributes
    ----------
    larger : bool
        Whether the larger goes on, or the smaller.
    """

    larger: bool = True

    def state(self, values: Tensor) -> Tensor:
        """Return whether the first is larger, from both ``(rows, *shape, 2)``: ``(rows, *shape, 1)``."""
        return (values[..., 0] > values[..., 1]).unsqueeze(-1)

    def apply(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the chosen values ``(rows, *shape)``."""
        first, second = values.unbind(-1) if self.larger else values.flip(-1).unbind(-1)
        return torch.where(state[..., 0], first, second)

    def push(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the chosen tangents ``(directions, rows, *shape)``."""
        return self.apply(state, tangents)

    def slack(self, state: Tensor, values: Tensor) -> Tensor:
        """Return how far each bit is from flipping, ``(rows, bits)``."""
        return super().slack(state, _difference(values))

    def slack_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the derivatives of :meth:`slack`, ``(directions, rows, bits)``."""
        return super().slack_tangents(state, _slope(tangents))

    def slack_norm(self, state: Tensor, tangents: Tensor, order: float) -> Tensor:
        """Return the norm over directions of :meth:`slack_tangents`, ``(rows or 1, bits)``."""
        return super().slack_norm(state, _slope(tangents), order)

    def lines(self, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the affine functions whose zeros are where bits flip, as :meth:`PiecewiseLinear.lines`."""
        return super().lines(_difference(values), _slope(tangents))

    def crossings(self, span: Tensor, values: Tensor, tangents: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """Return where on straight lines bits flip, as :meth:`PiecewiseLinear.crossings`."""
        return super().crossings(span, _difference(values), _slope(tangents), noise)


def _difference(pairs: Tensor) -> Tensor:
    first, second = pairs.unbind(-1)
    return torch.where(first == second, 0.0, first - second)  # also where both are infinite


def _slope(pairs: Tensor) -> Tensor:
    """Return the difference of tangents: plainly, so that it is linear and can be run backward."""
    return pairs[..., 0] - pairs[..., 1]
