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
    """A step of a program: a max-pool.

    Its state is the winner of each window, its largest element: the index in the window, int64 ``(rows, *kept,
    outputs)``. The axes `kept` are those that are not pooled, such as channels; `outputs` counts the windows over the
    pooled axes, and `window` the elements of the largest window (those of an adaptive max-pool differ in size).

    Attributes
    ----------
    input, output : int
        Registers of the argument and of the result.
    layer : Layer
        Name, shape and span in the code: one bit for each element of a window.
    shape : tuple of int
        Shape of the result for one example.
    pooled_axes : int
        Number of pooled axes, the last ones of the input.
    positions : torch.Tensor
        int64 ``(outputs, window)``: flat indices, in the pooled axes, of the elements of each window.
    is_inside : torch.Tensor
        bool ``(outputs, window)``: False for padding, and after the end of a smaller window.
    """

    input: int
    output: int
    layer: Layer
    shape: tuple[int, ...]
    pooled_axes: int
    positions: Tensor
    is_inside: Tensor

    @property
    def inputs(self) -> tuple[int, ...]:
        """Registers of its arguments."""
        return (self.input,)

    def state(self, values: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return the winner of each window, its first largest element, from the input ``(rows, *input shape)``.

        Elements that differ by no more than their rounding errors `noise` ``(rows, *input shape)`` count as equal.
        """
        elements = self._elements(values, -inf)
        return elements.argmax(-1) if noise is None else first_largest(elements, self._elements(noise, 0.0))

    def bits(self, state: Tensor) -> Tensor:
        """Return the bits of the code, one-hot, bool ``(rows, bits)``."""
        indices = torch.arange(self.positions.shape[1], device=state.device)
        return (state.unsqueeze(-1) == indices).flatten(1)

    def apply(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the winners' values ``(rows, *output shape)``."""
        flat = values.flatten(-self.pooled_axes)
        return flat.gather(-1, self._winners(state)).reshape(len(values), *self.shape)

    def map_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the winners' tangents ``(directions, rows, *output shape)``.

        Those of the input are ``(directions, rows, *input shape)``, or have a single row that stands for all.
        """
        winners = self._winners(state)
        flat = tangents.flatten(-self.pooled_axes).expand(-1, len(state), *state.shape[1:-1], -1)
        chosen = flat.gather(-1, winners.expand(len(tangents), *winners.shape))
        return chosen.reshape(*chosen.shape[:2], *self.shape)

    def slack(self, state: Tensor, values: Tensor) -> Tensor:
        """Return the slack of each bit, the winner minus the element, ``(rows, bits)``.

        It is infinite for the winner itself and for padding.
        """
        elements = self._elements(values, -inf)
        slack = elements.gather(-1, state.unsqueeze(-1)) - elements
        return slack.scatter(-1, state.unsqueeze(-1), inf).flatten(1)

    def slack_tangents(self, state: Tensor, tangents: Tensor) -> Tensor:
        """Return the derivatives of :meth:`slack`, ``(directions, rows, bits)``; 0 where it is infinite.

        The tangents are those of the input, as in :meth:`map_tangents`.
        """
        elements = self._elements(tangents, 0.0)
        elements = elements.expand(-1, len(state), *elements.shape[2:])
        winner = state.unsqueeze(-1).expand(len(tangents), *state.shape, 1)
        slack_tangents = elements.gather(-1, winner) - elements
        return torch.where(self.is_inside, slack_tangents, 0.0).flatten(2)

    def slack_norm(self, state: Tensor, tangents: Tensor, order: float) -> Tensor:
        """Return the norm over directions of :meth:`slack_tangents`, ``(rows, bits)``."""
        norm: Tensor = torch.linalg.vector_norm(self.slack_tangents(state, tangents), order, dim=0)
        return norm

    def lines(self, values: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return values and slopes of the elements of each window, and a breakpoint of 0.

        Their shapes are ``(rows, windows, elements)`` and ``(directions, rows, windows, elements)``. The largest
        element changes where two of them are equal; :meth:`hashlens.regions.mesh.Mesh.cut` finds these lines. It takes
        values from which breakpoints were subtracted, as elementwise gates have them; a max-pool has none.
        """
        window_size = self.positions.shape[1]
        element_values = self._elements(values, -inf).reshape(len(values), -1, window_size)
        slopes = self._elements(tangents, 0.0).reshape(*tangents.shape[:2], -1, window_size)
        return element_values, slopes, values.new_zeros(1)

    def crossings(self, span: Tensor, values: Tensor, tangents: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """Return the positions t on straight lines ``values + t * tangents`` where the winner of a window changes.

        The maximum of a window is the upper envelope of its elements: the first element to overtake the winner is the
        next winner. Parameters and returns are those of
        :meth:`hashlens.regions.piecewise_linear.PiecewiseLinear.crossings`.
        """
        window_size = self.positions.shape[1]
        windows = prod(self.shape)
        heights = self._elements(values, -inf).reshape(-1, window_size)  # values at t = 0
        slopes = self._elements(tangents.expand_as(values), 0.0).reshape(-1, window_size)
        start, end = (bounds.repeat_interleave(windows) for bounds in span)
        reach = tangents.abs().expand_as(values).flatten(1)
        tolerance = noise_of(values.flatten(1), reach, noise).reshape(values.shape)
        tolerance = self._elements(tolerance, 0.0).reshape(-1, window_size)
        row = torch.arange(len(values), device=values.device).repeat_interleave(windows)
        winner = (heights + slopes * start[:, None]).argmax(-1, keepdim=True)
        rows, crossings = [row[:0]], [start[:0]]
        while len(row):  # one change of the winner per turn, in all windows at once
            lead = heights.gather(1, winner) - heights  # lead of the winner at t = 0
            relative_slopes = slopes - slopes.gather(1, winner)
            final_lead = relative_slopes * end[:, None] - lead  # lead of each element over the winner at the end
            overtakes = (relative_slopes > 0) & (final_lead > tolerance + tolerance.gather(1, winner))
            crossing, next_winner = torch.where(overtakes, lead / relative_slopes, inf).min(dim=1)
            kept = crossing < end
            row, start, end, tolerance = row[kept], start[kept], end[kept], tolerance[kept]
            heights, slopes, winner = heights[kept], slopes[kept], next_winner[kept, None]
            rows.append(row)
            crossings.append(torch.maximum(crossing[kept], start))
        return torch.cat(rows), torch.cat(crossings)

    def _elements(self, values: Tensor, padding: float) -> Tensor:
        """Return the elements of each window, ``(..., *kept, outputs, window)``; `padding` where not `is_inside`."""
        flat = values.flatten(-self.pooled_axes)
        elements = flat[..., self.positions]
        return torch.where(self.is_inside, elements, padding)

    def _winners(self, state: Tensor) -> Tensor:
        """Return the flat indices of the winners in the pooled axes, int64 ``(rows, *kept, outputs)``."""
        return self.positions.expand(*state.shape, -1).gather(-1, state.unsqueeze(-1)).squeeze(-1)


def pool_windows(operator: str, bound: Bound, space: tuple[int, ...], out: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the positions of the elements of each window of a max-pool, and a mask of its true elements.

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
        int64 and bool ``(outputs, window)``: flat positions in the pooled axes, 0 where the mask is False; and the
        mask, which is False for padding and after the end of a window that is smaller than the largest.
    """
    positions, is_inside = torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1, dtype=torch.bool)
    # Axis by axis: the windows over the first axes, combined with those along the next one.
    for axis, (size, outputs) in enumerate(zip(space, out, strict=True)):
        starts, extent, step = axis_windows(operator, bound, axis, size, outputs)
        indices = starts[:, None] + step * torch.arange(extent)
        # Adaptive windows differ in size: window i ends before index (i + 1) * size / outputs, rounded up.
        ends = -(-(torch.arange(outputs) + 1) * size // outputs) if operator.startswith("adaptive") else size
        is_index = (indices >= 0) & (indices < torch.as_tensor(ends).reshape(-1, 1))
        combined = positions[:, None, :, None] * size + indices.clamp(0, size - 1)[None, :, None, :]
        positions = combined.reshape(-1, combined.shape[2] * extent)
        is_inside = (is_inside[:, None, :, None] & is_index[None, :, None, :]).reshape(positions.shape)
    return positions * is_inside, is_inside
