"""Positions: which of a layer's positions are padding, also after operators that change the sequence length.

A mask marks the padding at the input. After a convolution of stride 2, for example, an example of 9 tokens has the
number of positions that it would have alone, in a batch without padding. So the lengths of the examples are computed
through the same operators as the batch.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from hashlens.codes.gates import Bound, along_axis
from hashlens.errors import CaptureError

Tensor = torch.Tensor
Lengths = Callable[[int], int | None]
"""Function from the number of positions of an example before an operator to that after it; None if it is not known."""
Change = tuple[int, int, Lengths]
"""Number of positions of the batch before and after an operator, and the function for single examples."""


class Positions:
    """Positions of a batch that are not padding, for every number of positions that its layers have.

    Parameters
    ----------
    mask : torch.Tensor
        bool ``(b, positions)``: true where a position is not padding.
    of_layers : bool
        Whether the mask is of these very layers, whatever the operators before them make of positions.

    Attributes
    ----------
    masks : dict
        Masks by the number of positions of a layer, bool ``(b, positions)``; None where it is ambiguous.
    """

    def __init__(self, mask: Tensor, of_layers: bool = False) -> None:
        self.size, self.width = mask.shape
        self.of_layers = of_layers
        self.padded = not bool(mask.all())
        self.masks: dict[int, Tensor | None] = {self.width: mask}
        self._at_end = torch.equal(mask, _prefix(mask.sum(dim=1), self.width))

    def folded_width(self, rows: int) -> int | None:
        """Return the number of positions per example that are folded into `rows`; None if none are."""
        return next((width for width in self.masks if width > 1 and rows == self.size * width), None)

    def has_no_padding(self, width: int) -> bool:
        """Return whether a layer of `width` positions has no padding."""
        mask = self.masks[width]
        return mask is not None and bool(mask.all())

    def update(self, operator: str, bound: Bound, result: Any) -> None:
        """Update the masks after an operator that may change the number of positions."""
        for before, after, lengths in CHANGES[operator](bound, result, self):
            if before in self.masks and before != after and lengths(before) in (after, None):
                mask = self._change(self.masks[before], after, lengths)
                if after == self.width and (self.of_layers or mask is None):
                    continue  # the layer may have the positions of the given mask, so that mask stays
                earlier = self.masks.get(after, mask)
                same = mask is not None and earlier is not None and torch.equal(mask, earlier)
                self.masks[after] = mask if same else None

    def _change(self, mask: Tensor | None, after: int, lengths: Lengths) -> Tensor | None:
        if mask is None or not self._at_end:
            return None
        lengths_after = [0 if n == 0 else lengths(n) for n in mask.sum(dim=1).tolist()]
        counts = [n for n in lengths_after if n is not None]
        return _prefix(torch.tensor(counts, device=mask.device), after) if len(counts) == len(lengths_after) else None

    def clear_padding(self, x: Tensor, axis: int) -> Tensor:
        """Return values or bits with zeros at the padded positions along an axis."""
        mask = self._mask_of(x, axis)
        shape = [1] * x.dim()
        shape[0], shape[axis] = mask.shape
        return x.masked_fill(~mask.view(shape), 0)

    def pad_last(self, bits: Tensor, axis: int) -> Tensor:
        """Return bits with the positions in axis 1, the padding cleared and moved to the end.

        Then the bits of an example in batches of different widths differ only by zeros at the end.
        """
        bits, mask = self.clear_padding(bits, axis).movedim(axis, 1), self._mask_of(bits, axis)
        if self._at_end:
            return bits
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        return bits.gather(1, order.view(*order.shape, *[1] * (bits.dim() - 2)).expand(bits.shape))

    def candidate_axes(self, shape: tuple[int, ...], channels: int | None) -> list[int]:
        """Return the axes of a layer that have as many entries as positions.

        With more axes than positions and channels, as in attention maps, two axes may be positions.
        """
        axes = [axis for axis in range(1, len(shape)) if axis != channels or len(shape) > 3]
        return [axis for axis in axes if shape[axis] in self.masks]

    def axis_of(
        self, name: str, shape: tuple[int, ...], channels: int | None, earlier: int | None = None
    ) -> int | None:
        """Return the axis of a layer's positions; None if it has none.

        Parameters
        ----------
        name : str
            Name of the layer.
        shape : tuple of int
            Shape of its activation, the batch axis first.
        channels : int or None
            Channel axis, where it is known.
        earlier : int, optional
            Axis of the positions in an earlier batch, in which only one had as many entries.

        Raises
        ------
        CaptureError
            If there is padding, and the axis of positions in this layer is ambiguous.
        """
        axes = [axis for axis in range(1, len(shape)) if axis != channels or len(shape) > 3]
        fitting = self.candidate_axes(shape, channels)
        fitting = [earlier] if len(fitting) > 1 and earlier in fitting else fitting
        if len(fitting) == 1 and self.masks[shape[fitting[0]]] is not None:
            return fitting[0]
        candidates = [axis for axis in axes if axis != channels and shape[axis] > 1]
        if not self.padded or (
            not fitting and (not candidates or (len(shape) == 2 and not self._may_be_merged(shape[1])))
        ):
            return None
        if len(fitting) > 1:
            reason = "several of its axes have as many entries as positions"
        elif fitting:
            reason = f"which of its {shape[fitting[0]]} positions are padding cannot be told from the mask"
        elif len(shape) == 2:
            reason = f"its {shape[1]} units may be positions and channels in one axis"
        else:
            reason = f"no axis has the {self.width} positions of the mask, or what the operators before it make of them"
        raise CaptureError(
            f"layer {name!r}, {tuple(shape[1:])} activations per example: {reason}. Mark the positions of "
            f"this layer that are not padding, mask={{'{name}': key or function, '*': ...}}, or state that "
            f"it has no padding, mask={{'{name}': None, '*': ...}}; or leave it out with layers='!{name}'"
        )

    def _may_be_merged(self, units: int) -> bool:
        """Return whether an axis of `units` entries may hold positions and channels together."""
        return any(1 < width < units and units % width == 0 and not self.has_no_padding(width) for width in self.masks)

    def _mask_of(self, x: Tensor, axis: int) -> Tensor:
        mask = self.masks[x.shape[axis]]
        assert mask is not None
        return mask.to(x.device)


def _prefix(lengths: Tensor, width: int) -> Tensor:
    return torch.arange(width, device=lengths.device) < lengths[:, None]


# --- how operators change a length ---------------------------------------------------------------------------------


def _convolution(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    x, weight = bound["input"], bound["weight"]
    for axis in range(weight.dim() - 2):
        stride, padding, dilation = (along_axis(bound[key], axis) for key in ("stride", "padding", "dilation"))
        extent = dilation * (weight.shape[2 + axis] - 1)
        dim = axis - (weight.dim() - 2)
        if bound["transposed"]:
            extra = along_axis(bound["output_padding"], axis)
            yield x.shape[dim], result.shape[dim], _transposed(stride, 1 + extent + extra - 2 * padding)
        else:
            yield x.shape[dim], result.shape[dim], _windows(stride, 2 * padding - extent - 1)


def _pool(bound: Bound, result: Any, _: Positions) -> Iterator[Change]:
    x, out = bound["self"], result[0] if isinstance(result, tuple) else result
    axes = len(bound["kernel_size"])
    for axis in range(axes if axes > 1 else x.dim() - 2):
        kernel, padding = along_axis(bound["kernel_size"], axis), along_axis(bound["padding"], axis)
        stride = along_axis(bound["stride"], axis) or kernel
        offset = 2 * padding - along_axis(bound.get("dilation", 1), axis) * (kernel - 1) - 1
        rounding = stride - 1 if bound["ceil_mode"] else 0
        dim = axis - (x.dim() - 2)
        yield x.shape[dim], out.shape[dim], _windows(stride, offset + rounding)


def _windows(stride: int, offset: int) -> Lengths:
    """Return the map of a convolution or a pool: the number of windows that fit."""
    return lambda n: max(0, (n + offset) // stride + 1)


def _transposed(stride: int, extra: int) -> Lengths:
    """Return the map of a transposed convolution."""
    return lambda n: (n - 1) * stride + extra


def _slice(bound: Bound, result: Tensor, positions: Positions) -> Iterator[Change]:
    x, dim, end = bound["self"], bound["dim"], bound["end"]
    # A slice that ends at the batch's number of positions would end at the example's own number if it ran alone. So the
    # end is counted from the end of the axis.
    end = end - x.shape[dim] if end in positions.masks and end < x.shape[dim] else end
    chosen = slice(bound["start"], end, bound["step"])
    if dim % x.dim():
        yield x.shape[dim], result.shape[dim], lambda n: len(range(*chosen.indices(n)))


def _pad(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    pad = bound["pad"] if "pad" in bound else bound["padding"]
    for axis in range(len(pad) // 2):
        left, right = pad[2 * axis : 2 * axis + 2]
        # Padding only on the right fills up to some multiple: those positions are padding. Padding on the left, or on
        # both sides, makes up for the positions that the next convolution removes.
        before, after = bound["self"].shape[-1 - axis], result.shape[-1 - axis]
        if left or right:
            yield before, after, _padded(before, after, left + right if left or right < 0 else 0)


def _padded(whole: int, whole_after: int, added: int) -> Lengths:
    """Return the map of a padding: all `whole` positions become `whole_after`, and fewer become `added` more."""
    return lambda n: whole_after if n == whole else n + added


def _cat(bound: Bound, result: Tensor, positions: Positions) -> Iterator[Change]:
    dim, parts = bound["dim"], [part for part in bound["tensors"] if part.dim() == result.dim()]
    sizes = [part.shape[dim] for part in parts]
    masked = [index for index, size in enumerate(sizes) if size in positions.masks]
    padded = [index for index in masked if not positions.has_no_padding(sizes[index])]
    if dim % max(1, result.dim()) and masked and len(padded) < 2:
        index = (padded or masked)[-1]
        before, after, last = sizes[index], result.shape[dim], index == len(sizes) - 1
        yield before, after, lambda n: n + after - before if last else None


def _view(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    x = bound["self"]
    if x.dim() == result.dim() == 3 and len(x) == len(result) and result.shape[1] and not x.shape[1] % result.shape[1]:
        ratio = x.shape[1] // result.shape[1]
        yield x.shape[1], result.shape[1], lambda n: None if n % ratio else n // ratio


def _unfold(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    dim, size, step = bound["dimension"], bound["size"], bound["step"]
    dim %= bound["self"].dim()
    yield bound["self"].shape[dim], result.shape[dim], _windows(step, -size)


def _upsample(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    before, after = bound["self"].shape[-1], result.shape[-1]
    if after % before == 0:
        yield before, after, lambda n: n * (after // before)


CHANGES: dict[str, Callable[[Bound, Any, Positions], Iterator[Change]]] = {
    **dict.fromkeys(("convolution", "_convolution"), _convolution),
    **dict.fromkeys(
        ("max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool
    ),
    "slice": _slice,
    **dict.fromkeys(("constant_pad_nd", "reflection_pad1d", "replication_pad1d"), _pad),
    "cat": _cat,
    **dict.fromkeys(("view", "_unsafe_view"), _view),
    "unfold": _unfold,
    **dict.fromkeys(("upsample_nearest1d", "upsample_linear1d"), _upsample),
}
"""Effect of each operator on the number of positions, by ATen operator name."""
