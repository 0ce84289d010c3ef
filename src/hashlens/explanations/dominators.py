"""Dominators: the nodes of autograd's graph that every path from input to output passes through."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch.autograd.graph import Node

Tensor = torch.Tensor
CHANNELS_SECOND = re.compile("Conv|BatchNorm|GroupNorm|InstanceNorm|Pool|Upsample|Pixel|Pad")
"""Nodes of operators whose input and output are ``(n, c, ...)``."""
RESHAPES = re.compile("View|Reshape|queeze|Flatten|Alias")
REDUCTIONS = re.compile("Sum|Mean|Amax|Amin|MaxBackward|MinBackward|Select|Logsumexp")
GATES = re.compile(
    "Relu|Threshold|Hardtanh|Elu|Gelu|Silu|Softplus|Hardswish|Mish|Clamp|Softmax|Attention|Sigmoid|Tanh|Erf"
)
UNSIGNED = 1 << 64
"""Modulus by which autograd stores negative axes as unsigned numbers."""


@dataclass(frozen=True, eq=False)
class Dominators:
    """Nodes between an output and an input, and which of them every path passes through.

    Attributes
    ----------
    order : tuple of Node
        All nodes on a path from output to input, the output first.
    nodes : tuple of Node
        Nodes that every path passes through, in this order.
    parts : dict
        Indices of the outputs of each node that are used on a path.
    axes : dict
        Channel axis of the output of each node; nodes whose axis is not known are left out.
    """

    order: tuple[Node, ...]
    nodes: tuple[Node, ...]
    parts: dict[Node, set[int]] = field(repr=False)
    axes: dict[Node, int] = field(repr=False)

    def has_gate_between(self, later: Node, earlier: Node) -> bool:
        """Return whether a gate or attention lies between two of these nodes."""
        begin, end = self.order.index(later), self.order.index(earlier)
        return any(GATES.search(node.name()) for node in self.order[begin:end])

    def last_resolution(self, axes: int) -> int:
        """Return the number of positions of the last convolution, or layer norm over channels, with more than one."""
        for node in self.order:
            shape = shape_of(node)
            learnt = "Conv" in node.name() or "LayerNorm" in node.name()
            if learnt and len(shape) == axes and node in self.axes:
                places = prod(size for i, size in enumerate(shape) if i not in (0, self.axes[node]))
                if places > 1:
                    return places
        return 0


def dominators(output: Tensor, leaf: Tensor) -> Dominators:
    """Return the nodes between an output and the leaf that it was computed from.

    Nodes are in topological order. Every path passes through a node if no edge skips it.
    """
    order = _nodes_between(output, leaf)
    place = {node: i for i, node in enumerate(order)}
    parts: dict[Node, set[int]] = {node: set() for node in order}
    nodes, farthest = [], 0
    for i, node in enumerate(order):
        if farthest <= i:
            nodes.append(node)
        for following, part in node.next_functions:
            if following in place:
                parts[following].add(part)
                farthest = max(farthest, place[following])
    axes: dict[Node, int] = {}
    for node in reversed(order):
        axis = _channel_axis(node, axes)
        if axis is not None:
            axes[node] = axis
    return Dominators(tuple(order), tuple(nodes), parts, axes)


def _nodes_between(output: Tensor, leaf: Tensor) -> list[Node]:
    """Return the nodes on paths from the leaf to the output, in topological order."""
    finished: list[Node] = []
    leads: dict[Node, bool] = {}
    waiting: list[tuple[Node, bool]] = [] if output.grad_fn is None else [(output.grad_fn, False)]
    while waiting:
        node, done = waiting.pop()
        if not done and node not in leads:
            leads[node] = getattr(node, "variable", None) is leaf
            waiting.append((node, True))
            waiting.extend(
                (source, False) for source, _ in node.next_functions if source is not None and source not in leads
            )
        elif done:
            leads[node] |= any(leads[source] for source, _ in node.next_functions if source is not None)
            finished.append(node)
    return [node for node in reversed(finished) if leads[node]]


def shape_of(node: Node) -> tuple[int, ...]:
    """Return the output shape of a node's operator; empty where autograd does not store it."""
    metadata = getattr(node, "_input_metadata", None)
    return tuple(int(size) for size in metadata[0].shape) if metadata else ()


def _channel_axis(node: Node, axes: dict[Node, int]) -> int | None:
    """Return the channel axis of a node's output, from that of its inputs and the kind of its operator."""
    name, shape = node.name(), shape_of(node)
    if CHANNELS_SECOND.search(name):
        return 1
    if "LayerNorm" in name:
        return len(shape) - 1 if len(getattr(node, "_saved_normalized_shape", ())) == 1 else None
    if name.startswith(("Addmm", "Mm")):
        return len(shape) - 1
    known = [(axes[source], shape_of(source)) for source, _ in node.next_functions if source in axes]
    if not known:
        return None
    axis, input_shape = known[0]
    if name.startswith("Permute"):
        moved = [_signed(dimension) % len(shape) for dimension in getattr(node, "_saved_dims", ())]
        return moved.index(axis) if axis in moved else None
    if name.startswith("Transpose"):
        swapped = [_signed(getattr(node, f"_saved_dim{i}")) % len(shape) for i in (0, 1)]
        return swapped[1 - swapped.index(axis)] if axis in swapped else axis
    if name.startswith("Stack"):
        return axis + (_signed(getattr(node, "_saved_dim", 0)) % len(shape) <= axis)
    if len(input_shape) > len(shape) and REDUCTIONS.search(name):
        return _axis_after_reduction(axis, node, len(input_shape))
    if RESHAPES.search(name):
        return _axis_after_view(axis, input_shape, shape)
    same = [axis for axis, input_shape in known if len(input_shape) == len(shape)]
    return same[0] if same else None


def _axis_after_view(axis: int, input_sizes: Sequence[int], shape: Sequence[int]) -> int | None:
    """Return the index of an axis after a view: the axis of the same size with equally many elements before it."""
    before = prod(input_sizes[:axis])
    result = [i for i, size in enumerate(shape) if size == input_sizes[axis] and prod(shape[:i]) == before]
    return result[-1] if result else None


def _axis_after_reduction(axis: int, node: Node, axes: int) -> int | None:
    """Return the index of an axis after a reduction removed other axes."""
    saved = getattr(node, "_saved_dim", None)
    if saved is None:
        return None
    removed = {_signed(removed_axis) % axes for removed_axis in (saved if isinstance(saved, tuple) else (saved,))}
    return None if axis in removed else axis - sum(removed_axis < axis for removed_axis in removed)


def _signed(axis: int) -> int:
    return axis - UNSIGNED if axis >= UNSIGNED // 2 else axis
