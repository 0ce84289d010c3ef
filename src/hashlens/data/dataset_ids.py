"""Ids of torch data sets: file names, or row numbers of the underlying data set, through subsets and joins."""

from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from torch.utils.data import ConcatDataset, Subset

Ids = npt.NDArray[Any]


def dataset_ids(dataset: Any) -> Ids:
    """Return the ids of a map-style data set.

    Data sets of files (those of torchvision with ``samples`` and ``root``) have file names relative to their root; all
    others have their indices. A ``Subset`` has the ids of its data set. A ``ConcatDataset`` has the ids of its parts if
    they are unique: different files, or different rows of one data set. Otherwise it has its own indices; if a part is
    a subset, it has ``"part:id"`` instead, since its own indices would not identify the rows.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        A data set, or any object with a length and indices.

    Returns
    -------
    numpy.ndarray
        int64 or str ``(n,)``: the ids.

    >>> dataset_ids(Subset(Subset("abcdef", [5, 3, 1]), [2, 0])).tolist()
    [1, 5]
    >>> dataset_ids(ConcatDataset([Subset("abc", [2]), Subset("def", [2, 1])])).tolist()
    ['0:2', '1:2', '1:1']
    """
    if isinstance(dataset, Subset):
        return dataset_ids(dataset.dataset)[np.asarray(dataset.indices, np.int64)]
    if isinstance(dataset, ConcatDataset):
        return _joined_ids(dataset)
    files = _files(dataset)
    return np.arange(len(cast(Sized, dataset))) if files is None else files


def _joined_ids(dataset: "ConcatDataset[Any]") -> Ids:
    parts = [dataset_ids(part) for part in dataset.datasets]
    kinds = {ids.dtype.kind for ids in parts}
    single_source = len({id(_base_dataset(part)) for part in dataset.datasets}) == 1
    if kinds == {"U"} or (single_source and len(kinds) == 1):
        joined = np.concatenate(parts)
        if len(np.unique(joined)) == len(joined):
            return joined
    if not any(isinstance(part, Subset | ConcatDataset) for part in dataset.datasets):
        return np.arange(len(dataset))
    return np.array([f"{part}:{identity}" for part, ids in enumerate(parts) for identity in ids.tolist()])


def _base_dataset(dataset: Any) -> Any:
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


def _files(dataset: Any) -> Ids | None:
    """Return the files of a data set like torchvision's folders; None if it is not a data set of files."""
    samples, root = getattr(dataset, "samples", None), getattr(dataset, "root", None)
    if not isinstance(samples, list) or not isinstance(root, str | Path) or len(samples) != len(dataset):
        return None
    if not all(isinstance(sample, tuple) and sample and isinstance(sample[0], str) for sample in samples):
        return None
    paths = [Path(sample[0]) for sample in samples]
    return np.array([(path.relative_to(root) if path.is_relative_to(root) else path).as_posix() for path in paths])
