"""Units: the layer and bit that a boundary belongs to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import excerpt
from hashlens.codes.layers import Layer
from hashlens.errors import ModelError
from hashlens.plain import Misfit

Tensor = torch.Tensor
NAME = re.compile(r"(.*)\[((?:\d+(?:, \d+)*)?)\](?:\.(\d+))?", re.DOTALL)
T = TypeVar("T")


@dataclass(frozen=True)
class Unit:
    """One unit of a network.

    Attributes
    ----------
    layer : str
        Name of its layer.
    index : tuple of int
        Index in the activation of one example.
    plane : int
        Index of its bit: 0 or 1 for the lower or upper breakpoint of a ReLU6, the element of a max-pool's window.
    """

    layer: str
    index: tuple[int, ...]
    plane: int = 0

    def __str__(self) -> str:
        where = ", ".join(map(str, self.index))
        return f"{self.layer}[{where}]" + (f".{self.plane}" if self.plane else "")

    to_plain = __str__

    @classmethod
    def from_plain(cls, name: Any) -> "Unit":
        """Return the unit with a name: the inverse of ``str``.

        >>> Unit.from_plain("features.3[0, 12].1")
        Unit(layer='features.3', index=(0, 12), plane=1)
        """
        if (parts := NAME.fullmatch(str(name))) is None:
            raise Misfit(f"must be the name of a unit, as 'features.3[0, 12]', received {excerpt(name)}")
        layer, where, plane = parts.groups()
        return cls(layer, tuple(map(int, where.split(", "))) if where else (), int(plane or 0))


@dataclass(frozen=True, eq=False)
class Units(Sequence["Unit | None"]):
    """Sequence of the units of n boundaries; None where there is no boundary.

    Attributes
    ----------
    layers : tuple of Layer
        Layers of the code.
    bits : numpy.ndarray
        int64 ``(n,)``: index of the bit in the code, without padding; -1 for none.
    """

    layers: tuple[Layer, ...]
    bits: npt.NDArray[np.int64]

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        return np.cumsum([layer.bits for layer in self.layers])

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        """Return the unit at an index, or the units of a slice."""
        if isinstance(at, slice):
            return Units(self.layers, self.bits[at])
        bit = int(self.bits[at])
        if bit < 0:
            return None
        number = int(np.searchsorted(self._ends, bit, side="right"))
        layer = self.layers[number]
        unit, plane = divmod(bit - int(self._ends[number]) + layer.bits, layer.planes)
        return Unit(layer.name, tuple(map(int, np.unravel_index(unit, layer.shape))), plane)

    def __iter__(self) -> Iterator["Unit | None"]:
        return (self[i] for i in range(len(self)))


def require_network(part: T | None, what: str) -> T:
    """Return a part of the network; raise ModelError if `what` was read from a file, without its network."""
    if part is None:
        raise ModelError(f"{what} was read from a file, without its network: compute it again to use this method")
    return part


def nearest_unit(distances: Iterable[Tensor], rows: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest of the distances ``(rows, bits)`` of each layer, and its bit; infinity and -1 for none."""
    nearest = like.new_full((rows,), inf)
    bit = torch.full((rows,), -1, dtype=torch.int64, device=like.device)
    start = 0
    for layer in distances:
        if layer.shape[1] == 0:
            continue
        value, position = layer.expand(rows, -1).min(dim=1)
        closer = value < nearest
        nearest, bit = torch.where(closer, value, nearest), torch.where(closer, position + start, bit)
        start += layer.shape[1]
    return nearest, bit
