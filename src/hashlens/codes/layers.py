"""Layers: the gates of a network, their spans in a code, and choices of some of their bits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import numpy.typing as npt

from hashlens.codes.packing import Packed, pack_bits, packed_bytes, unpack_bits
from hashlens.errors import CodesError
from hashlens.seeds import numpy_generator

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layer:
    """One call of a gate (activation function) in a network, and its span in a code.

    Attributes
    ----------
    name : str
        Module path of the gate; further calls of the same gate end in ``#1``, ``#2``, ...
    gate : str
        Name of the operator: ``relu``, ``hardtanh``, ``gelu``, ...
    shape : tuple of int
        Shape of the activation without the batch axis; ``(channels,)`` with channel granularity.
    planes : int
        Number of bits per unit: 1 for a ReLU, 2 for a ReLU6, and the size of the window for a max-pool. The bits of a
        unit are next to each other. The inputs of the gate at which a unit is at one of its breakpoints form a plane;
        hence the name.
    soft : bool
        Whether the gate is smooth, so that its bit does not bound a linear region.
    bits : int
        Number of bits of the layer in the code.
    start : int
        Index of the layer's first bit in the row, a multiple of 64.
    positions : numpy.ndarray or None
        int64 ``(bits,)``: indices of the kept bits among the layer's ``planes * prod(shape)``; None if all are kept.
    """

    name: str
    gate: str
    shape: tuple[int, ...]
    planes: int = 1
    soft: bool = False
    bits: int = 0
    start: int = 0
    positions: Positions | None = None

    @property
    def all_bits(self) -> int:
        """Number of bits of the layer before sampling."""
        return self.planes * prod(self.shape)

    @property
    def byte_slice(self) -> slice:
        """Slice of the layer's bytes in a packed row."""
        return slice(self.start // 8, self.start // 8 + packed_bytes(self.bits))

    def same_as(self, other: "Layer") -> bool:
        """Return whether both layers hold the same bits of the same gate, at the same place in the code."""
        own_positions, other_positions = self.positions, other.positions
        same_positions = own_positions is other_positions or (
            own_positions is not None and other_positions is not None and np.array_equal(own_positions, other_positions)
        )
        return same_positions and all(
            getattr(self, key) == getattr(other, key) for key in ("name", "gate", "shape", "planes", "bits", "start")
        )


def lay_out(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers laid out one after another, each starting at a whole word."""
    laid_out, start = [], 0
    for layer in layers:
        laid_out.append(replace(layer, start=start))
        start += packed_bytes(layer.bits) * 8
    return tuple(laid_out)


def widen(packed: Packed, layers: Sequence[Layer], target: Sequence[Layer]) -> Packed:
    """Return rows of `layers` in the layout of `target`, whose layers may be longer; they are padded with zeros."""
    out = np.zeros((len(packed), sum(packed_bytes(layer.bits) for layer in target)), np.uint8)
    for source, wide in zip(layers, target, strict=True):
        part = packed[:, source.byte_slice]
        out[:, wide.start // 8 : wide.start // 8 + part.shape[1]] = part
    return out


@dataclass(frozen=True, eq=False)
class BitChoice:
    """Choice of some bits of a layout, and the layout of the chosen bits.

    Attributes
    ----------
    sources : tuple of Layer
        Layers of which at least one bit is kept.
    targets : tuple of Layer
        The same layers with the kept bits only, in their new layout.
    kept : tuple of numpy.ndarray
        Indices of the kept bits of each source, among its bits, int64, sorted.
    """

    sources: tuple[Layer, ...]
    targets: tuple[Layer, ...]
    kept: tuple[Positions, ...]

    def zeros(self, n: int) -> Packed:
        """Return n rows of zeros in the layout of the targets."""
        return np.zeros((n, sum(packed_bytes(layer.bits) for layer in self.targets)), np.uint8)

    def take(self, packed: Packed, out: Packed | None = None) -> Packed:
        """Return the chosen bits of packed rows, packed."""
        out = self.zeros(len(packed)) if out is None else out
        for source, target, kept in zip(self.sources, self.targets, self.kept, strict=True):
            part = packed[:, source.byte_slice]
            if 16 * len(kept) < source.bits:  # few bits of many: take their bytes, and leave the rest packed
                bits = ((part[:, kept >> 3] >> (kept & 7).astype(np.uint8)) & np.uint8(1)) == 1
            else:
                bits = unpack_bits(part, source.bits)[:, kept]
            pack_bits(bits, out=out[:, target.byte_slice])
        return out


def choose_bits(layers: Sequence[Layer], chosen: Positions) -> BitChoice:
    """Return the choice of the bits `chosen`, which must be sorted; bits are numbered through all layers."""
    ends = np.cumsum([layer.bits for layer in layers])
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    sources, targets, kept_bits = [], [], []
    for layer, part, end in zip(layers, parts, ends, strict=True):
        if len(part):
            kept = part - (end - layer.bits)
            positions = kept if layer.positions is None else layer.positions[kept]
            sources.append(layer)
            targets.append(replace(layer, bits=len(kept), positions=positions))
            kept_bits.append(kept)
    return BitChoice(tuple(sources), lay_out(targets), tuple(kept_bits))


def sample_positions(total: int, bits: int, seed: int, *keys: str) -> npt.NDArray[np.int64]:
    """Draw `bits` of the numbers 0..total-1, or all if there are fewer; different `keys` give different samples.

    The result is sorted, int64 ``(min(bits, total),)``.
    """
    if bits < 1:
        raise CodesError(f"bits must be at least 1, received {bits}")
    if bits >= total:
        return np.arange(total)
    return np.sort(numpy_generator(seed, "bits", *keys).choice(total, bits, replace=False, shuffle=False))


def sample_each_layer(layers: Sequence[Layer], bits: int, seed: int) -> npt.NDArray[np.int64]:
    """Return a sample of `bits` bits of each layer, sorted, int64; bits are numbered through all layers.

    The sample of a layer depends on its name, so that two layers of the same size keep different positions.
    """
    parts, start = [np.zeros(0, np.int64)], 0
    for layer in layers:
        parts.append(start + sample_positions(layer.bits, bits, seed, layer.name))
        start += layer.bits
    return np.concatenate(parts)
