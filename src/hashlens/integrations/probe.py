"""Probe: a fixed sample of labelled examples in memory, on which a network is read repeatedly."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Subset

from hashlens.codes.encode import batch_labels
from hashlens.data.digest import ExamplesDigest
from hashlens.data.examples import ArrayExamples, Batch, Examples
from hashlens.data.labels import ClassNames, Labels, fitting_names, renumber
from hashlens.data.loader import DatasetExamples
from hashlens.data.sources import load_data
from hashlens.errors import DataError, MeasureError
from hashlens.measurement.run import number_classes_alike
from hashlens.measures.classes import Classes
from hashlens.measures.knn import check_k
from hashlens.result import Split

RUNS = 100
"""Largest number of runs of examples read from a streamed source: each may need to open a file."""

DECODED_BYTES = 1 << 26
"""Largest size in bytes of images that are stored as floats instead of uint8."""


class KeptExamples(Examples):
    """Batches of a user's own data set or loader, stored unchanged."""

    def __init__(self, batches: Sequence[Batch], name: str, class_names: ClassNames = None) -> None:
        labels = [batch_labels(batch) for batch in batches]
        known = [part for part in labels if part is not None]
        self.name = name
        self.labels = np.concatenate(known) if known and len(known) == len(labels) else None
        self.class_names = fitting_names(self.labels, class_names)
        self.ids = np.concatenate([batch.ids for batch in batches]) if batches else np.arange(0)
        self._batches = tuple(batches)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the batches in their original size."""
        yield from self._batches

    def renumber_classes(self, numbers: Labels, class_names: ClassNames) -> "KeptExamples":
        """Return the same batches in another numbering of the classes."""
        batches = [
            batch
            if (labels := batch_labels(batch)) is None
            else replace(batch, labels=torch.from_numpy(renumber(labels, numbers)))
            for batch in self._batches
        ]
        return KeptExamples(batches, self.name, class_names)

    def _narrow(self, start: int, stop: int) -> NoReturn:
        raise DataError(f"{self.name}: rows of kept batches cannot be chosen")

    def load(self) -> ArrayExamples:
        """Return the same examples in one array; their inputs must be tensors of equal shape."""
        inputs = [batch.inputs for batch in self._batches]
        shapes = {part.shape[1:] if isinstance(part, torch.Tensor) else type(part).__name__ for part in inputs}
        if len(shapes) != 1 or not isinstance(inputs[0], torch.Tensor):
            raise DataError(f"{self.name}: its inputs are not tensors of one shape, so they do not fit into one array")
        return ArrayExamples(torch.cat(inputs), self.labels, self.ids, self.name, self.class_names)

    def digest(self) -> str:
        """Return a digest of all inputs and labels, as 32 hexadecimal digits."""
        digest = ExamplesDigest()
        for batch in self._batches:
            digest.add(batch.inputs)
        return digest.finish(1.0, self.labels)


class Probe(Examples):
    """Train and test examples one after another, read in one pass; no batch mixes the two.

    Attributes
    ----------
    parts : Split of Examples
        The examples of train and test; :func:`hashlens.measure` of them gives the numbers of a reading.
    """

    def __init__(self, parts: Split[Examples]) -> None:
        self.parts = parts
        self.name = f"{parts.train.name} and {parts.test.name}"
        self.labels, self.class_names = None, parts.train.class_names
        self.ids = np.arange(len(parts.train) + len(parts.test))

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the batches of train, then those of test."""
        start = 0
        for batch in chain(self.parts.train.batches(batch_size), self.parts.test.batches(batch_size)):
            yield replace(batch, ids=self.ids[start : start + len(batch)])
            start += len(batch)

    def renumber_classes(self, numbers: Labels, class_names: ClassNames) -> "Probe":
        """Return the same examples in another numbering of the classes."""
        return Probe(
            Split(*(part.renumber_classes(numbers, class_names) for part in (self.parts.train, self.parts.test)))
        )

    def _narrow(self, start: int, stop: int) -> NoReturn:
        raise DataError(f"{self.name}: take rows of its parts")

    def load(self) -> ArrayExamples:
        """Return all examples in one array."""
        return _join([self.parts.train.load(), self.parts.test.load()])

    def digest(self) -> str:
        """Return the digest of each part, as 32 hexadecimal digits each."""
        return self.parts.train.digest() + self.parts.test.digest()


def load_probe(train: Any, test: Any, probe_size: Any, batch_size: int, k: int) -> Probe:
    """Return the probe from two sources, in memory.

    Parameters
    ----------
    train, test : str, Examples, pair, Dataset or DataLoader
        Sources, in any form that :func:`hashlens.load_data` takes.
    probe_size : pair of int, or None
        Largest number of examples of each; None keeps all.
    batch_size : int
        Number of examples per batch, for data sets that do not come in batches.
    k : int
        Number of neighbours of K-NN.

    Raises
    ------
    MeasureError
        If there are no labels, only one class, or fewer train examples than `k`.
    DataError
        If a source cannot be read.
    """
    sizes = _sizes(probe_size)
    parts = number_classes_alike(Split(_sample(train, sizes.train, batch_size), _sample(test, sizes.test, batch_size)))
    check_k(k, len(parts.train))
    Classes.of(np.asarray(parts.train.labels), f"the train probe ({parts.train.name})")
    return Probe(parts)


def _sizes(probe_size: Any) -> Split[int | None]:
    if probe_size is None:
        return Split(None, None)
    pair = tuple(probe_size) if isinstance(probe_size, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(size, int | np.integer) and size >= 1 for size in pair):
        raise MeasureError(
            "probe_size is a pair, the numbers of train and test examples to keep, each at least 1, or None "
            f"for all; received {probe_size!r}"
        )
    return Split(*pair)


def _sample(source: Any, size: int | None, batch_size: int) -> Examples:
    """Return at most `size` examples, evenly spaced, in memory."""
    examples = load_data(source)
    known = examples.known_length
    if known is None:
        return _first_batches(examples, size, batch_size)
    rows = np.arange(known) if size is None or known <= size else np.arange(size) * known // size
    if isinstance(examples, DatasetExamples):
        if len(rows) < known and not isinstance(source, Examples):
            examples = _dataset_rows(source, rows, examples.name)
        elif len(rows) < known:
            return KeptExamples([batch for part in _runs(examples, len(rows)) for batch in part.batches(batch_size)],
                                examples.name, examples.class_names)  # fmt: skip
        return KeptExamples(list(examples.batches(batch_size)), examples.name, examples.class_names)
    if isinstance(examples, ArrayExamples):
        return _as_floats(examples.select(rows) if len(rows) < known else examples)
    if len(rows) == known:
        return _as_floats(examples.load())
    return _as_floats(_join([part.load() for part in _runs(examples, len(rows))]))


def _dataset_rows(source: Any, rows: npt.NDArray[np.int64], name: str) -> DatasetExamples:
    """Return some rows of a user's data set, batched by its loader's settings."""
    loader = source if isinstance(source, DataLoader) else None
    chosen = DatasetExamples(Subset(loader.dataset if loader is not None else source, rows.tolist()), loader)
    chosen.name, chosen.ids = name, rows
    return chosen


def _first_batches(examples: Examples, size: int | None, batch_size: int) -> KeptExamples:
    """Return the first batches of a stream, up to `size` examples."""
    kept, count = list[Batch](), 0
    for batch in examples.batches(batch_size):
        kept.append(batch)
        count += len(batch)
        if size is not None and count >= size:
            break
    return KeptExamples(kept, examples.name, examples.class_names)


def _runs(examples: Examples, size: int) -> list[Examples]:
    """Return `size` examples in evenly spaced runs of consecutive examples."""
    count, total = min(RUNS, size), len(examples)
    ends = np.arange(count + 1) * size // count
    starts = np.arange(count) * total // count
    return [examples.narrow(int(start), int(start + long)) for start, long in zip(starts, np.diff(ends), strict=True)]


def _join(parts: Sequence[ArrayExamples]) -> ArrayExamples:
    labels = [part.labels for part in parts if part.labels is not None]
    return replace(
        parts[0],
        inputs=torch.cat([part.inputs for part in parts]),
        labels=np.concatenate(labels) if labels else None,
        ids=np.concatenate([part.ids for part in parts]),
    )


def _as_floats(examples: ArrayExamples) -> ArrayExamples:
    """Return images converted to floats, unless they are too large."""
    if examples.scale == 1.0 or 4 * examples.inputs.numel() > DECODED_BYTES:
        return examples
    return replace(examples, inputs=examples.tensor(), scale=1.0)
