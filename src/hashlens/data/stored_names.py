"""Stored names: what a data set of another library calls its classes."""

from collections.abc import Mapping
from typing import Any

from torch.utils.data import ConcatDataset, Subset

from hashlens.data.labels import ClassNames
from hashlens.errors import DataError

LABEL_KEYS = ("label", "labels")


def names_of_classes(dataset: Any, label: str | None = None) -> ClassNames:
    """Return the names of classes 0, 1, ... that a data set stores, or None if it has none.

    Data sets of torchvision store them as ``classes``. Those of Hugging Face store them in the ``features`` of the
    label column; `label` is the name of this column. The result is None if the data set has a ``target_transform``,
    since it may change the meaning of the label numbers. A ``ConcatDataset`` has the names of its parts if all have
    some.

    Raises
    ------
    DataError
        If a number is the name of one class in one part of a ``ConcatDataset``, and of another class in another part.
    """
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    if isinstance(dataset, ConcatDataset):
        return _names_of_parts([names_of_classes(part, label) for part in dataset.datasets])
    if getattr(dataset, "target_transform", None) is not None:
        return None
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        keys = LABEL_KEYS if label is None else (label,)
        names = getattr(next((features[key] for key in keys if key in features), None), "names", None)
    else:
        names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def _names_of_parts(parts: list[ClassNames]) -> ClassNames:
    named = [names for names in parts if names is not None]
    if len(named) < len(parts):
        return None
    longest = max(named, key=len)
    for names in named:
        for number, (name, other) in enumerate(zip(names, longest, strict=False)):
            if name != other:
                raise DataError(
                    f"ConcatDataset: class {number} is {name!r} in one part and {other!r} in another: give the parts "
                    "the same classes, or a target_transform that numbers them alike"
                )
    return longest
