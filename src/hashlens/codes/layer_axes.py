"""Layer axes: the axes of channels and positions in a gate's input, from the affine maps and masks of a batch."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch

from hashlens.codes.gates import Bound
from hashlens.codes.positions import Positions

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
    """

    def __init__(self, size: int, mask: Masks | None) -> None:
        self._size = size
        self.positions = {glob: None if part is None else Positions(part) for glob, part in (mask or {}).items()}
        self._affine: list[tuple[str, int, bool]] = []

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
        axis = self._known_channel_axis(x.shape)
        if axis is not None:
            return axis
        return 1 if any("convolution" in operator for operator, _, _ in self._affine) else x.dim() - 1

    def _known_channel_axis(self, shape: Sequence[int]) -> int | None:
        """Return axis 1 after a convolution, the last after a linear map, if its size fits; None if none fits."""
        last = len(shape) - 1
        for per_example in (False, True):  # squeeze-and-excitation has linear maps between convolutions
            for operator, outputs, rows in reversed(self._affine):
                axis = 1 if "convolution" in operator else last
                if axis <= last and shape[axis] == outputs and (axis == 1 or rows == per_example):
                    return axis
        return None

    def positions_of(self, name: str) -> Positions | None:
        """Return the positions of a layer, or None if none of them can be padding."""
        glob = next((glob for glob in self.positions if fnmatchcase(name, glob)), None)
        return None if glob is None else self.positions[glob]

    def _position_axis(self, name: str, shape: Sequence[int]) -> tuple[Positions, int] | None:
        """Return the positions of a layer and their axis; None if it has none."""
        positions = self.positions_of(name)
        if positions is None or len(shape) < 2:
            return None
        channels = self._known_channel_axis(shape)
        if len(shape) == 2 and (channels is not None or not self._affine):
            return None  # units, not one value per position
        axis = positions.axis_of(name, tuple(shape), channels)
        return None if axis is None else (positions, axis)

    def masked(self, name: str, x: Tensor) -> Tensor:
        """Return `x` with zeros at padded positions, if it has positions."""
        located = self._position_axis(name, x.shape)
        return x if located is None else located[0].masked(x, located[1])

    def in_order(self, name: str, bits: Tensor, shape: Sequence[int]) -> tuple[Tensor, bool]:
        """Return bits ``(*shape, planes)`` with positions first and padding last, and whether there are positions."""
        located = self._position_axis(name, shape)
        return (bits, False) if located is None else (located[0].in_order(bits, located[1]), True)
