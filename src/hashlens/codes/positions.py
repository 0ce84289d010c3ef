"""Positions: which of a layer's positions are padding, also where operators shorten or lengthen the sequence.

A mask says it at the input. Behind a convolution of stride 2, say, an example of 9 tokens has as many positions as it
would have alone, in a batch without padding: the length that the operator makes of 9. So lengths go through the same
operators as the batch itself.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from hashlens.codes.gates import Bound, along_axis
from hashlens.errors import CaptureError

Tensor = torch.Tensor
Lengths = Callable[[int], int | None]
Change = tuple[int, int, Lengths]
"""Positions before, positions after, and what the operator makes of any length; None where that is not settled."""


class Positions:
    """The positions of a batch that are no padding, for every number of positions that its layers have.

    Parameters
    ----------
    mask : torch.Tensor
        bool ``(b, positions)``, true where a position is no padding.

    Attributes
    ----------
    known : dict
        From the number of positions of a layer to its mask, bool ``(b, that number)``; None where several are possible.
    """

    def __init__(self, mask: Tensor) -> None:
        self.size, self.width = mask.shape
        self.padded = not bool(mask.all())
        self.known: dict[int, Tensor | None] = {self.width: mask}
        self._at_end = torch.equal(mask, _prefix(mask.sum(dim=1), self.width))

    def folded(self, rows: int) -> int | None:
        """Return how many positions of each example are folded into `rows`; None if none are."""
        return next((width for width in self.known if width > 1 and rows == self.size * width), None)

    def whole(self, width: int) -> bool:
        """Return whether none of so many positions is padding."""
        mask = self.known[width]
        return mask is not None and bool(mask.all())

    def follow(self, operator: str, bound: Bound, result: Any) -> None:
        """Take note of how an operator that ran changes the number of positions."""
        for before, after, lengths in CHANGES[operator](bound, result, self):
            if before in self.known and before != after and after != self.width and lengths(before) in (after, None):
                mask = self._changed(self.known[before], after, lengths)
                other = self.known.get(after, mask)
                same = mask is not None and other is not None and torch.equal(mask, other)
                self.known[after] = mask if same else None

    def _changed(self, mask: Tensor | None, after: int, lengths: Lengths) -> Tensor | None:
        if mask is None or not self._at_end:
            return None
        found = [0 if n == 0 else lengths(n) for n in mask.sum(dim=1).tolist()]
        counts = [n for n in found if n is not None]
        return _prefix(torch.tensor(counts, device=mask.device), after) if len(counts) == len(found) else None

    def masked(self, x: Tensor, axis: int) -> Tensor:
        """Return values or bits with zeros at the padded positions along an axis."""
        mask = self._of(x, axis)
        shape = [1] * x.dim()
        shape[0], shape[axis] = mask.shape
        return x.masked_fill(~mask.view(shape), 0)

    def in_order(self, bits: Tensor, axis: int) -> Tensor:
        """Return bits with the positions behind the examples, padding cleared and last.

        So rows of another width differ by zeros at their end only, wherever the positions, and the padding, stood.
        """
        bits, mask = self.masked(bits, axis).movedim(axis, 1), self._of(bits, axis)
        if self._at_end:
            return bits
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        return bits.gather(1, order.view(*order.shape, *[1] * (bits.dim() - 2)).expand(bits.shape))

    def axis_of(self, name: str, shape: tuple[int, ...], channels: int | None) -> int | None:
        """Return the axis of a layer's positions; None if it has none.

        Parameters
        ----------
        name : str
            Of the layer.
        shape : tuple of int
            Of its activation, the batch in front.
        channels : int or None
            The axis of its channels, where it is known.

        Raises
        ------
        CaptureError
            If there is padding, and it cannot be told where it is in this layer.
        """
        # Of more axes than positions and channels, as of attention maps, two may be of positions.
        axes = [axis for axis in range(1, len(shape)) if axis != channels or len(shape) > 3]
        found = [axis for axis in axes if shape[axis] in self.known]
        if len(found) == 1 and self.known[shape[found[0]]] is not None:
            return found[0]
        many = [axis for axis in axes if axis != channels and shape[axis] > 1]
        if not self.padded or (not found and (len(shape) == 2 or not many)):
            return None
        if len(found) > 1:
            reason = "several of its axes have as many entries as positions"
        elif found:
            reason = f"which of its {shape[found[0]]} positions are padding cannot be told from the mask"
        else:
            reason = f"no axis has the {self.width} positions of the mask, or what the operators before it make of them"
        raise CaptureError(
            f"layer {name!r}, {tuple(shape[1:])} activations an example: {reason}. Say which positions of this layer "
            f"are padding, mask={{'{name}': key or function, '*': ...}}, or that none are, mask={{'{name}': None, "
            f"'*': ...}}; or leave it out with layers='!{name}'"
        )

    def _of(self, x: Tensor, axis: int) -> Tensor:
        mask = self.known[x.shape[axis]]
        assert mask is not None
        return mask.to(x.device)


def _prefix(lengths: Tensor, width: int) -> Tensor:
    return torch.arange(width, device=lengths.device) < lengths[:, None]


# --- what operators make of a length -------------------------------------------------------------------------------


def _convolution(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    x, weight = bound["input"], bound["weight"]
    for axis in range(weight.dim() - 2):
        stride, padding, dilation = (along_axis(bound[key], axis) for key in ("stride", "padding", "dilation"))
        reach = dilation * (weight.shape[2 + axis] - 1)
        at = axis - (weight.dim() - 2)
        if bound["transposed"]:
            extra = along_axis(bound["output_padding"], axis)
            yield x.shape[at], result.shape[at], _spread(stride, 1 + reach + extra - 2 * padding)
        else:
            yield x.shape[at], result.shape[at], _windows(stride, 2 * padding - reach - 1)


def _pool(bound: Bound, result: Any, _: Positions) -> Iterator[Change]:
    x, out = bound["self"], result[0] if isinstance(result, tuple) else result
    axes = len(bound["kernel_size"])
    for axis in range(axes if axes > 1 else x.dim() - 2):
        kernel, padding = along_axis(bound["kernel_size"], axis), along_axis(bound["padding"], axis)
        stride = along_axis(bound["stride"], axis) or kernel
        spare = 2 * padding - along_axis(bound.get("dilation", 1), axis) * (kernel - 1) - 1
        up = stride - 1 if bound["ceil_mode"] else 0
        at = axis - (x.dim() - 2)
        yield x.shape[at], out.shape[at], _windows(stride, spare + up)


def _windows(stride: int, spare: int) -> Lengths:
    return lambda n: max(0, (n + spare) // stride + 1)


def _spread(stride: int, extra: int) -> Lengths:
    return lambda n: (n - 1) * stride + extra


def _slice(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    x, at = bound["self"], bound["dim"]
    chosen = slice(bound["start"], bound["end"], bound["step"])
    if at % x.dim():
        yield x.shape[at], result.shape[at], lambda n: len(range(*chosen.indices(n)))


def _pad(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    pad = bound["pad"] if "pad" in bound else bound["padding"]
    for axis in range(len(pad) // 2):
        left, right = pad[2 * axis : 2 * axis + 2]
        # Padding on the right only fills up to some multiple: it is padding. On both sides, or on the left, it makes up
        # for what the next convolution takes.
        before, after = bound["self"].shape[-1 - axis], result.shape[-1 - axis]
        if left or right:
            yield before, after, _longer(before, after, left + right if left or right < 0 else 0)


def _longer(all_of: int, to: int, by: int) -> Lengths:
    return lambda n: to if n == all_of else n + by


def _cat(bound: Bound, result: Tensor, positions: Positions) -> Iterator[Change]:
    at, parts = bound["dim"], [part for part in bound["tensors"] if part.dim() == result.dim()]
    sizes = [part.shape[at] for part in parts]
    known = [place for place, size in enumerate(sizes) if size in positions.known]
    padded = [place for place in known if not positions.whole(sizes[place])]
    if at % max(1, result.dim()) and known and len(padded) < 2:
        place = (padded or known)[-1]
        before, after, last = sizes[place], result.shape[at], place == len(sizes) - 1
        yield before, after, lambda n: n + after - before if last else None


def _view(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    x = bound["self"]
    if x.dim() == result.dim() == 3 and len(x) == len(result) and result.shape[1] and not x.shape[1] % result.shape[1]:
        ratio = x.shape[1] // result.shape[1]
        yield x.shape[1], result.shape[1], lambda n: None if n % ratio else n // ratio


def _unfold(bound: Bound, result: Tensor, _: Positions) -> Iterator[Change]:
    at, size, step = bound["dimension"], bound["size"], bound["step"]
    at %= bound["self"].dim()
    yield bound["self"].shape[at], result.shape[at], _windows(step, -size)


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
"""What each operator makes of the number of positions, by ATen operator name."""
