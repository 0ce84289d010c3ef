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

from hashlens.data.dataset_ids import dataset_ids
from hashlens.data.examples import Batch
from hashlens.data.label_batches import LabelBatches
from hashlens.data.labels import NO_LABEL, ClassNames, Labels, is_missing, renumber
from hashlens.data.stored_class_names import LABEL_KEYS, names_of_classes
from hashlens.data.streamed import PASS_BATCH_SIZE, StreamedExamples
from hashlens.errors import DataError, HashlensError

_log = logging.getLogger("hashlens")


class _BatchedExamples(StreamedExamples):
    """Base class of examples whose labels come with the batches; the labels of each batch are renumbered."""

    _numbers: Labels | None = None

    def renumber_classes(self, numbers: Labels, class_names: ClassNames) -> Self:
        """Return the same examples with the classes renumbered."""
        renamed = super().renumber_classes(numbers, class_names)
        renamed._numbers = numbers if self._numbers is None else numbers[self._numbers]
        return renamed

    def _of_loader(self, loader: DataLoader[Any], ids: npt.NDArray[Any] | None) -> Iterator[Batch]:
        for batch in _batches(loader, ids, self.name):
            if self._numbers is None or batch.labels is None:
                yield batch
            else:
                numbers = renumber(batch.labels.numpy(), self._numbers)
                yield replace(batch, labels=torch.from_numpy(numbers))


class DatasetExamples(_BatchedExamples):
    """A map-style data set, in its own order.

    Ids are its indices, or the ids of the underlying data set or files. `labels` is None until a pass over the data has
    been completed, since labels are read with the batches.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        A data set, or any object with ``__len__`` and ``__getitem__``. Its items are tensors, tuples
        (inputs, label, ...) or dicts.
    loader : torch.utils.data.DataLoader, optional
        Its batch size, collate function and workers are used; its shuffling and ``drop_last`` are not.
    """

    def __init__(self, dataset: Any, loader: DataLoader[Any] | None = None) -> None:
        sized = hasattr(dataset, "__len__")
        if not sized or len(dataset) == 0:
            size = "no examples" if sized else "no length"
            raise DataError(f"{type(dataset).__name__}: the data set has {size}; expected __len__ and __getitem__")
        self.name = type(dataset).__name__
        self.labels = None
        self.ids = dataset_ids(dataset)
        self.class_names = names_of_classes(dataset)
        self._dataset = dataset
        self._settings = loader

    def _narrow(self, start: int, stop: int) -> Self:
        narrowed = type(self)(Subset(self._dataset, range(start, stop)), self._settings)
        narrowed.name, narrowed.ids = self.name, self.ids[start:stop]
        narrowed.class_names, narrowed._numbers = self.class_names, self._numbers
        return narrowed

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        loader: DataLoader[Any]
        if self._settings is None:
            loader = DataLoader(self._dataset, batch_size, collate_fn=_collate)
        else:
            own_collate = self._settings.collate_fn
            loader = DataLoader(
                self._dataset,
                self._settings.batch_size,
                num_workers=self._settings.num_workers,
                collate_fn=_collate if own_collate is default_collate else own_collate,
                timeout=self._settings.timeout,
                worker_init_fn=self._settings.worker_init_fn,
                multiprocessing_context=self._settings.multiprocessing_context,
                prefetch_factor=self._settings.prefetch_factor,
            )
        yield from self._of_loader(loader, self.ids)


class LoaderExamples(_BatchedExamples):
    """A loader with its own order of examples, used unchanged; ids are positions in the pass.

    `labels` is None until a pass over the data has been completed. If the number of examples is requested before then,
    a pass is made to count them.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.name = type(loader.dataset).__name__
        self.labels = None
        self.class_names = names_of_classes(loader.dataset)
        self._loader = loader
        _log.warning(
            "%s: the loader has a sampler of its own or an iterable data set; it is used unchanged: ids are "
            "positions, and examples that it drops, repeats or reorders stay dropped, repeated or reordered",
            self.name,
        )

    @cached_property
    def ids(self) -> npt.NDArray[Any]:  # type: ignore[override]
        """Positions in the pass, int64 ``(n,)``; a pass is made to count them."""
        return np.arange(sum(len(batch) for batch in self._pieces(PASS_BATCH_SIZE)))

    @property
    def known_length(self) -> int | None:
        """None: counting would cost a whole pass, and would exhaust a stream that can be read only once."""
        return None

    def _narrow(self, start: int, stop: int) -> Self:
        raise DataError(f"{self.name}: rows of a loader with its own order cannot be chosen; call .load() first")

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        yield from self._of_loader(self._loader, None)


def from_loader(loader: DataLoader[Any]) -> StreamedExamples:
    """Return the examples of a loader.

    They are in the order of the data set if the loader takes every row once, in order or shuffled by torch's own
    sampler; otherwise they are in the order of the loader.

    Raises
    ------
    DataError
        If the data set is empty.
    """
    if isinstance(loader.dataset, IterableDataset) or not _takes_every_row(loader):
        return LoaderExamples(loader)
    return DatasetExamples(loader.dataset, loader)


def _takes_every_row(loader: DataLoader[Any]) -> bool:
    """Return whether the loader takes each row of its data set once, in order or shuffled, ignoring ``drop_last``."""
    batches, sampler, dataset = loader.batch_sampler, loader.sampler, cast(Sized, loader.dataset)
    if type(batches) is not BatchSampler or batches.sampler is not sampler:
        return False
    if type(sampler) is SequentialSampler:
        return sampler.data_source is dataset
    if type(sampler) is RandomSampler:
        every_row = sampler.num_samples == len(sampler.data_source)
        return sampler.data_source is dataset and every_row and not sampler.replacement
    return False


def _batches(loader: DataLoader[Any], ids: npt.NDArray[Any] | None, name: str) -> Iterator[Batch]:
    start = 0
    label_batches = LabelBatches(name, None if ids is None else len(ids))
    for raw in _with_own_generator(loader, name):
        inputs, labels = _inputs_and_labels(raw)
        size = _size(inputs, raw, name)
        _check_images(raw, name)
        stop = start + size
        if labels is not None:
            labels = torch.from_numpy(label_batches.add(labels, f"{name}, rows {start} to {stop - 1}"))
            if len(labels) != size:
                raise DataError(f"{name}: a batch of {size} inputs has {len(labels)} labels, from row {start} on")
        if ids is not None and stop > len(ids):
            raise DataError(
                f"{name}: the first tensor of batches of {len(ids)} examples has {stop} rows or more: it "
                "must have one row for each example; put tensors of nodes or boxes after such a tensor"
            )
        yield Batch(inputs, labels, np.arange(start, stop) if ids is None else ids[start:stop], raw)
        start = stop
    label_batches.finish()


def _with_own_generator(loader: DataLoader[Any], name: str) -> Iterator[Any]:
    """Yield the loader's batches without changing torch's global generator.

    Loaders draw orders and seeds from this generator. Its state is restored after each batch. So every pass starts from
    the same state, and a loader that shuffles with this generator has the same order on every pass.
    """
    iterator: Iterator[Any] | None = None
    loader_state = torch.random.get_rng_state()
    while True:
        outer_state = torch.random.get_rng_state()
        torch.random.set_rng_state(loader_state)
        try:
            if iterator is None:
                iterator = iter(loader)
            raw = next(iterator)
        except StopIteration:
            return
        except HashlensError:
            raise
        except Exception as error:  # any exception that a user's data set raises
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise DataError(
                f"{name} cannot be read: {reason}; fix the data set, or give a DataLoader with a collate_fn"
            ) from error
        finally:
            loader_state = torch.random.get_rng_state()
            torch.random.set_rng_state(outer_state)
        yield raw


def _collate(samples: list[Any]) -> Any:
    """Collate a batch by torch's default, with -1 for each missing label, since torch rejects None."""
    return default_collate([_with_label_number(sample) for sample in samples])


def _with_label_number(sample: Any) -> Any:
    if isinstance(sample, tuple | list) and len(sample) > 1 and is_missing(sample[1]):
        return (sample[0], NO_LABEL, *sample[2:])
    if isinstance(sample, Mapping):
        missing = {key: NO_LABEL for key in LABEL_KEYS if key in sample and is_missing(sample[key])}
        return {**sample, **missing} if missing else sample
    return sample


def _inputs_and_labels(raw: Any) -> tuple[Any, Any]:
    """Return the inputs and labels of a batch in one of the common layouts: dict, tuple or list, or inputs alone."""
    if isinstance(raw, Mapping):
        inputs = {key: value for key, value in raw.items() if key not in LABEL_KEYS}
        return inputs, next((raw[key] for key in LABEL_KEYS if key in raw), None)
    if isinstance(raw, list | tuple):
        second = raw[1] if len(raw) > 1 else None
        # The targets of a detector (boxes and more) are not class labels.
        targets = isinstance(second, list | tuple) and all(isinstance(item, Mapping) for item in second)
        return raw[0], None if targets else second
    return raw, None


def _check_images(raw: Any, name: str) -> None:
    """Raise DataError for a batch that is a list of images: the second image would be read as the labels."""
    if not isinstance(raw, list | tuple) or len(raw) < 2:
        return
    if all(isinstance(part, torch.Tensor) and part.ndim > 2 for part in raw):
        raise DataError(
            f"{name}: a batch is a list of {len(raw)} tensors, and the second, of shape {tuple(raw[1].shape)}, "
            "holds no labels, which are (n,): give a list of images with targets, (images, targets), several inputs "
            "or maps of labels in a dict"
        )


def _size(inputs: Any, raw: Any, name: str) -> int:
    """Return the number of examples in a batch: the length of its first tensor, or of its list of images."""
    if isinstance(raw, list | tuple) and len(raw) > 1 and isinstance(inputs, list | tuple):
        second = raw[1]
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
