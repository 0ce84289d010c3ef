"""Parquet files in the Hub's image layout: a column of encoded images and a column of labels."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.data.address import Address
from hashlens.data.decode import Decoding, Encoded
from hashlens.data.images import ImageExamples, decode_named
from hashlens.data.labels import NO_LABEL, class_labels, is_missing
from hashlens.data.reading import reading
from hashlens.data.walk import is_hidden, skipped_line
from hashlens.errors import DataError

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")
_FILE = re.compile(r"(?P<split>.+?)(-\d+-of-(?P<count>\d+)(-[0-9a-f]+)?)?\.parquet")
# Rows returned by pyarrow at a time, and bytes that it reads ahead: both limit memory, for any size of row groups.
_ROWS = 256
_BUFFER = 1 << 20

_log = logging.getLogger("hashlens")


def open_parquet(address: Address) -> "ParquetExamples":
    """Return the images of a split; labels are read at once, pixels are streamed.

    The place is a file, or a folder with ``SPLIT.parquet`` or ``SPLIT-00000-of-00001.parquet`` in it or one level
    below. Images are in a column ``image`` or ``img``, binary or a struct with ``bytes``; labels, if any, in ``label``,
    ``labels`` or ``fine_label``.

    Raises
    ------
    DataError
        If there are no such files, columns or rows, or they are damaged.
    """
    return parquet_images(address.text, split_files(address), Decoding.from_address(address))


def split_files(address: Address) -> tuple[Path, ...]:
    """Return the files of the split in an address, in order.

    Raises
    ------
    DataError
        If there is no such split, or some of its files are missing.
    """
    path = address.path()
    if path.is_file():
        if address.split:
            raise DataError(f"{address.text}: one file has no splits; leave out #{address.split}, or name its folder")
        return (path,)
    files = _glob_visible(address, path, "*.parquet") or _glob_visible(address, path, "*/*.parquet")
    folders = sorted({str(file.parent) for file in files})
    if len(folders) != 1:
        problem = f"they lie in {', '.join(folders)}: name one of these" if folders else "there are none"
        raise DataError(f"{address.text}: expected Parquet files SPLIT-*-of-*.parquet in {str(path)!r}; {problem}")
    splits: dict[str, list[Path]] = {}
    counts: dict[str, int] = {}
    for file in files:
        if match := _FILE.fullmatch(file.name):
            splits.setdefault(match["split"], []).append(file)
            counts[match["split"]] = int(match["count"] or 1)
    split = address.choose(splits)
    if len(splits[split]) != counts[split]:
        raise DataError(
            f"{address.text}: {len(splits[split])} files of split {split!r} are in {folders[0]!r}, their names say "
            f"{counts[split]}"
        )
    return tuple(splits[split])


def _glob_visible(address: Address, folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match a pattern, sorted, without hidden ones; log how many are skipped."""
    files = sorted(folder.glob(pattern))
    visible = [path for path in files if not is_hidden(path.relative_to(folder))]
    if hidden := len(files) - len(visible):
        _log.warning("%s: %s", address.text, skipped_line(Counter({"hidden": hidden})))
    return visible


def split_of(file_name: str) -> str | None:
    """Return the split that a Parquet file belongs to by its name.

    >>> split_of("train-00000-of-00001.parquet")
    'train'
    """
    match = _FILE.fullmatch(file_name)
    return match["split"] if match else None


def parquet_images(name: str, files: Sequence[Path], decoding: Decoding) -> "ParquetExamples":
    """Return the images in Parquet `files` as the source `name`.

    Raises
    ------
    DataError
        If columns or rows are missing or damaged.
    """
    schema, count = _schema(name, files)
    image = next((column for column in IMAGE_COLUMNS if column in schema.names), None)
    if image is None:
        raise DataError(
            f"{name}: no column of images, expected one of {', '.join(IMAGE_COLUMNS)}; "
            f"the columns are {', '.join(schema.names)}"
        )
    column = _binary_column(name, schema, image)
    label = next((column for column in LABEL_COLUMNS if column in schema.names), None)
    labels, class_names = _read_labels(name, files, label, schema) if label else (None, None)
    first = next(_encoded_rows(name, files, column, 0, 1))
    shape = decode_named(first, name, 0, decoding).pixels.shape
    return ParquetExamples(
        name=name,
        labels=labels,
        ids=np.arange(count),
        class_names=class_names,
        shape=shape,
        decoding=decoding,
        files=tuple(files),
        column=column,
    )


@dataclass(eq=False, kw_only=True)
class ParquetExamples(ImageExamples):
    """Images in Parquet files; ids are the row numbers over all files of the split.

    Attributes
    ----------
    files : tuple of pathlib.Path
        The files, in order.
    column : str
        Path of the binary column, such as ``"image.bytes"``.
    """

    files: tuple[Path, ...]
    column: str

    def _encode(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        rows = _encoded_rows(self.name, self.files, self.column, int(self.ids[0]), int(self.ids[-1]) + 1)
        while batch := list(islice(rows, batch_size)):
            yield batch


def read_columns(name: str, files: Sequence[Path], columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return whole columns of Parquet files as Python values.

    Raises
    ------
    DataError
        If a file is damaged or has no such column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    values: dict[str, list[Any]] = {column: [] for column in columns}
    for path in files:
        with _reading(name, path), pq.ParquetFile(path) as file:
            if missing := set(columns) - set(file.schema_arrow.names):
                raise DataError(
                    f"{name}: {path.name} has no column {min(missing)!r}; "
                    f"its columns are {', '.join(file.schema_arrow.names)}"
                )
            for column, chunks in zip(columns, file.read(columns=list(columns)).columns, strict=True):
                if pa.types.is_dictionary(chunks.type):
                    chunks = chunks.cast(chunks.type.value_type)
                values[column].extend(chunks.to_pylist())
    return values


def _reading(name: str, path: Path) -> AbstractContextManager[None]:
    import pyarrow as pa

    return reading(f"{name}: {str(path)!r}", pa.ArrowException, OSError)


def _schema(name: str, files: Sequence[Path]) -> tuple[Any, int]:
    """Return the schema of the first file, and the number of rows of all files."""
    import pyarrow.parquet as pq

    schemas, count = [], 0
    for path in files:
        with _reading(name, path), pq.ParquetFile(path) as file:
            schemas.append(file.schema_arrow)
            count += file.metadata.num_rows
        if schemas[-1].names != schemas[0].names:
            raise DataError(f"{name}: {path.name} has other columns than {files[0].name}")
    if count == 0:
        raise DataError(f"{name}: there are no examples: {files[0].name} has no rows")
    return schemas[0], count


def _binary_column(name: str, schema: Any, image: str) -> str:
    import pyarrow as pa

    kind = schema.field(image).type
    column, leaf = image, kind
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column, leaf = f"{image}.bytes", kind.field("bytes").type
    leaf = leaf.value_type if pa.types.is_dictionary(leaf) else leaf
    if str(leaf) in ("binary", "large_binary", "binary_view"):
        return column
    raise DataError(f"{name}: column {image!r} holds {kind}; expected encoded images, binary or struct<bytes, path>")


def _read_labels(
    name: str, files: Sequence[Path], column: str, schema: Any
) -> tuple[npt.NDArray[np.int64] | None, tuple[str, ...] | None]:
    values = read_columns(name, files, [column])[column]
    # The Hub's convention for test sets with hidden labels.
    if all(is_missing(value) or value == NO_LABEL for value in values):
        return None, None
    labels, class_names = class_labels(values, name)
    class_names = class_names or _class_names(schema, column)
    if class_names and labels.max() >= len(class_names):
        row = int(labels.argmax())
        raise DataError(f"{name}: the label of row {row} is {labels[row]}; the file names {len(class_names)} classes")
    return labels, class_names


def _class_names(schema: Any, column: str) -> tuple[str, ...] | None:
    """Return the class names in the Hub's metadata, or None."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(class_name) for class_name in features[column]["names"])
    except (KeyError, TypeError, ValueError):
        return None


def _encoded_rows(name: str, files: Sequence[Path], column: str, first: int, last: int) -> Iterator[bytes]:
    """Yield the images of rows `first` to `last`, reading only the row groups that hold them."""
    import pyarrow.parquet as pq

    first_row = 0
    for path in files:
        with _reading(name, path), pq.ParquetFile(path, buffer_size=_BUFFER, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if first < first_row + rows and first_row < last:
                    yield from _group_rows(name, file, group, column, first_row, first, last)
                first_row += rows


def _group_rows(
    name: str, file: Any, group: int, column: str, first_row: int, first: int, last: int
) -> Iterator[bytes]:
    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[column]):
        if first_row >= last:
            return
        start = max(first - first_row, 0)
        values = batch.column(0)
        images = values.flatten()[0] if "." in column else values
        for row, image in enumerate(images[start : max(last - first_row, start)].to_pylist(), first_row + start):
            if image is None:
                raise DataError(f"{name}: row {row} has no image bytes; images must be embedded in the file")
            yield image
        first_row += len(batch)
