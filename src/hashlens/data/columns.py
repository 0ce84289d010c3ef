"""Data sets of Hugging Face `datasets`: columns of images, numbers and labels, in any format."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hashlens.data.decode import COMPOSITED, GREY_FIRST, Decoding, Encoded, as_encoded
from hashlens.data.images import ImageExamples, decode_named
from hashlens.data.labels import NO_LABEL, ClassNames, Labels, class_labels, fitting_names
from hashlens.data.loader import DatasetExamples
from hashlens.data.stored_class_names import LABEL_KEYS, names_of_classes
from hashlens.data.streamed import StreamedExamples
from hashlens.errors import DataError

TENSORS = ("torch", "numpy")
OWN_ROWS = "custom"
"""Format of a data set with its own transform, whose rows are used unchanged."""


def has_columns(source: Any) -> bool:
    """Return whether `source` is a data set of `datasets`."""
    features = isinstance(getattr(source, "features", None), Mapping)
    return features and all(hasattr(source, name) for name in ("with_format", "format", "column_names"))


def from_columns(dataset: Any) -> StreamedExamples:
    """Return the examples of a data set of `datasets`; ids are row numbers.

    If there is a column of images, it is decoded like all other sources and scaled to [0, 1]. It is the input of the
    network; only the labels are read besides it. Without a column of images, inputs are dicts of tensors. If the data
    set has its own transform (``with_transform``), its rows are used unchanged.

    Parameters
    ----------
    dataset : datasets.Dataset
        The data set. Labels, if any, are in the column ``label`` or ``labels``: class numbers or class names.

    Raises
    ------
    DataError
        If there are no rows, several columns of images, or damaged images.
    """
    form = dataset.format["type"]
    columns = dataset.format["columns"]
    label = next((key for key in LABEL_KEYS if key in columns), None)
    if form == OWN_ROWS or len(dataset) == 0:
        return DatasetExamples(dataset)
    images = [name for name in columns if type(dataset.features[name]).__name__ == "Image"]
    name = type(dataset).__name__
    if len(images) > 1:
        raise DataError(
            f"{name}: there are {len(images)} columns of images, {', '.join(map(repr, images))}: leave one with "
            "dataset.select_columns, or give a DataLoader"
        )
    labels, class_names = _labels(dataset, label, name)
    if images:
        return ColumnImages.from_dataset(dataset, images[0], labels, class_names)
    rows = dataset if form in TENSORS else dataset.with_format("torch", columns=columns)
    if label is None or not _need_numbers(getattr(dataset.features[label], "dtype", ""), labels):
        return DatasetExamples(rows)
    examples = DatasetExamples(NumberedRows(rows, label, labels, class_names))
    examples.name = name
    return examples


def _need_numbers(dtype: str, labels: Labels | None) -> bool:
    """Return whether torch cannot make a tensor of a label column, because it has names or missing values."""
    return dtype in ("string", "large_string") or (labels is not None and bool((labels == NO_LABEL).any()))


def _labels(dataset: Any, label: str | None, name: str) -> tuple[Labels | None, ClassNames]:
    """Return the labels of all rows, read once; None if no row has one."""
    if label is None:
        return None, None
    values = dataset.with_format("arrow", columns=[label])[:][label].to_pylist()
    if any(isinstance(value, list) for value in values):
        return None, None
    labels, names = class_labels(values, name)
    names = names or fitting_names(labels, names_of_classes(dataset, label))
    return (None, names) if (labels == NO_LABEL).all() else (labels, names)


def is_decoded_by_datasets(feature: Any) -> bool:
    """Return whether `datasets` decodes the images of a column itself, and converts them to the column's mode."""
    return getattr(feature, "mode", None) is not None and getattr(feature, "decode", True)


class ColumnDecoding(Decoding):
    """Decoding of a column of images: there is no address with options, so hints name the cast of the column."""

    hints: ClassVar[Mapping[str, str]] = {
        COMPOSITED: 'a column cast to datasets.Image(mode="RGB") has the colours as stored',
        GREY_FIRST: 'cast the column to datasets.Image(mode="RGB"), which takes grey images as colour',
    }


@dataclass(eq=False, kw_only=True)
class ColumnImages(ImageExamples):
    """Images in a `column` of a `dataset`, in their stored form, or in the mode that the column is cast to."""

    dataset: Any
    column: str

    @classmethod
    def from_dataset(cls, dataset: Any, column: str, labels: Labels | None, class_names: ClassNames) -> "ColumnImages":
        """Return the images of all rows."""
        form = None if is_decoded_by_datasets(dataset.features[column]) else "arrow"
        stored = dataset.with_format(form, columns=[column])
        decoding, name = ColumnDecoding(), type(dataset).__name__
        first = decode_named(_encode(stored[:1][column], name, 0)[0], name, 0, decoding)
        return cls(
            name=name,
            labels=labels,
            ids=np.arange(len(dataset)),
            class_names=class_names,
            shape=first.pixels.shape,
            decoding=decoding,
            dataset=stored,
            column=column,
        )

    def _encode(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        for start in range(int(self.ids[0]), int(self.ids[-1]) + 1, batch_size):
            stop = min(start + batch_size, int(self.ids[-1]) + 1)
            yield _encode(self.dataset[start:stop][self.column], self.name, start)


def _encode(values: Any, name: str, start: int) -> list[Encoded]:
    images = []
    for row, value in enumerate(values.to_pylist() if hasattr(values, "to_pylist") else values, start):
        image = as_encoded(value)
        if image is None:
            raise DataError(f"{name}: row {row} has no image")
        images.append(image)
    return images


class NumberedRows:
    """Rows of a data set in which the names of labels are replaced by class numbers."""

    def __init__(self, dataset: Any, label: str, labels: Labels | None, class_names: ClassNames) -> None:
        self.dataset, self.label, self.labels, self.classes = dataset, label, labels, class_names

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """Return a row."""
        return {**self.dataset[row], self.label: NO_LABEL if self.labels is None else int(self.labels[row])}
