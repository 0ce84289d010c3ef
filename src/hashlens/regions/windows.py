"""Windows: max-pools, whose output is the largest of several numbers."""

from dataclasses import dataclass
from math import inf, prod

import torch

from hashlens.codes.gates import Bound, axis_windows
from hashlens.codes.layers import Layer
from hashlens.regions.rounding import first_largest, noise_of

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class WindowMax:
    """A step of a program: a max-pool. Its state is the winner of each window, int64 ``(rows, *kept, outputs)``.

    Attributes
    ----------
    input, output : int
        Registers of the argument and of the result.
    layer : Layer
        Name, shape and span in the code: one bit for each element of a window.
    shape : tuple of int
        Shape of the result for one example.
    pooled : int
        Number of pooled axes, the last ones of the input.
    positions : torch.Tensor
        int64 ``(outputs, window)``: flat indices, in the pooled axes, of the elements of each window.
    inside : torch.Tensor
        bool ``(outputs, window)``: False for padding.
    """

    input: int
    output: int
    layer: Layer
    shape: tuple[int, ...]
    pooled: int
    positions: Tensor
    inside: Tensor

    @property
    def inputs(self) -> tuple[int, ...]:
        """Registers of its arguments."""
        return (self.input,)

    def state(self, values: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the winner of each window, its first largest element, from the input ``(rows, *shape)``.

        Elements that differ by no more than their `noise` ``(rows, *shape)`` count as equal.
        """
        elements = self._elements(values, -inf)
        return elements.argmax(-1) if noise is None else first_largest(elements, self._elements(noise, 0.0))

    def bits(self, state: Tensor) -> Tensor:
        """Return the bits of the code, one-hot, bool ``(rows, bits)``."""
        window = torch.arange(self.positions.shape[1], device=state.device)
        return (state.unsqueeze(-1) == window).flatten(1)

    def apply(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the winners' values ``(rows, *output shape)``."""
        flat = values.flatten(-self.pooled)
        return flat.gather(-1, self._winners(state)).reshape(len(values), *self.shape)

    def push(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the winners' tangents ``(directions, rows, *output shape)``."""
        winners = self._winners(state)
        flat = tangents.flatten(-self.pooled).expand(-1, len(state), *state.shape[1:-1], -1)
        chosen = flat.gather(-1, winners.expand(len(tangents), *winners.shape))
        return chosen.reshape(*chosen.shape[:2], *self.shape)

    def slack(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the winner minus each element, ``(rows, bits)``; infinite for the winner itself and for padding."""
        elements = self._elements(values, -inf)
        lost = elements.gather(-1, state.unsqueeze(-1)) - elements
        return lost.scatter(-1, state.unsqueeze(-1), inf).flatten(1)

    def slack_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the derivatives of :meth:`slack`, ``(directions, rows, bits)``; 0 where it is infinite."""
        elements = self._elements(tangents, 0.0)
        elements = elements.expand(-1, len(state), *elements.shape[2:])
        winner = state.unsqueeze(-1).expand(len(tangents), *state.shape, 1)
        lost = elements.gather(-1, winner) - elements
        return torch.where(self.inside, lost, 0.0).flatten(2)

    def slack_norm(self, state: Tensor, tangents: Tensor, order: float) -> Tensor:
        """Return the norm over directions of :meth:`slack_tangents`, ``(rows, bits)``."""
        norm: Tensor = torch.linalg.vector_norm(self.slack_tangents(state, tangents), order, dim=0)
        return norm

    def lines(self, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return values and tangents of the elements of each window, and a breakpoint of 0.

        Their shapes are ``(rows, windows, elements)`` and ``(directions, rows, windows, elements)``.
        """
        window = self.positions.shape[1]
        heights = self._elements(values, -inf).reshape(len(values), -1, window)
        return heights, self._elements(tangents, 0.0).reshape(*tangents.shape[:2], -1, window), values.new_zeros(1)

    def crossings(self, span: Tensor, values: Tensor, tangents: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """Return the positions t on straight lines ``values + t * tangents`` where the winner of a window changes.

        Each window follows the upper envelope of its elements: the first element to overtake the winner is the next
        winner. Parameters and returns are those of
        :meth:`hashlens.regions.piecewise_linear.PiecewiseLinear.crossings`.
        """
        window = self.positions.shape[1]
        many = prod(self.layer.shape)
        heights = self._elements(values, -inf).reshape(-1, window)
        slopes = self._elements(tangents.expand_as(values), 0.0).reshape(-1, window)
        at, until = (ends.repeat_interleave(many) for ends in span)
        reach = tangents.abs().expand_as(values).flatten(1)
        zero = self._elements(noise_of(values.flatten(1), reach, noise).reshape(values.shape), 0.0).reshape(-1, window)
        owner = torch.arange(len(values), device=values.device).repeat_interleave(many)
        winner = (heights + slopes * at[:, None]).argmax(-1, keepdim=True)
        rows, times = [owner[:0]], [at[:0]]
        while len(owner):
            behind = heights.gather(1, winner) - heights
            faster = slopes - slopes.gather(1, winner)
            gained = faster * until[:, None] - behind  # its lead over the winner at the end of the range
            time = torch.where((faster > 0) & (gained > zero + zero.gather(1, winner)), behind / faster, inf)
            soonest, challenger = time.min(dim=1)
            moving = soonest < until
            owner, at, until, zero = owner[moving], at[moving], until[moving], zero[moving]
            heights, slopes, winner = heights[moving], slopes[moving], challenger[moving, None]
            rows.append(owner)
            times.append(torch.maximum(soonest[moving], at))
        return torch.cat(rows), torch.cat(times)

    def _elements(self, rows: Tensor, padding: float) -> Tensor:
        """Return the elements of each window, ``(..., *kept, outputs, window)``."""
        flat = rows.flatten(-self.pooled)
        elements = flat[..., self.positions]
        return torch.where(self.inside, elements, padding)

    def _winners(self, state: Tensor) -> Tensor:
        """Return the flat indices of the winners in the pooled axes, int64 ``(rows, *kept, outputs)``."""
        return self.positions.expand(*state.shape, -1).gather(-1, state.unsqueeze(-1)).squeeze(-1)


def pool_windows(operator: str, bound: Bound, space: tuple[int, ...], out: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the positions of the elements of each window of a max-pool.

    Parameters
    ----------
    operator : str
        One of :data:`hashlens.codes.gates.MAX_POOLS`.
    bound : dict
        The operator's arguments by name.
    space, out : tuple of int
        Sizes of the pooled axes before and after.

    Returns
    -------
    torch.Tensor, torch.Tensor
        int64 and bool ``(outputs, window)``: flat positions (0 for padding), and whether they are inside.
    """
    positions, inside = torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.bool)
    for axis, (size, outputs) in enumerate(zip(space, out, strict=True)):
        starts, extent, step = axis_windows(operator, bound, axis, size, outputs)
        here = starts[:, None] + step * torch.arange(extent)
        ends = -(-(torch.arange(outputs) + 1) * size // outputs) if operator.startswith("adaptive") else size
        within = (here >= 0) & (here < torch.as_tensor(ends).reshape(-1, 1))
        joined = positions[:, None, :, None] * size + here.clamp(0, size - 1)[None, :, None, :]
        positions = joined.reshape(-1, joined.shape[2] * extent)
        inside = (inside[:, None, :, None] & within[None, :, None, :]).reshape(positions.shape)
    return positions * inside, inside
