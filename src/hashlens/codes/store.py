"""Codes on disk: a memory-mapped folder, and one Parquet file for other tools.

::

    manifest.json     schema version, layers, provenance, class names, size and xxh3-128 of every other file
    bits.npy          uint8 (n, row_bytes): one memory map, which FAISS searches without a copy
    rows.parquet      id, label, fingerprint (16 bytes); input_digest (16 bytes) where inputs are known
    positions.npy     int64, indices of the bits kept in each sampled layer, layers concatenated (sampled codes only)
    values.npy        float32 (n, channels) (channel granularity only)

All bits are in one file: its memory map is contiguous, so codes larger than memory can be searched as one array.
"""

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import hash_rows
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.packing import Packed
from hashlens.codes.provenance import Provenance
from hashlens.data.input_digests import DIGEST_BYTES, Digests
from hashlens.data.labels import NO_LABEL, ClassNames, has_label
from hashlens.errors import CodesError
from hashlens.files import atomic_write, output_path
from hashlens.manifest import FolderKind

CODES_FOLDER = FolderKind(
    format="hashlens-codes",
    schema_version=1,
    files=("bits.npy", "rows.parquet"),
    what="a folder of codes",
    made_with="Codes.save or `hashlens encode`",
    remedy="encode again",
    error=CodesError,
)


class GrowingArray:
    """A ``.npy`` file that grows by rows; its header, which NumPy pads for this purpose, is rewritten at the end."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.rows = 0
        self.shape: tuple[int, ...] | None = None
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def _write_header(self) -> None:
        shape = (self.rows, *(self.shape or (0,)))
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write rows ``(k, ...)`` with the same width and dtype as before."""
        if self.shape is None:
            self.shape, self.dtype = rows.shape[1:], rows.dtype
            self._write_header()
        if rows.shape[1:] != self.shape:
            raise CodesError(
                f"rows of shape {rows.shape[1:]} cannot follow rows of shape {self.shape} in one folder of codes"
            )
        self.file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def close(self) -> None:
        """Write the header with the final number of rows and close the file."""
        if not self.file.closed:
            self.file.seek(0)
            self._write_header()
            self.file.close()


class CodesWriter:
    """Write a folder of codes batch by batch, with memory for one batch of bits and the rows of ``rows.parquet``.

    Use it as a context manager: if the body raises, nothing is left on disk.

    Parameters
    ----------
    path : str or Path
        Path of the folder to create.
    overwrite : bool
        Whether an existing folder of codes is replaced; other files and folders are never replaced.
    """

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        CODES_FOLDER.require_replaceable(output_path(path))
        self._partial = atomic_write(path, overwrite=overwrite)
        self.path = Path(path)
        self.labels: list[npt.NDArray[np.int64]] = []
        self._ids: list[npt.NDArray[Any]] = []
        self._fingerprints: list[npt.NDArray[np.uint64]] = []
        self._digests: list[Digests] = []

    def __enter__(self) -> "CodesWriter":
        self._folder = self._partial.__enter__()
        try:
            self._folder.mkdir()
            self._bits = GrowingArray(self._folder / "bits.npy")
            self._values: GrowingArray | None = None
        except OSError as error:
            self._partial.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        for array in filter(None, (self._bits, self._values)):
            with suppress(OSError):  # closing fails again on a full disk; the body has raised already
                array.file.close()
        return self._partial.__exit__(kind, error, trace)

    def append(
        self,
        packed: Packed,
        labels: npt.NDArray[np.int64] | None,
        ids: npt.NDArray[Any],
        values: npt.NDArray[np.float32] | None = None,
        digests: Digests | None = None,
    ) -> None:
        """Append rows in the layout of :class:`~hashlens.Codes`."""
        self._bits.append(packed)
        self._fingerprints.append(hash_rows(packed))
        self._ids.append(ids)
        if labels is not None:
            self.labels.append(labels)
        if digests is not None:
            self._digests.append(digests)
        if values is not None:
            if self._values is None:
                self._values = GrowingArray(self._folder / "values.npy")
            self._values.append(values)

    def finish(self, layers: tuple[Layer, ...], provenance: Provenance, class_names: ClassNames = None) -> None:
        """Write rows and positions, and the manifest last."""
        self._bits.close()
        if self._values is not None:
            self._values.close()
        ids = np.concatenate(self._ids)
        labels = np.concatenate(self.labels) if self.labels else None
        digests = np.concatenate(self._digests) if len(self._digests) == len(self._ids) else None
        _write_rows(self._folder / "rows.parquet", ids, labels, np.concatenate(self._fingerprints), digests)
        sampled = [layer.positions for layer in layers if layer.positions is not None]
        if sampled:
            np.save(self._folder / "positions.npy", np.concatenate(sampled))
        body: dict[str, Any] = {"rows": self._bits.rows, "layers": [_layer_record(layer) for layer in layers]}
        if class_names is not None:
            body["class_names"] = list(class_names)
        CODES_FOLDER.write(self._folder, {**body, "provenance": asdict(provenance)})


def _layer_record(layer: Layer) -> dict[str, Any]:
    record = {key: getattr(layer, key) for key in ("name", "gate", "planes", "soft", "bits", "start")}
    return {**record, "shape": list(layer.shape), "sampled": layer.positions is not None}


def _write_rows(
    path: Path,
    ids: npt.NDArray[Any],
    labels: npt.NDArray[np.int64] | None,
    fingerprints: npt.NDArray[np.uint64],
    digests: Digests | None,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    no_labels = pa.nulls(len(ids), pa.int64())
    columns = {"id": ids, "label": no_labels if labels is None else labels, "fingerprint": _fixed_binary(fingerprints)}
    if digests is not None:
        columns["input_digest"] = _fixed_binary(digests)
    pq.write_table(pa.table(columns), path)


def _fixed_binary(rows: npt.NDArray[Any]) -> Any:
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(DIGEST_BYTES), len(rows), [None, buffer])


def save_codes(codes: Codes, path: str | Path, overwrite: bool = False) -> Path:
    """Write `codes` as a folder and return its path; see :class:`CodesWriter`."""
    step = max(1, (1 << 26) // max(1, codes.packed.shape[1]))
    with CodesWriter(path, overwrite) as writer:
        for start in range(0, max(1, len(codes)), step):
            part = codes[start : start + step]
            writer.append(part.packed, part.labels, part.ids, part.values, part.input_digests)
        writer.finish(codes.layers, codes.provenance, codes.class_names)
    return Path(path)


def load_codes(path: str | Path, verify: bool = True) -> Codes:
    """Open a folder of codes as memory maps; see :meth:`hashlens.Codes.load`."""
    return CODES_FOLDER.open(path, verify, open_codes)


def open_codes(folder: Path, manifest: dict[str, Any]) -> Codes:
    """Open a folder of codes whose files are already verified."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    packed: Packed = np.load(folder / "bits.npy", mmap_mode="r" if manifest["rows"] else None)
    with pq.ParquetFile(folder / "rows.parquet") as file:
        columns = [name for name in ("id", "label", "input_digest") if name in file.schema_arrow.names]
        rows = file.read(columns=columns, use_threads=False)
        digests = _digests(rows["input_digest"]) if "input_digest" in columns else None
    # Without this call Arrow's pool keeps the memory that decoding used, more than ids and labels need. With threads,
    # decoding would free it only after the call.
    pa.default_memory_pool().release_unused()
    label = rows["label"]
    positions = np.load(folder / "positions.npy") if "positions.npy" in manifest["files"] else np.zeros(0, np.int64)
    layers, used = [], 0
    for record in manifest["layers"]:
        sampled, shape = record.pop("sampled"), tuple(record.pop("shape"))
        layer = Layer(**record, shape=shape)
        if sampled:
            layer = replace(layer, positions=positions[used : used + layer.bits])
            used += layer.bits
        layers.append(layer)
    if (
        manifest["rows"] != len(packed)
        or [part.start for part in lay_out(layers)] != [part.start for part in layers]
        or 0 < label.null_count < len(label)
    ):
        raise ValueError("its parts contradict each other")
    values = np.load(folder / "values.npy", mmap_mode="r") if "values.npy" in manifest["files"] else None
    return Codes(
        packed,
        tuple(layers),
        labels=None if label.null_count == len(label) and len(label) else label.to_numpy(),
        ids=rows["id"].to_numpy(),
        provenance=Provenance.from_record(manifest["provenance"]),
        values=values,
        input_digests=digests,
        class_names=_class_names(manifest),
    )


def _class_names(manifest: dict[str, Any]) -> ClassNames:
    names = manifest.get("class_names")  # absent from older folders
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("class_names is not a list of names")
    return tuple(names)


def _digests(column: Any) -> Digests:
    joined = b"".join(
        part.buffers()[1][DIGEST_BYTES * part.offset :][: DIGEST_BYTES * len(part)] for part in column.chunks
    )
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES)


def export_codes(codes: Codes, path: str | Path, packed: bool = True, *, overwrite: bool = False) -> Path:
    """Write codes as one Parquet file; see :meth:`hashlens.Codes.export`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["code"] if len(codes.layers) == 1 else [f"code:{layer.name}" for layer in codes.layers]
    types = [
        pa.binary(codes.packed[:, layer.byte_slice].shape[1]) if packed else pa.list_(pa.uint8(), layer.bits)
        for layer in codes.layers
    ]
    id_type = pa.array(codes.ids).type
    class_name_field = [] if codes.class_names is None else [("class_name", pa.string())]
    schema = pa.schema([("id", id_type), ("label", pa.int64()), *class_name_field, *zip(names, types, strict=True)])
    with atomic_write(path, overwrite=overwrite) as partial, pq.ParquetWriter(partial, schema) as writer:
        for rows in codes.chunks():
            part = codes[rows]
            columns = [_export_column(part.layer(layer.name), packed) for layer in codes.layers]
            writer.write_table(
                pa.Table.from_arrays([pa.array(part.ids), *_export_labels(part), *columns], schema=schema)
            )
    return Path(path)


def _export_labels(codes: Codes) -> list[Any]:
    """Return the column of labels, null where a row has none, and a column of class names if there are any."""
    import pyarrow as pa

    labelled = np.zeros(len(codes), np.bool_) if codes.labels is None else has_label(codes.labels)
    numbers = np.full(len(codes), NO_LABEL) if codes.labels is None else np.asarray(codes.labels)
    labels = pa.array(numbers, pa.int64(), mask=~labelled)
    if codes.class_names is None:
        return [labels]
    names = [
        codes.class_names[number] if is_labelled else None
        for number, is_labelled in zip(numbers, labelled, strict=True)
    ]
    return [labels, pa.array(names, pa.string())]


def _export_column(codes: Codes, packed: bool) -> Any:
    import pyarrow as pa

    if packed:
        data = np.ascontiguousarray(codes.packed)
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(data.shape[1]), len(data), [None, pa.py_buffer(data)])
    bits = codes.unpack().view(np.uint8)
    return pa.FixedSizeListArray.from_arrays(pa.array(bits.ravel()), bits.shape[1])
