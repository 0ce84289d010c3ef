"""Layer axes: the axes of channels and positions in a gate's input, from the affine maps and masks of a batch."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch

from hashlens.codes.gates import Bound
from hashlens.codes.naming import first_call
from hashlens.codes.positions import Positions
from hashlens.errors import CaptureError

Tensor = torch.Tensor
Masks = Mapping[str, Tensor | None]


class LayerAxes:
    """Axes of channels and positions for one batch.

    Parameters
    ----------
    size : int
        Number of examples in the batch.
    mask : mapping, optional
        Masks by glob over layer names, bool ``(size, positions)``; None for layers without padding.
    earlier : dict
        Axis of the positions of each layer in earlier batches, which this batch adds to; None if several axes had as
        many entries as positions.
    """

    def __init__(self, size: int, mask: Masks | None, earlier: dict[str, int | None]) -> None:
        self._size, self._earlier = size, earlier
        self.positions = {
            glob: None if part is None else Positions(part, of_layers=glob != "*")
            for glob, part in (mask or {}).items()
        }
        # Operator, number of output channels, and whether it has one row per example, of each affine map so far.
        self._affine: list[tuple[str, int, bool]] = []
        self._units: dict[str, set[str]] = {}
        self.reordered = ""
        """How the positions of the layer that is read were reordered, in words; empty if they were not."""

    @property
    def widths(self) -> set[int]:
        """Numbers of positions that layers may have."""
        return {width for part in self.positions.values() if part is not None for width in part.masks}

    def on_affine(self, operator: str, inputs: Tensor, outputs: int) -> None:
        """Record an affine map and its channels."""
        self._affine.append((operator, outputs, len(inputs) == self._size))

    def on_resize(self, operator: str, bound: Bound, result: Any) -> None:
        """Update the padded positions after an operator that may change the number of positions."""
        for positions in self.positions.values():
            if positions is not None:
                positions.update(operator, bound, result)

    def channel_axis(self, x: Tensor) -> int:
        """Return the channel axis: the one whose size fits; else 1 if there was a convolution, or the last axis."""
        axis, _ = self._known_channel_axis(x.shape)
        if axis is not None:
            return axis
        return 1 if any("convolution" in operator for operator, _, _ in self._affine) else x.dim() - 1

    def _known_channel_axis(self, shape: Sequence[int]) -> tuple[int | None, str]:
        """Return axis 1 after a convolution, the last after a linear map, if its size fits, and the operator's name."""
        last = len(shape) - 1
        for per_example in (False, True):  # squeeze-and-excitation has linear maps between convolutions
            for operator, outputs, has_row_per_example in reversed(self._affine):
                axis = 1 if "convolution" in operator else last
                if axis <= last and shape[axis] == outputs and (axis == 1 or has_row_per_example == per_example):
                    return axis, operator
        return None, ""

    def positions_of(self, name: str) -> Positions | None:
        """Return the positions of a layer, or None if none of them can be padding."""
        glob = next((glob for glob in self.positions if fnmatchcase(name, glob)), None)
        return None if glob is None else self.positions[glob]

    def _position_axis(self, name: str, shape: Sequence[int]) -> tuple[Positions, int] | None:
        """Return the positions of a layer and their axis; None if it has none."""
        positions = self.positions_of(name)
        if positions is None or len(shape) < 2:
            return None
        channels, operator = self._known_channel_axis(shape)
        if operator == "bmm" and len(shape) > 2 and shape[-1] in positions.masks:
            channels = None  # a product of queries and keys has positions there
        # Axis 1 of a matrix holds units, not positions, if it has the size of a linear map's output, or if no map ran.
        holds_units = len(shape) == 2 and (channels is not None or not self._affine)
        axis = None if holds_units else self._one_axis(name, positions, tuple(shape), channels)
        if axis is None:
            if len(shape) == 2:
                self._units.setdefault(first_call(name), set()).add(name)
            return None
        if self.reordered and positions.padded and not positions.of_layers:
            raise CaptureError(
                f"layer {name!r}: its positions {self.reordered}, and those of the mask do not: say which of "
                f"them are padding, mask={{'{name}': function of the batch, '*': ...}}, or leave it out with "
                f"layers='!{name}'"
            )
        return positions, axis

    def _one_axis(self, name: str, positions: Positions, shape: tuple[int, ...], channels: int | None) -> int | None:
        """Return the axis of a layer's positions, the same in every batch; None if it has none."""
        axis = positions.axis_of(name, shape, channels, self._earlier.get(name))
        if len(positions.candidate_axes(shape, channels)) == 1 and axis is not None:
            if self._earlier.setdefault(name, axis) is None and axis != 1:
                raise CaptureError(
                    f"layer {name!r}: an earlier batch had as many positions as another axis has entries, so the order "
                    f"of its bits is not known there. Mark its positions, mask={{'{name}': function, '*': ...}}, "
                    f"begin with a batch of another length, or leave it out with layers='!{name}'"
                )
        elif axis is None and len(positions.candidate_axes(shape, channels)) > 1:
            self._earlier.setdefault(name, None)
        return axis

    def check_steps(self) -> None:
        """Raise CaptureError if a gate ran once for each position, so that no mask reaches its padded steps."""
        for name, calls in self._units.items():
            positions = self.positions_of(name)
            if positions is None:
                continue
            if any(2 < width <= len(calls) and not positions.has_no_padding(width) for width in positions.masks):
                raise CaptureError(
                    f"layer {name!r} ran {len(calls)} times, once or more for each position, and some of these are "
                    f"padding: a mask does not reach its steps. Leave them out with layers='!{name}*', or read them "
                    f"all, padding too, with mask={{'{name}*': None, '*': ...}}"
                )

    def clear_padding(self, name: str, x: Tensor) -> Tensor:
        """Return `x` with zeros at padded positions, if it has positions."""
        located = self._position_axis(name, x.shape)
        return x if located is None else located[0].clear_padding(x, located[1])

    def pad_last(self, name: str, bits: Tensor, shape: Sequence[int]) -> tuple[Tensor, bool]:
        """Return bits ``(*shape, planes)`` with positions first and padding last, and whether there are positions."""
        located = self._position_axis(name, shape)
        return (bits, False) if located is None else (located[0].pad_last(bits, located[1]), True)
