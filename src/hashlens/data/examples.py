"""Examples: the common interface of all data sources, in memory or streamed batch by batch."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.digest import ExamplesDigest
from hashlens.data.labels import ClassNames, Labels, renumber
from hashlens.errors import DataError

Rows = slice | Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Batch of b consecutive examples, ready for a network.

    Attributes
    ----------
    inputs : Any
        Argument of the network: a tensor ``(b, ...)`` for all sources except a user's own loader.
    labels : torch.Tensor or None
        int64 ``(b,)``: class numbers; None if there are none.
    ids : numpy.ndarray
        int64 or str ``(b,)``: identifiers of the examples.
    raw : Any
        What ``forward=`` receives: the unchanged batch of a user's loader; for other sources the same as `inputs`.
    """

    inputs: Any
    labels: torch.Tensor | None
    ids: npt.NDArray[Any]
    raw: Any

    def __len__(self) -> int:
        return len(self.ids)


class Examples(ABC):
    """n examples in a fixed order, with labels and identifiers.

    Attributes
    ----------
    name : str
        Name of the source, for provenance.
    labels : numpy.ndarray or None
        int64 ``(n,)``: class numbers, -1 for an example without a label. None if there are no labels, or if they are
        only known with the batches.
    ids : numpy.ndarray
        int64 or str ``(n,)``: row number in the source, or name of the file.
    class_names : tuple of str, or None
        Names of classes 0, 1, ...
    """

    name: str
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    class_names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def known_length(self) -> int | None:
        """Number of examples; None if finding it needs a pass over the data."""
        return len(self)

    def narrow(self, start: int | None = None, stop: int | None = None) -> Self:
        """Return examples `start` to `stop`, as in a Python slice, without reading or copying.

        Raises
        ------
        DataError
            If the range is empty.
        """
        rows = range(len(self))[start:stop]
        if not rows:
            ends = ":".join("" if end is None else str(end) for end in (start, stop))
            raise DataError(f"{self.name}: rows [{ends}] are outside its {len(self)} examples")
        return self._narrow(rows.start, rows.stop)

    @abstractmethod
    def _narrow(self, start: int, stop: int) -> Self:
        """Return examples ``0 <= start < stop <= n``."""

    def renumber_classes(self, numbers: Labels, class_names: ClassNames) -> Self:
        """Return the same examples with class i numbered ``numbers[i]``, and `class_names` in the new numbering."""
        renamed = copy.copy(self)
        # Some classes are frozen, and some store a digest; it depends on the labels and must be computed again.
        for name, value in (
            ("labels", None if self.labels is None else renumber(self.labels, numbers)),
            ("class_names", class_names),
            ("_digest", None),
        ):
            object.__setattr__(renamed, name, value)
        return renamed

    @abstractmethod
    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield all examples in order in batches of `batch_size`; the last batch may be smaller."""

    @abstractmethod
    def load(self) -> "ArrayExamples":
        """Return the same examples, decoded and loaded into memory."""

    @abstractmethod
    def digest(self) -> str:
        """Return a digest of all inputs and labels, as 32 hexadecimal digits."""


@dataclass(frozen=True, eq=False)
class ArrayExamples(Examples):
    """Examples in memory.

    Attributes
    ----------
    inputs : torch.Tensor
        ``(n, ...)``, any dtype: inputs; images are stored as uint8 ``(n, c, h, w)``.
    scale : float
        Factor of the inputs, applied in float32 when a batch is made; 1 leaves values and dtype unchanged. For images
        it is 1/255.
    name, labels, ids, class_names
        As in :class:`Examples`.
    """

    inputs: torch.Tensor
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    name: str = "arrays"
    class_names: tuple[str, ...] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        for field, array in (("labels", self.labels), ("ids", self.ids)):
            if array is not None and array.shape != (len(self.inputs),):
                raise DataError(
                    f"{self.name}: {field} must have one entry for each of the {len(self.inputs)} inputs, "
                    f"received shape {tuple(array.shape)}"
                )

    def tensor(self, rows: Rows = slice(None)) -> torch.Tensor:
        """Return the scaled inputs of `rows`, ``(k, ...)``."""
        chosen = self.inputs[rows]
        return chosen if self.scale == 1.0 else chosen.to(torch.float32).mul_(self.scale)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield all examples in order, scaled."""
        for start in range(0, len(self), batch_size):
            rows = slice(start, start + batch_size)
            inputs = self.tensor(rows)
            labels = None if self.labels is None else torch.from_numpy(self.labels[rows])
            yield Batch(inputs, labels, self.ids[rows], inputs)

    def load(self) -> "ArrayExamples":
        """Return these examples, which are in memory already."""
        return self

    def _narrow(self, start: int, stop: int) -> "ArrayExamples":
        return replace(
            self,
            inputs=self.inputs[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            ids=self.ids[start:stop],
        )

    def select(self, rows: Rows) -> "ArrayExamples":
        """Return the examples `rows`, in that order, with their identifiers."""
        index = np.arange(len(self))[rows]
        return replace(
            self,
            inputs=self.inputs[torch.from_numpy(index)],
            labels=None if self.labels is None else self.labels[index],
            ids=self.ids[index],
        )

    def digest(self) -> str:
        """Return xxh3-128 of inputs, scale and labels."""
        digest = ExamplesDigest()
        digest.add(self.inputs)
        return digest.finish(self.scale, self.labels)
