"""Codes: n rows of packed bits with their layers, labels, class names, ids and provenance."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, UInt64

from hashlens.codes.layers import Layer, choose_bits, lay_out, sample_each_layer, sample_positions, widen
from hashlens.codes.numbering import codes_with_one_numbering
from hashlens.codes.packing import Packed, pack_bits, packed_bytes, unpack_bits
from hashlens.codes.provenance import Provenance, left_out_gates
from hashlens.data.input_digests import DIGEST_BYTES, Digests
from hashlens.data.labels import ClassNames, class_labels
from hashlens.errors import CodesError, DataError, nearest

CHUNK_BYTES = 1 << 26

_log = logging.getLogger("hashlens")


@dataclass(frozen=True, eq=False)
class Codes:
    """Neural codes of n examples: packed bits, one bit for each unit that is on or off.

    Attributes
    ----------
    packed : numpy.ndarray
        uint8 ``(n, row_bytes)``: packed bits in little bit order; each layer is padded with zeros to whole 8-byte
        words. May be a read-only memory map.
    layers : tuple of Layer
        Layers of a row, in the order of execution.
    labels : numpy.ndarray or None
        int64 ``(n,)``: class numbers; -1 for a row without a label.
    ids : numpy.ndarray
        int64 or str ``(n,)``: identifiers of the examples.
    provenance : Provenance
        Network, data and machine that the codes come from.
    values : numpy.ndarray or None
        float32 ``(n, channels)``, only with ``granularity="channel"``: activation of each channel summed over space,
        in the order of layers.
    input_digests : numpy.ndarray or None
        uint8 ``(n, 16)``: xxh3-128 of each input as the network received it, to find equal inputs independently of
        the network (:func:`hashlens.data.input_digests.input_digests`). None where they are not known.
    class_names : tuple of str, or None
        Names of classes 0, 1, ... With names, labels of different codes are compared by name.
    """

    packed: Packed
    layers: tuple[Layer, ...]
    labels: npt.NDArray[np.int64] | None = None
    ids: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.int64))
    provenance: Provenance = field(default_factory=Provenance)
    values: npt.NDArray[np.float32] | None = None
    input_digests: Digests | None = None
    class_names: ClassNames = None

    def __post_init__(self) -> None:
        if len(self.ids) == 0:
            object.__setattr__(self, "ids", np.arange(len(self.packed)))
        width = sum(packed_bytes(layer.bits) for layer in self.layers)
        if self.packed.ndim != 2 or self.packed.dtype != np.uint8 or self.packed.shape[1] != width:
            raise CodesError(
                f"packed codes must be uint8 (n, {width}) for these layers, "
                f"received {self.packed.dtype} {self.packed.shape}"
            )
        digests = self.input_digests
        if digests is not None and (digests.dtype != np.uint8 or digests.shape[1:] != (DIGEST_BYTES,)):
            raise CodesError(
                f"input_digests must be uint8 (n, {DIGEST_BYTES}), received {digests.dtype} {digests.shape}"
            )
        rows = (("labels", self.labels), ("ids", self.ids), ("values", self.values), ("input_digests", digests))
        for name, array in rows:
            if array is not None and len(array) != len(self.packed):
                raise CodesError(
                    f"{name} must have one entry for each of the {len(self.packed)} rows, got {len(array)}"
                )
        names, labels = self.class_names, self.labels
        if names is not None and labels is not None and len(labels) and labels.max() >= len(names):
            raise CodesError(f"a label is {labels.max()}, and there are {len(names)} class names: give a name to each")

    @classmethod
    def from_bits(
        cls,
        bits: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
    ) -> "Codes":
        """Make codes of one layer named ``code`` from a matrix of 0 and 1.

        Parameters
        ----------
        bits : array_like
            ``(n, d)``: the bits, 0 or 1.
        labels : array_like, optional
            ``(n,)``: class names or class numbers; -1, None or NaN stands for a row without a label.
        ids : array_like, optional
            ``(n,)``: identifiers of the rows, int or str; by default row numbers.
        class_names : sequence of str, optional
            Names of classes 0, 1, ..., for labels that are numbers.

        Raises
        ------
        CodesError
            If `bits` is no such matrix, or labels or ids do not fit its rows.

        >>> Codes.from_bits([[0, 1, 1], [1, 0, 0]]).code_bits
        3
        """
        matrix = np.asarray(bits)
        if matrix.ndim != 2 or not np.isin(matrix, (0, 1)).all():
            raise CodesError(f"bits must be a matrix (n, d) of 0 and 1, received {matrix.dtype} {matrix.shape}")
        numbers, names = None, None if class_names is None else tuple(class_names)
        if labels is not None:
            try:
                numbers, read = class_labels(labels, "bits", all_labels=names is None)
            except DataError as error:
                raise CodesError(str(error)) from error
            names = read or names
        return cls(
            pack_bits(matrix.astype(np.bool_)),
            (Layer("code", "bits", (matrix.shape[1],), bits=matrix.shape[1]),),
            labels=numbers,
            ids=np.arange(len(matrix)) if ids is None else np.asarray(ids),
            class_names=names,
        )

    def __len__(self) -> int:
        return len(self.packed)

    def __repr__(self) -> str:
        labelled = "labelled" if self.labels is not None else "unlabelled"
        layers = "1 layer" if len(self.layers) == 1 else f"{len(self.layers)} layers"
        left_out = self.provenance.left_out
        layers += f", {left_out_gates(left_out)}" if left_out else ""
        return (
            f"Codes({len(self):,} rows of {self.code_bits:,} bits, {layers}, {labelled}, "
            f"{self.packed.nbytes:,} bytes, {self.provenance.model})"
        )

    @property
    def code_bits(self) -> int:
        """Number of bits of a code, without padding."""
        return sum(layer.bits for layer in self.layers)

    @property
    def soft(self) -> bool:
        """Whether some gate is smooth (GELU, sigmoid, ...); then equal codes do not mean the same linear region."""
        return any(layer.soft for layer in self.layers)

    @property
    def words(self) -> UInt64[npt.NDArray[np.uint64], "{len(self)} words"]:
        """Rows as uint64 words ``(n, row_bytes / 8)``, without a copy if the rows are contiguous."""
        return self.packed.view(np.uint64)

    def __getitem__(self, rows: slice | Sequence[int] | npt.NDArray[Any]) -> "Codes":
        """Return the codes of `rows` (a slice is a view)."""
        index = np.arange(len(self))[rows]
        if index.ndim != 1:
            raise CodesError(f"rows must be a slice, a list or a mask, received {rows!r}: one row is codes[i : i + 1]")
        chosen = rows if isinstance(rows, slice) else index
        return replace(
            self,
            packed=self.packed[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            ids=self.ids[chosen],
            values=None if self.values is None else self.values[chosen],
            input_digests=None if self.input_digests is None else self.input_digests[chosen],
        )

    def layer(self, name: str) -> "Codes":
        """Return the codes of one layer, as a view.

        Raises
        ------
        CodesError
            If there is no layer of that name; the message suggests the most similar name.
        """
        for layer in self.layers:
            if layer.name == name:
                break
        else:
            raise CodesError(f"no layer {name!r} in these codes: {nearest(name, [item.name for item in self.layers])}")
        values = self.values
        if values is not None:
            first = sum(prod(item.shape) for item in self.layers[: self.layers.index(layer)])
            values = values[:, first : first + prod(layer.shape)]
        return replace(self, packed=self.packed[:, layer.byte_slice], layers=lay_out([layer]), values=values)

    def unpack(self, rows: slice = slice(None)) -> Bool[npt.NDArray[np.bool_], "k {self.code_bits}"]:
        """Return the bits of `rows` without padding, bool ``(k, code_bits)``."""
        parts = [unpack_bits(self.packed[rows, layer.byte_slice], layer.bits) for layer in self.layers]
        if not parts:
            return np.zeros((len(self.packed[rows]), 0), np.bool_)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def chunks(self, bytes_per_bit: int = 1) -> Iterator[slice]:
        """Yield slices of rows whose unpacked bits take about 64 MiB with `bytes_per_bit` bytes for each bit."""
        step = max(1, CHUNK_BYTES // max(1, self.code_bits * bytes_per_bit))
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    def constant_bits(self, *others: "Codes") -> Bool[npt.NDArray[np.bool_], " {self.code_bits}"]:
        """Return which bits are constant over all rows of these codes and the `others`, bool ``(code_bits,)``."""
        ones: Packed = np.full(self.packed.shape[1], 255, np.uint8)
        zeros: Packed = np.zeros(self.packed.shape[1], np.uint8)
        for codes in (self, *others):
            require_same_code(self, codes)
            if len(codes):
                ones &= np.bitwise_and.reduce(codes.packed, axis=0)
                zeros |= np.bitwise_or.reduce(codes.packed, axis=0)
        constant: npt.NDArray[np.bool_] = Codes((ones | ~zeros)[None], self.layers).unpack()[0]
        return constant

    def informative(self, *others: "Codes") -> "Codes":
        """Return the codes without the bits that are constant over all rows of these codes and the `others`.

        Layers without an informative bit are left out. The paper drops bits that are constant over train and test
        together: ``train.informative(test)`` and ``test.informative(train)`` keep the same bits.
        """
        return self.keep(~self.constant_bits(*others))

    def keep(self, mask: Bool[npt.NDArray[np.bool_], " {self.code_bits}"]) -> "Codes":
        """Return codes of only the bits where `mask`, bool ``(code_bits,)``, is true; `values` are dropped."""
        if mask.shape != (self.code_bits,):
            raise CodesError(f"the mask must be bool ({self.code_bits},), received {mask.shape}")
        if mask.all():
            return self
        choice = choose_bits(self.layers, np.flatnonzero(mask))
        packed = choice.zeros(len(self))
        for rows in self.chunks():
            choice.take(self.packed[rows], out=packed[rows])
        return replace(self, packed=packed, layers=choice.targets, values=None)

    def sample_bits(self, bits: int, seed: int = 0, *, per_layer: bool = False) -> "Codes":
        """Return codes of a fixed random sample of `bits` bits; the same codes if they have no more bits.

        The sample depends only on the layout and the seed, so train and test get the same one. It is the sample that
        ``encode(..., bits=bits, seed=seed, per_layer=per_layer)`` keeps. With `per_layer`, `bits` are kept of each
        layer.

        Raises
        ------
        CodesError
            If `bits` is below 1.
        """
        if per_layer:
            positions = sample_each_layer(self.layers, bits, seed)
        else:
            positions = sample_positions(self.code_bits, bits, seed)
        if len(positions) == self.code_bits:
            return self
        chosen = np.zeros(self.code_bits, np.bool_)
        chosen[positions] = True
        total = self.provenance.sampled_from or self.code_bits
        return replace(self.keep(chosen), provenance=replace(self.provenance, sampled_from=total, seed=seed))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the codes as a folder (see :mod:`hashlens.codes.store`) and return its path.

        Raises
        ------
        OutputError
            If the folder exists and `overwrite` is false, holds other files, or cannot be written.
        """
        from hashlens.codes.store import save_codes

        return save_codes(self, path, overwrite=overwrite)

    @staticmethod
    def load(path: str | Path, verify: bool = True) -> "Codes":
        """Open a folder of codes; the bits stay on disk, memory-mapped.

        Parameters
        ----------
        path : str or Path
            Path of the folder.
        verify : bool
            Whether to verify the checksums, which reads every byte once.

        Raises
        ------
        CodesError
            If the folder is missing, incomplete, corrupt, or of a newer schema.
        """
        from hashlens.codes.store import load_codes

        return load_codes(path, verify=verify)

    def export(self, path: str | Path, packed: bool = True, *, overwrite: bool = False) -> Path:
        """Write one Parquet file that DuckDB, Polars and pandas can read directly.

        The columns are ``id``, ``label``, ``class_name`` if classes have names, and one column for each layer.

        Parameters
        ----------
        path : str or Path
            Path of the file.
        packed : bool
            Whether the column of a layer holds packed bytes (the default) or lists of 0 and 1.
        overwrite : bool
            Whether an existing file is replaced.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        from hashlens.codes.store import export_codes

        return export_codes(self, path, packed=packed, overwrite=overwrite)


def require_same_code(a: Codes, b: Codes) -> None:
    """Raise CodesError unless `a` and `b` hold the same bits of the same network."""
    if a is b:
        return
    if not a.provenance.same_network(b.provenance):
        raise CodesError(
            f"codes of two networks cannot be mixed: {a.provenance.model} "
            f"({a.provenance.parameters_digest[:8]}, {a.provenance.granularity}) and {b.provenance.model} "
            f"({b.provenance.parameters_digest[:8]}, {b.provenance.granularity}); encode both with the same one"
        )
    if len(a.layers) != len(b.layers) or not all(x.same_as(y) for x, y in zip(a.layers, b.layers, strict=True)):
        raise CodesError(
            f"codes of different bits cannot be mixed: {a.code_bits:,} bits of {len(a.layers)} layers and "
            f"{b.code_bits:,} bits of {len(b.layers)} layers; encode both with the same layers=, bits= and seed="
        )


def align_layouts(codes: Sequence[Codes]) -> list[Codes]:
    """Return the codes in one layout: codes of token sequences (``mask=``) are padded to the longest of all.

    Raises
    ------
    CodesError
        If they are not the same bits of the same network.
    """
    first = codes[0]
    layouts = [part.layers for part in codes]
    kinds = {tuple((layer.name, layer.gate, layer.planes, layer.shape[1:]) for layer in layout) for layout in layouts}
    padded = all(part.provenance.masked and part.provenance.same_network(first.provenance) for part in codes)
    if not padded or len(kinds) > 1 or any(layer.positions is not None for layout in layouts for layer in layout):
        for other in codes[1:]:
            require_same_code(first, other)
        return list(codes)
    target = lay_out([max(same, key=lambda layer: layer.bits) for same in zip(*layouts, strict=True)])
    return [replace(part, packed=widen(part.packed, part.layers, target), layers=target) for part in codes]


def concatenate(codes: Sequence[Codes]) -> Codes:
    """Return the rows of several codes, in order, with the class numbers of the first.

    Raises
    ------
    CodesError
        If there are no codes, if they are not the same bits of the same network, or if some have class names and the
        class numbers of others do not fit these names.
    """
    if not codes:
        raise CodesError("nothing to concatenate: the list of codes is empty")
    codes, note = codes_with_one_numbering(align_layouts(codes))
    if note:
        _log.warning("%s", note)
    first = codes[0]
    labelled = [part.labels for part in codes if part.labels is not None]
    valued = [part.values for part in codes if part.values is not None]
    digests = [part.input_digests for part in codes if part.input_digests is not None]
    return replace(
        first,
        packed=np.concatenate([part.packed for part in codes]),
        labels=np.concatenate(labelled) if len(labelled) == len(codes) else None,
        ids=np.concatenate([part.ids for part in codes]),
        values=np.concatenate(valued) if len(valued) == len(codes) else None,
        input_digests=np.concatenate(digests) if len(digests) == len(codes) else None,
    )
