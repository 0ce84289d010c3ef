"""Reorderings: tensors whose positions are in another order than in the input, where a mask marks other positions."""

from collections.abc import Callable
from typing import Any

import torch

from hashlens.codes.gates import Bound, bind
from hashlens.codes.last_operator import storage_of, tensors_in
from hashlens.codes.layer_axes import LayerAxes

Tensor = torch.Tensor
Change = tuple[str, tuple[Any, ...]]
Order = tuple[Change, ...]
"""Operators that reordered positions, one after another; a roll with the length and the shift of each axis."""
FLIP, ROLL, MIXED = "flip", "roll", "mixed"
INDEXED = ("index", "index_select", "gather", "sort", "index_put", "scatter")
"""Operators that may put entries of an axis into any order."""


class Reorderings:
    """Tensors of one pass whose positions were reordered by an operator, and all that was computed from them since.

    A flip undoes a flip, and a roll undoes a roll by as many positions in the other direction.

    Parameters
    ----------
    layer_axes : LayerAxes
        Axes of the layers, for the numbers of positions that layers may have.
    """

    def __init__(self, layer_axes: LayerAxes) -> None:
        self._layer_axes = layer_axes
        self._orders: dict[int, Order] = {}

    def update(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Record what an operator that ran does with the order of positions."""
        name = func.overloadpacket.__name__
        base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
        change = self._change(base, bind(func, args, kwargs)) if base in (FLIP, ROLL, *INDEXED) else None
        if change is None and not self._orders:
            return
        orders = {order for tensor in tensors_in((*args, *kwargs.values())) if (order := self._order(tensor))}
        order = next(iter(orders)) if len(orders) == 1 else ((MIXED, ()),) if orders else ()
        if change is not None:
            order = _append_change(order, change)
        for tensor in tensors_in(result if isinstance(result, (tuple, list)) else (result,)):
            if order:
                self._orders[storage_of(tensor)] = order
            else:
                self._orders.pop(storage_of(tensor), None)

    def describe(self, x: Tensor) -> str:
        """Return in words how the positions of a tensor were reordered; empty if they were not."""
        order = self._order(x)
        if not order:
            return ""
        if order == ((FLIP, ()),):
            return "run backwards (torch.flip)"
        operators = dict.fromkeys(name for name, _ in order if name != MIXED)
        return f"are in another order ({', '.join(operators) or 'several orders were mixed'})"

    def _order(self, x: Tensor) -> Order:
        return self._orders.get(storage_of(x), ()) if self._orders else ()

    def _change(self, operator: str, bound: Bound) -> Change | None:
        """Return how an operator reorders positions; None if it does not."""
        x = bound.get("self")
        if not isinstance(x, Tensor) or x.dim() < 2 or isinstance(x, torch.nn.Parameter):
            return None
        if operator == FLIP:
            return (FLIP, ()) if any(map(self._may_be_positions(x), bound["dims"])) else None
        if operator == ROLL:
            axes = [axis for axis in bound["dims"] if self._may_be_positions(x)(axis)]
            shifts = dict(zip(bound["dims"], bound["shifts"], strict=True)) if axes else {}
            rolled = tuple(sorted((x.shape[axis], shifts[axis] % x.shape[axis]) for axis in axes))
            return (ROLL, rolled) if any(shift for _, shift in rolled) else None
        return (operator, ()) if any(map(self._may_be_positions(x), _moved_axes(operator, bound, x))) else None

    def _may_be_positions(self, x: Tensor) -> Callable[[int], bool]:
        """Return a function from an axis of a tensor to whether the axis may hold positions."""
        widths = self._layer_axes.widths
        return lambda axis: axis % x.dim() > 0 and x.shape[axis] > 1 and x.shape[axis] in widths


def _moved_axes(operator: str, bound: Bound, x: Tensor) -> list[int]:
    """Return the axes whose entries an indexing operator may put into another order."""
    if operator in ("index", "index_put"):
        indices = [(axis, index) for axis, index in enumerate(bound["indices"]) if isinstance(index, Tensor)]
        if operator == "index_put":  # a bool mask fills some positions and moves none; whole numbers are often masks
            indices = (
                []
                if not x.is_floating_point()
                else [(axis, index) for axis, index in indices if index.dtype is not torch.bool]
            )
        return [axis for axis, index in indices if not _in_order(index, x.shape[axis])]
    axis, index = bound["dim"], bound.get("index")
    if not isinstance(index, Tensor):
        return [axis]
    index = index.movedim(axis, -1) if index.dim() == x.dim() else index
    return [] if _in_order(index, x.shape[axis]) else [axis]


def _in_order(index: Tensor, size: int) -> bool:
    """Return whether an index takes all entries of an axis in their order."""
    if index.dim() == 0 or index.shape[-1] != size or index.dtype is torch.bool:
        return index.dtype is torch.bool and bool(index.all())
    return bool((index == torch.arange(size, device=index.device)).all())


def _append_change(order: Order, change: Change) -> Order:
    """Return an order after one more change, which may undo the last one."""
    if order and order[-1][0] == change[0] == FLIP:
        return order[:-1]
    if order and order[-1][0] == change[0] == ROLL:
        pairs = list(zip(order[-1][1], change[1], strict=False))
        if len(order[-1][1]) == len(change[1]) and all(
            one[0] == other[0] and (one[1] + other[1]) % one[0] == 0 for one, other in pairs
        ):
            return order[:-1]
    return (*order, change)
