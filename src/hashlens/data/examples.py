"""Examples: the form of every data source, in memory or streamed batch by batch."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.digest import ExamplesDigest
from hashlens.data.labels import ClassNames, Labels, renumbered
from hashlens.errors import DataError

Rows = slice | Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Some consecutive examples, ready for a network.

    Attributes
    ----------
    inputs : Any
        The argument of the network; a tensor ``(b, ...)`` for all sources but a user's own loader.
    labels : torch.Tensor or None
        int64 ``(b,)``.
    ids : numpy.ndarray
        int64 or str ``(b,)``.
    raw : Any
        The batch as the source gave it: what ``forward=`` receives.
    """

    inputs: Any
    labels: torch.Tensor | None
    ids: npt.NDArray[Any]
    raw: Any

    def __len__(self) -> int:
        return len(self.ids)


class Examples(ABC):
    """n examples in a fixed order, with labels and ids where they are known.

    Attributes
    ----------
    name : str
        The string that names the source, for provenance.
    labels : numpy.ndarray or None
        int64 ``(n,)``, -1 for an example without a label; None when there are none or when they come with the batches
        only.
    ids : numpy.ndarray
        int64 or str ``(n,)``: the row in the source, or the file.
    class_names : tuple of str, or None
        Name of class 0, 1, ...
    """

    name: str
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    class_names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def known_length(self) -> int | None:
        """The number of examples; None if only a pass over them would show it."""
        return len(self)

    def narrow(self, start: int | None = None, stop: int | None = None) -> Self:
        """Return examples `start` to `stop`, as a Python slice does, without reading or copying.

        Raises
        ------
        DataError
            When there are none.
        """
        rows = range(len(self))[start:stop]
        if not rows:
            ends = ":".join("" if end is None else str(end) for end in (start, stop))
            raise DataError(f"{self.name}: rows [{ends}] are none of its {len(self)} examples")
        return self._narrow(rows.start, rows.stop)

    @abstractmethod
    def _narrow(self, start: int, stop: int) -> Self:
        """Return examples ``0 <= start < stop <= n``."""

    def numbered(self, numbers: Labels, class_names: ClassNames) -> Self:
        """Return the same examples with class i called ``class_names[places[i]]``, and numbered ``places[i]``."""
        renamed = copy.copy(self)
        # Some are frozen, and some take their digest along, which labels are part of.
        for name, value in (
            ("labels", None if self.labels is None else renumbered(self.labels, numbers)),
            ("class_names", class_names),
            ("_digest", None),
        ):
            object.__setattr__(renamed, name, value)
        return renamed

    @abstractmethod
    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield all examples in order, `batch_size` at a time; the last batch may be smaller, and is never dropped."""

    @abstractmethod
    def load(self) -> "ArrayExamples":
        """Return the same examples, decoded and whole in memory."""

    @abstractmethod
    def digest(self) -> str:
        """Return 32 hex digits that change when an input or a label changes."""


@dataclass(frozen=True, eq=False)
class ArrayExamples(Examples):
    """Examples whole in memory.

    Attributes
    ----------
    inputs : torch.Tensor
        ``(n, ...)``, any dtype; images are kept as uint8 ``(n, c, h, w)``.
    scale : float
        uint8 and other inputs are multiplied by it, as float32, when a batch is made; 1 leaves them as they are, dtype
        included. Images use 1/255.
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
        """Return the inputs of `rows` as a network takes them, scaled, ``(k, ...)``."""
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
        """Return the examples themselves."""
        return self

    def _narrow(self, start: int, stop: int) -> "ArrayExamples":
        return replace(
            self,
            inputs=self.inputs[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
            ids=self.ids[start:stop],
        )

    def select(self, rows: Rows) -> "ArrayExamples":
        """Return the examples of `rows`, in that order, with their ids."""
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
