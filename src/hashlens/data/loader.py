"""A user's own torch data set or loader."""

import logging
from collections.abc import Iterator, Mapping, Sized
from dataclasses import replace
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    default_collate,
)

from hashlens.data.examples import Batch
from hashlens.data.labels import NO_LABEL, ClassNames, Labels, class_labels, is_missing, renumbered
from hashlens.data.streamed import PASS_BATCH_SIZE, StreamedExamples
from hashlens.data.traced import traced_ids
from hashlens.errors import DataError, HashlensError

LABEL_KEYS = ("label", "labels")

_log = logging.getLogger("hashlens")


class DatasetExamples(StreamedExamples):
    """A map-style data set, in its own order; ids are its indices, or those of the data set or files underneath.

    `labels` is None until a pass has been completed, since labels come with the batches.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Or anything with a length and indices; gives tensors, tuples (inputs, label, ...) or dicts.
    loader : torch.utils.data.DataLoader, optional
        Where batch size, collate function and workers are taken from; its shuffling and ``drop_last`` are not.
    """

    def __init__(self, dataset: Any, loader: DataLoader[Any] | None = None) -> None:
        sized = hasattr(dataset, "__len__")
        if not sized or len(dataset) == 0:
            size = "no examples" if sized else "no length"
            raise DataError(f"{type(dataset).__name__}: the data set has {size}; expected __len__ and __getitem__")
        self.name = type(dataset).__name__
        self.labels = None
        self.ids = traced_ids(dataset)
        self.class_names = names_of_classes(dataset)
        self._dataset = dataset
        self._given = loader
        self._places: Labels | None = None

    def _narrow(self, start: int, stop: int) -> Self:
        narrowed = type(self)(Subset(self._dataset, range(start, stop)), self._given)
        narrowed.name, narrowed.ids = self.name, self.ids[start:stop]
        narrowed.class_names, narrowed._places = self.class_names, self._places
        return narrowed

    def numbered(self, places: Labels, class_names: ClassNames) -> Self:
        """Return the same examples in another numbering of the classes."""
        other = super().numbered(places, class_names)
        other._places = places if self._places is None else places[self._places]
        return other

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        loader: DataLoader[Any]
        if self._given is None:
            loader = DataLoader(self._dataset, batch_size, collate_fn=_collated)
        else:
            loader = DataLoader(
                self._dataset,
                self._given.batch_size,
                num_workers=self._given.num_workers,
                collate_fn=self._given.collate_fn,
                timeout=self._given.timeout,
                worker_init_fn=self._given.worker_init_fn,
                multiprocessing_context=self._given.multiprocessing_context,
                prefetch_factor=self._given.prefetch_factor,
            )
        for batch in _batches(loader, self.ids, self.name):
            if self._places is None or batch.labels is None:
                yield batch
            else:
                numbers = renumbered(batch.labels.numpy(), self._places)
                yield replace(batch, labels=torch.from_numpy(numbers))


class LoaderExamples(StreamedExamples):
    """A loader with an order of its own, used as it is; ids are positions in the pass.

    `labels` is None until a pass has been completed, and the number of examples costs a pass where it is asked for
    before one.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.name = type(loader.dataset).__name__
        self.labels = None
        self.class_names = None
        self._loader = loader
        _log.warning(
            "%s: the loader has a sampler of its own or an iterable data set; it is used as it is, ids are positions, "
            "and examples that it drops, repeats or reorders on another pass stay so",
            self.name,
        )

    @cached_property
    def ids(self) -> npt.NDArray[Any]:  # type: ignore[override]
        """Positions in the pass, int64 ``(n,)``; a pass is made to count them."""
        return np.arange(sum(len(batch) for batch in self._pieces(PASS_BATCH_SIZE)))

    @property
    def known_length(self) -> int | None:
        """None: a pass that only counts would cost as much as the one to come, and exhaust a stream that runs once."""
        return None

    def _narrow(self, start: int, stop: int) -> Self:
        raise DataError(f"{self.name}: rows of a loader with its own order cannot be chosen; call .load() first")

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        yield from _batches(self._loader, None, self.name)


def names_of_classes(dataset: Any, label: str | None = None) -> ClassNames:
    """Return the names of classes 0, 1, ... that a data set carries, None where it carries none.

    Data sets of torchvision have them as ``classes``, those of Hugging Face in the ``features`` of their column of
    labels, called `label`.
    Nothing is taken where labels pass through a ``target_transform``, since numbers may mean something else after it.
    """
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
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


def from_loader(loader: DataLoader[Any]) -> StreamedExamples:
    """Return the examples of a loader: in the order of the data set where the sampler is an ordinary one.

    Raises
    ------
    DataError
        When the data set is empty.
    """
    if isinstance(loader.dataset, IterableDataset) or not _takes_every_row(loader):
        return LoaderExamples(loader)
    return DatasetExamples(loader.dataset, loader)


def _takes_every_row(loader: DataLoader[Any]) -> bool:
    """Say whether the loader takes each row of its data set once, in order or shuffled, but for ``drop_last``."""
    batches, sampler, dataset = loader.batch_sampler, loader.sampler, cast(Sized, loader.dataset)
    if type(batches) is not BatchSampler or batches.sampler is not sampler:
        return False
    if type(sampler) is SequentialSampler:
        return sampler.data_source is dataset
    if type(sampler) is RandomSampler:
        whole = sampler.num_samples == len(sampler.data_source)
        return sampler.data_source is dataset and whole and not sampler.replacement
    return False


def _batches(loader: DataLoader[Any], ids: npt.NDArray[Any] | None, name: str) -> Iterator[Batch]:
    start = 0
    for given in _apart(loader, name):
        inputs, labels = _parted(given)
        size = _size(inputs, given, name)
        _check_images(given, name)
        stop = start + size
        if labels is not None:
            where = f"{name}, rows {start} to {stop - 1}"
            codes, class_names = class_labels(labels, where, whole=False)
            # Each batch would number its own names.
            if class_names:
                raise DataError(f"{where}: labels are names, as {class_names[0]!r}; number the classes in the data set")
            labels = torch.from_numpy(codes)
            if len(labels) != size:
                raise DataError(f"{name}: a batch of {size} inputs has {len(labels)} labels, from row {start} on")
        if ids is not None and stop > len(ids):
            raise DataError(
                f"{name}: batches of {len(ids)} examples have {stop} rows or more, by their first tensor: it must have "
                "one row for each example, so that nodes of graphs, boxes and the like come behind a tensor that has"
            )
        yield Batch(inputs, labels, np.arange(start, stop) if ids is None else ids[start:stop], given)
        start = stop


def _apart(loader: DataLoader[Any], name: str) -> Iterator[Any]:
    """Yield the loader's batches and leave torch's global generator as it is, which loaders draw orders and seeds from.

    So every pass starts from the same state, too, and a loader that shuffles by it comes in one order.
    """
    iterator: Iterator[Any] | None = None
    theirs = torch.random.get_rng_state()
    while True:
        ours = torch.random.get_rng_state()
        torch.random.set_rng_state(theirs)
        try:
            if iterator is None:
                iterator = iter(loader)
            given = next(iterator)
        except StopIteration:
            return
        except HashlensError:
            raise
        except Exception as error:  # whatever a user's data set raises
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise DataError(
                f"{name} cannot be read: {reason}; mend the data set, or give a DataLoader with a collate_fn"
            ) from error
        finally:
            theirs = torch.random.get_rng_state()
            torch.random.set_rng_state(ours)
        yield given


def _collated(samples: list[Any]) -> Any:
    """Return a batch as torch puts it together by default, with -1 where a label is None, which torch refuses."""
    return default_collate([_with_number(sample) for sample in samples])


def _with_number(sample: Any) -> Any:
    if isinstance(sample, tuple | list) and len(sample) > 1 and is_missing(sample[1]):
        return (sample[0], NO_LABEL, *sample[2:])
    if isinstance(sample, Mapping):
        missing = {key: NO_LABEL for key in LABEL_KEYS if key in sample and is_missing(sample[key])}
        return {**sample, **missing} if missing else sample
    return sample


def _parted(given: Any) -> tuple[Any, Any]:
    """Return inputs and labels of a batch, as the common layouts have them."""
    if isinstance(given, Mapping):
        inputs = {key: value for key, value in given.items() if key not in LABEL_KEYS}
        return inputs, next((given[key] for key in LABEL_KEYS if key in given), None)
    if isinstance(given, list | tuple):
        second = given[1] if len(given) > 1 else None
        # The targets of a detector, boxes and more, are no classes.
        targets = isinstance(second, list | tuple) and all(isinstance(each, Mapping) for each in second)
        return given[0], None if targets else second
    return given, None


def _check_images(given: Any, name: str) -> None:
    """Raise DataError for a list of images, of which the second would be taken for the labels of the first."""
    if not isinstance(given, list | tuple) or len(given) < 2:
        return
    if all(isinstance(part, torch.Tensor) and part.ndim > 2 for part in given):
        raise DataError(
            f"{name}: a batch is a list of {len(given)} tensors, and the second, of shape {tuple(given[1].shape)}, "
            "holds no labels, which are (n,): give a list of images with targets, (images, targets), several inputs "
            "or maps of labels in a dict"
        )


def _size(inputs: Any, given: Any, name: str) -> int:
    """Return how many examples a batch has: the length of its first tensor, or of a list with an image for each."""
    if isinstance(given, list | tuple) and len(given) > 1 and isinstance(inputs, list | tuple):
        second = given[1]
        if isinstance(second, list | tuple) and 0 < len(inputs) == len(second):
            return len(inputs)
    if isinstance(inputs, torch.Tensor) and inputs.ndim:
        return len(inputs)
    parts = list(inputs.values()) if isinstance(inputs, Mapping) else inputs if isinstance(inputs, list | tuple) else []
    for part in parts:
        if isinstance(part, torch.Tensor) and part.ndim:
            return len(part)
    raise DataError(
        f"{name}: a batch has inputs of type {type(inputs).__name__}; "
        "expected a tensor (b, ...), or a dict or list with one, optionally in a tuple (inputs, labels, ...)"
    )
