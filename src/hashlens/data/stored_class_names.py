"""The class names that a data set of another library stores."""

from collections.abc import Mapping
from typing import Any

from torch.utils.data import ConcatDataset, Subset

from hashlens.data.labels import ClassNames
from hashlens.errors import DataError

LABEL_KEYS = ("label", "labels")
"""Names of the label in examples that are dicts, and of the label column of Hugging Face; tried in this order."""


def names_of_classes(dataset: Any, label: str | None = None) -> ClassNames:
    """Return the names of classes 0, 1, ... that a data set stores, or None if it has none.

    Data sets of torchvision store them as ``classes``. Those of Hugging Face store them in ``features``, in the entry
    for the label column; `label` is the name of this column, by default one of :data:`LABEL_KEYS`. The result is None
    if the data set has a ``target_transform``, since it may change the meaning of the label numbers. A ``Subset`` has
    the names of its data set. A ``ConcatDataset`` has names if every part has names: the longest list of a part.

    Raises
    ------
    DataError
        If two parts of a ``ConcatDataset`` have different names for the same class number.
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
        label_feature = next((features[key] for key in keys if key in features), None)
        names = getattr(label_feature, "names", None)
    else:
        names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def _names_of_parts(parts: list[ClassNames]) -> ClassNames:
    """Return the longest list of names, which must begin with each of the others; None if a part has no names."""
    name_lists = [names for names in parts if names is not None]
    if len(name_lists) < len(parts):
        return None
    longest = max(name_lists, key=len)
    for names in name_lists:
        for number, (name, other) in enumerate(zip(names, longest, strict=False)):
            if name != other:
                raise DataError(
                    f"ConcatDataset: class {number} is {name!r} in one part and {other!r} in another: give the parts "
                    "the same classes, or a target_transform by which a class has the same number in all parts"
                )
    return longest
