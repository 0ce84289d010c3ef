"""Rows of an index: packed codes in one or several parts, with chosen layers and unique ids."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.codes.codes import Codes, concatenate, require_same_code
from hashlens.codes.globs import is_selected
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.numbering import codes_with_one_numbering
from hashlens.codes.packing import Packed, packed_bytes
from hashlens.data.input_digests import Digests
from hashlens.data.labels import ClassNames
from hashlens.errors import IndexFault, nearest

BLOCK_BYTES = 1 << 24
Ids = npt.NDArray[Any]

_log = logging.getLogger("hashlens")


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of codes, read in place.

    Nothing is copied: a part may be a memory map larger than memory, and a choice of layers is a choice of columns.

    Attributes
    ----------
    parts : tuple of Codes
        Parts, in the order of rows; each has the chosen layers, and may have others.
    layers : tuple of Layer
        Chosen layers, laid out one after another.
    ids : numpy.ndarray
        int64 or str ``(n,)``, unique: identifiers of the rows.
    logged : frozenset of str
        Messages about added rows that were logged already.
    """

    parts: tuple[Codes, ...]
    layers: tuple[Layer, ...]
    ids: Ids
    logged: frozenset[str] = frozenset()

    @classmethod
    def of(cls, codes: Codes, layers: Sequence[str] | None = None, ids: npt.ArrayLike | None = None) -> "Rows":
        """Return the rows of codes, with the layers that match a glob."""
        if not isinstance(codes, Codes):
            raise IndexFault(
                f"an index is made of Codes (hl.encode, Codes.load or Codes.from_bits), received {type(codes).__name__}"
            )
        rows = cls((codes,), codes.layers, checked_ids(codes, ids)).select_layers(layers)
        if rows.code_bits == 0:
            raise IndexFault(
                "an index needs codes of at least one bit, received none: all rows would have the same code"
            )
        return rows

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def code_bits(self) -> int:
        """Number of bits of a row, without padding."""
        return sum(layer.bits for layer in self.layers)

    @property
    def row_bytes(self) -> int:
        """Number of bytes of a packed row."""
        return sum(packed_bytes(layer.bits) for layer in self.layers)

    @cached_property
    def starts(self) -> list[int]:
        """Row number of the first row of each part."""
        return [0, *np.cumsum([len(part) for part in self.parts])[:-1].tolist()]

    @cached_property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """Labels of the rows, int64 ``(n,)``; None unless every part has labels."""
        known = [part.labels for part in self.parts if part.labels is not None]
        return np.concatenate(known) if len(known) == len(self.parts) else None

    @cached_property
    def input_digests(self) -> Digests | None:
        """Digests of the inputs, uint8 ``(n, 16)``; None unless every part has them."""
        known = [part.input_digests for part in self.parts if part.input_digests is not None]
        return np.concatenate(known) if len(known) == len(self.parts) else None

    @property
    def class_names(self) -> ClassNames:
        """Names of classes 0, 1, ...; all parts have the same class numbering."""
        return self.parts[0].class_names

    @property
    def layout(self) -> Codes:
        """Empty codes in the layout of these rows, for comparison with others."""
        none = np.zeros((0, self.row_bytes), np.uint8)
        return Codes(none, self.layers, provenance=self.parts[0].provenance)

    def select_layers(self, layers: Sequence[str] | None) -> "Rows":
        """Return the same rows with only the layers that match a glob and no ``!glob``; all layers for None."""
        if layers is None:
            return self
        if not _are_names(layers):
            raise IndexFault(f"layers must be a list of names or globs, received {excerpt(layers)}")
        chosen = [layer for layer in self.layers if is_selected(layer.name, layers)]
        if not chosen:
            hint = nearest(layers[0] if layers else "", [layer.name for layer in self.layers])
            raise IndexFault(f"no layer of the index matches {excerpt(list(layers))}: {hint}")
        return self if len(chosen) == len(self.layers) else replace(self, layers=lay_out(chosen))

    def matching(self, codes: Codes) -> Packed:
        """Return the packed rows of `codes`, which may have more layers, in the layout of these rows.

        Raises
        ------
        CodesError
            If they are not the same bits of the same network.
        """
        columns = self.restricted(codes)._columns(codes)
        return np.ascontiguousarray(codes.packed) if columns is None else _gather(codes.packed, columns)

    def restricted(self, codes: Codes) -> "Rows":
        """Return the rows of `codes` with the layers of these rows only."""
        if not isinstance(codes, Codes):
            raise IndexFault(
                "queries and added rows must be Codes (hl.encode, Codes.load or Codes.from_bits), received "
                f"{type(codes).__name__}"
            )
        own = {layer.name for layer in self.layers}
        layers = lay_out([layer for layer in codes.layers if layer.name in own])
        rows = Rows((codes,), layers or codes.layers, codes.ids)
        require_same_code(self.layout, rows.layout)
        return rows

    def extended(self, codes: Codes, ids: npt.ArrayLike | None = None) -> "Rows":
        """Return these rows with the rows of `codes` appended.

        Raises
        ------
        CodesError
            If they are not the same bits of the same network.
        IndexFault
            If an id occurs twice.
        """
        self.restricted(codes)
        added = checked_ids(codes, ids)
        kinds = [array.dtype.kind in "iu" for array in (self.ids, added)]
        if len(self) and len(added) and kinds[0] != kinds[1]:
            words = ["numbers" if number else "strings" for number in kinds]
            raise IndexFault(
                f"the ids of the index are {words[0]}, but those of the added rows are {words[1]}: give the "
                "same kind with ids="
            )
        both = np.concatenate([self.ids, added]) if len(self) else added
        refuse_repeated(both, "the index and the added rows")
        (*before, last, codes), note = codes_with_one_numbering([*self.parts, codes], error=IndexFault)
        if note and note not in self.logged:
            _log.warning("%s", note)
        joined = [concatenate([last, codes])] if _can_be_joined(last, codes) else [last, codes]
        return replace(self, parts=(*before, *joined), ids=both, logged=self.logged | {note})

    def blocks(self, whole: bool = False, size: int = BLOCK_BYTES) -> Iterator[tuple[int, Packed]]:
        """Yield blocks one after another: the number of the first row, and contiguous packed rows.

        Parameters
        ----------
        whole : bool
            Whether a part that can be read without a copy is a single block.
        size : int
            Size of other blocks in bytes.
        """
        step = max(1, size // self.row_bytes)
        for first, part in zip(self.starts, self.parts, strict=True):
            columns = self._columns(part)
            if whole and columns is None and part.packed.flags.c_contiguous:
                if len(part):
                    yield first, part.packed
                continue
            for start in range(0, len(part), step):
                rows = part.packed[start : start + step]
                yield first + start, np.ascontiguousarray(rows) if columns is None else _gather(rows, columns)

    def take(self, rows: npt.NDArray[np.int64]) -> Packed:
        """Return the packed rows numbered `rows`, uint8 ``(k, row_bytes)``."""
        out = np.empty((len(rows), self.row_bytes), np.uint8)
        for first, part in zip(self.starts, self.parts, strict=True):
            inside = np.flatnonzero((rows >= first) & (rows < first + len(part)))
            if len(inside):
                taken = part.packed[rows[inside] - first]
                columns = self._columns(part)
                out[inside] = taken if columns is None else _gather(taken, columns)
        return out

    def _columns(self, part: Codes) -> list[slice] | None:
        """Return the columns of the chosen layers in the rows of a part; None for whole rows."""
        if [layer.name for layer in part.layers] == [layer.name for layer in self.layers]:
            return None
        places = {layer.name: layer.byte_slice for layer in part.layers}
        return [places[layer.name] for layer in self.layers]


def _gather(packed: Packed, columns: Sequence[slice]) -> Packed:
    return np.concatenate([packed[:, place] for place in columns], axis=1)


def _are_names(layers: object) -> bool:
    return isinstance(layers, (list, tuple)) and all(isinstance(glob, str) for glob in layers)


def _can_be_joined(*parts: Codes) -> bool:
    """Return whether parts are small and similar enough to be joined."""
    mapped = any(isinstance(part.packed, np.memmap) for part in parts)
    layouts = {tuple(layer.name for layer in part.layers) for part in parts}
    return not mapped and len(layouts) == 1 and sum(part.packed.nbytes for part in parts) <= BLOCK_BYTES


def checked_ids(codes: Codes, ids: npt.ArrayLike | None) -> Ids:
    """Return `ids`, or those of `codes`, as int64 or str.

    Raises
    ------
    IndexFault
        If they have another type, repeat, or are not one for each row.
    """
    try:
        row_ids = np.asarray(codes.ids if ids is None else ids)
    except ValueError as error:  # nested lists of different lengths
        raise IndexFault(f"ids must be one for each of the {len(codes):,} rows, received {excerpt(ids)}") from error
    if row_ids.shape != (len(codes),):
        raise IndexFault(f"ids must be one for each of the {len(codes):,} rows, received {row_ids.shape}")
    if row_ids.dtype.kind in "iu":
        if len(row_ids) and int(row_ids.max()) > np.iinfo(np.int64).max:
            raise IndexFault(f"ids must be numbers below 2**63, received {row_ids.max()}: give them as strings")
        row_ids = row_ids.astype(np.int64, copy=False)
    elif row_ids.dtype.kind != "U" and not (row_ids.dtype == object and all(isinstance(one, str) for one in row_ids)):
        raise IndexFault(f"ids must be whole numbers or strings, received {row_ids.dtype}")
    refuse_repeated(row_ids, "the codes")
    return row_ids


def refuse_repeated(ids: Ids, where: str) -> None:
    """Raise IndexFault if two ids are equal."""
    if len(ids) < 2 or (ids.dtype == np.int64 and (ids[1:] > ids[:-1]).all()):
        return
    ordered = np.sort(ids)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(again):
        raise IndexFault(
            f"ids must differ: {excerpt(again[0].item() if isinstance(again[0], np.generic) else again[0])} is in "
            f"{where} more than once ({len(np.unique(again)):,} such ids); give others with ids="
        )
