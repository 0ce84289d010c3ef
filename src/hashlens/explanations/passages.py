"""Passages: what everything from input to output passes through, read off autograd's graph of one run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch.autograd.graph import Node

Tensor = torch.Tensor
CHANNELS_SECOND = re.compile("Conv|BatchNorm|GroupNorm|InstanceNorm|Pool|Upsample|Pixel|Pad")
"""Nodes of operators that take ``(n, c, ...)`` and give it."""
RESHAPES = re.compile("View|Reshape|queeze|Flatten|Alias")
REDUCTIONS = re.compile("Sum|Mean|Amax|Amin|MaxBackward|MinBackward|Select|Logsumexp")
GATES = re.compile("Relu|Threshold|Hardtanh|Elu|Gelu|Silu|Softplus|Hardswish|Mish|Clamp|Softmax|Attention|Sigmoid|Tanh")
UNSIGNED = 1 << 64
"""Autograd shows negative axes as numbers without a sign."""


@dataclass(frozen=True, eq=False)
class Passages:
    """The nodes between an output and an input, and which of them everything passes through.

    Attributes
    ----------
    order : tuple of Node
        All that lie on a way from output to input, the output first.
    everything : tuple of Node
        Those that every way passes through, in this order.
    parts : dict
        Which outputs of each node are used on a way.
    axes : dict
        The axis of the channels in what each node gives; nodes of which it is not known are left out.
    """

    order: tuple[Node, ...]
    everything: tuple[Node, ...]
    parts: dict[Node, set[int]] = field(repr=False)
    axes: dict[Node, int] = field(repr=False)

    def gated_between(self, later: Node, earlier: Node) -> bool:
        """Return whether a gate or attention lies between two nodes that everything passes through."""
        begin, end = self.order.index(later), self.order.index(earlier)
        return any(GATES.search(node.name()) for node in self.order[begin:end])

    def finest(self, axes: int) -> int:
        """Return the places of the last convolution, or layer norm over channels, that gives more than one."""
        for node in self.order:
            shape = shape_of(node)
            learnt = "Conv" in node.name() or "LayerNorm" in node.name()
            if learnt and len(shape) == axes and node in self.axes:
                places = prod(size for at, size in enumerate(shape) if at not in (0, self.axes[node]))
                if places > 1:
                    return places
        return 0


def passages(output: Tensor, leaf: Tensor) -> Passages:
    """Return what lies between an output and the leaf that it was computed from.

    Nodes stand in topological order. One is passed by everything where no edge leads from before it to behind it.
    """
    order = _on_the_way(output, leaf)
    place = {node: at for at, node in enumerate(order)}
    parts: dict[Node, set[int]] = {node: set() for node in order}
    everything, farthest = [], 0
    for at, node in enumerate(order):
        if farthest <= at:
            everything.append(node)
        for following, part in node.next_functions:
            if following in place:
                parts[following].add(part)
                farthest = max(farthest, place[following])
    axes: dict[Node, int] = {}
    for node in reversed(order):
        axis = _channel_axis(node, axes)
        if axis is not None:
            axes[node] = axis
    return Passages(tuple(order), tuple(everything), parts, axes)


def _on_the_way(output: Tensor, leaf: Tensor) -> list[Node]:
    """Return the nodes through which the leaf reaches the output, in topological order."""
    finished: list[Node] = []
    leads: dict[Node, bool] = {}
    waiting: list[tuple[Node, bool]] = [] if output.grad_fn is None else [(output.grad_fn, False)]
    while waiting:
        node, done = waiting.pop()
        if not done and node not in leads:
            leads[node] = getattr(node, "variable", None) is leaf
            waiting.append((node, True))
            waiting.extend((at, False) for at, _ in node.next_functions if at is not None and at not in leads)
        elif done:
            leads[node] |= any(leads[at] for at, _ in node.next_functions if at is not None)
            finished.append(node)
    return [node for node in reversed(finished) if leads[node]]


def shape_of(node: Node) -> tuple[int, ...]:
    """Return the shape of what a node's operator gave; nothing where autograd does not tell."""
    diagnostics = getattr(node, "_input_metadata", None)
    return tuple(int(size) for size in diagnostics[0].shape) if diagnostics else ()


def _channel_axis(node: Node, axes: dict[Node, int]) -> int | None:
    """Return the axis of the channels in what a node gives, from what its operator does with those that it takes."""
    name, shape = node.name(), shape_of(node)
    if CHANNELS_SECOND.search(name):
        return 1
    if "LayerNorm" in name:
        return len(shape) - 1 if len(getattr(node, "_saved_normalized_shape", ())) == 1 else None
    if name.startswith(("Addmm", "Mm")):
        return len(shape) - 1
    known = [(axes[at], shape_of(at)) for at, _ in node.next_functions if at in axes]
    if not known:
        return None
    axis, taken = known[0]
    if name.startswith("Permute"):
        moved = [_signed(at) % len(shape) for at in getattr(node, "_saved_dims", ())]
        return moved.index(axis) if axis in moved else None
    if name.startswith("Transpose"):
        swapped = [_signed(getattr(node, f"_saved_dim{at}")) % len(shape) for at in (0, 1)]
        return swapped[1 - swapped.index(axis)] if axis in swapped else axis
    if name.startswith("Stack"):
        return axis + (_signed(getattr(node, "_saved_dim", 0)) % len(shape) <= axis)
    if len(taken) > len(shape) and REDUCTIONS.search(name):
        return _reduced(axis, node, len(taken))
    if RESHAPES.search(name):
        return _reshaped(axis, taken, shape)
    same = [axis for axis, taken in known if len(taken) == len(shape)]
    return same[0] if same else None


def _reshaped(axis: int, taken: Sequence[int], shape: Sequence[int]) -> int | None:
    """Return where an axis stands after a view: as large as before, with as many numbers in front."""
    before = prod(taken[:axis])
    found = [at for at, size in enumerate(shape) if size == taken[axis] and prod(shape[:at]) == before]
    return found[-1] if found else None


def _reduced(axis: int, node: Node, axes: int) -> int | None:
    """Return where an axis stands after others are gone."""
    of = getattr(node, "_saved_dim", None)
    gone = None if of is None else {_signed(at) % axes for at in (of if isinstance(of, tuple) else (of,))}
    return None if gone is None or axis in gone else axis - sum(at < axis for at in gone)


def _signed(axis: int) -> int:
    return axis - UNSIGNED if axis >= UNSIGNED // 2 else axis
