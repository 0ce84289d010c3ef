"""Reversals: tensors whose positions run from the last to the first, where a mask marks others than in the input."""

from typing import Any

import torch

from hashlens.codes.gates import Bound, bind
from hashlens.codes.last_operator import storage_of, tensors_in
from hashlens.codes.layer_axes import LayerAxes


class Reversals:
    """Tensors of one pass that came out of ``flip`` along positions, and all that was computed from them since.

    Parameters
    ----------
    layer_axes : LayerAxes
        It knows how many positions layers may have.
    """

    def __init__(self, layer_axes: LayerAxes) -> None:
        self._layer_axes = layer_axes
        self._storages: set[int] = set()

    def update(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Record what an operator that ran made of reversed tensors; a second flip undoes the first."""
        flipped = func.overloadpacket.__name__ == "flip" and self._is_along_positions(bind(func, args, kwargs))
        if not flipped and not self._storages:
            return
        backwards = flipped != any(map(self.has, tensors_in((*args, *kwargs.values()))))
        for tensor in tensors_in(result if isinstance(result, (tuple, list)) else (result,)):
            (self._storages.add if backwards else self._storages.discard)(storage_of(tensor))

    def has(self, x: torch.Tensor) -> bool:
        """Return whether the positions of a tensor run backwards."""
        return bool(self._storages) and storage_of(x) in self._storages

    def _is_along_positions(self, bound: Bound) -> bool:
        sizes = [bound["self"].shape[axis] for axis in bound["dims"]]
        return any(size > 1 and size in self._layer_axes.widths for size in sizes)
