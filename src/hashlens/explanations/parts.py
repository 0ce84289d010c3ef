"""Parts of an input that stay or are replaced.

A part is a superpixel of an image or spectrogram, a stretch of time of a channel of a signal, a column of a table, or a
word of a text. What replaces it is its mean or what a background has there, the value of a background row, or nothing.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
Tensor = torch.Tensor
QUARTERS = (0.25, 0.5, 0.75)


class Parts(Protocol):
    """What can be replaced in one example."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the d parts."""

    @property
    def replacements(self) -> int:
        """How many backgrounds there are to replace parts from."""

    def inputs(self, present: Array, replaced_by: Array) -> Any:
        """Return inputs: parts where ``present (n, d)`` as they are, others from background ``replaced_by (n,)``."""

    def described(self, present: Array, replaced_by: Array) -> Array:
        """Return ``(n, d)`` float64: what a linear model of the network is fitted on."""

    def alike(self, present: Array, replaced_by: Array) -> Array:
        """Return ``(n, d)`` bool: which parts are like the example's own."""

    def distance(self, present: Array, replaced_by: Array) -> Array:
        """Return ``(n,)``: how far each input is from the example."""

    @property
    def worth(self) -> Array:
        """``(d,)``: what a weight of one of the linear model counts for at the example."""

    @property
    def kernel_width(self) -> float:
        """The distance over which inputs lose weight, by default."""


class Masked:
    """Parts that are there or not."""

    names: tuple[str, ...]
    kernel_width = 0.25

    def described(self, present: Array, replaced_by: Array) -> Array:
        """Return 1 where a part is there."""
        return present.astype(np.float64)

    def alike(self, present: Array, replaced_by: Array) -> Array:
        """Return where a part is there."""
        return present

    def distance(self, present: Array, replaced_by: Array) -> Array:
        """Return the cosine distance of the mask from all parts."""
        distance: Array = 1 - np.sqrt(present.mean(axis=1))
        return distance

    @property
    def worth(self) -> Array:
        """Return ones."""
        return np.ones(len(self.names))


@dataclass(frozen=True, eq=False)
class Segments(Masked):
    """Segments of an example ``(c, h, w)``, ``(h, w)``, ``(c, l)`` or ``(l,)``, and the examples that replace them.

    ``segments`` has the axes of the example, or those behind its first where channels go together.
    """

    image: Tensor
    segments: Array
    backgrounds: Tensor
    names: tuple[str, ...]

    @property
    def replacements(self) -> int:
        """Count backgrounds."""
        return len(self.backgrounds)

    def inputs(self, present: Array, replaced_by: Array) -> Tensor:
        """Return examples ``(n, ...)``."""
        stays = torch.as_tensor(present[:, self.segments], device=self.image.device)
        stays = stays if stays.dim() > self.image.dim() else stays[:, None]
        return torch.where(stays, self.image, self.backgrounds[torch.as_tensor(replaced_by)])


@dataclass(frozen=True, eq=False)
class Words(Masked):
    """The distinct words of a text; a word goes wherever it stands."""

    text: str
    names: tuple[str, ...]
    places: tuple[tuple[int, int, int], ...]
    replacements: int = 1

    def inputs(self, present: Array, replaced_by: Array) -> list[str]:
        """Return texts without the words that do not stay."""
        return [self._left(stays) for stays in present]

    def _left(self, stays: Array) -> str:
        left, at = [], 0
        for start, end, word in self.places:
            left.append(self.text[at : end if stays[word] else start])
            at = end
        return "".join(left) + self.text[at:]


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a row ``(d,)``, and the rows ``(m, d)`` that values are drawn from.

    A column is a category if it is named so, or if the background holds at most ten distinct values of it, each twice
    over on average. A category is described by whether it is the row's own; any other column by its value in standard
    deviations from the mean, so that a linear network is described without a remainder.
    """

    row: Tensor
    background: Tensor
    names: tuple[str, ...]
    categorical: Array

    @property
    def replacements(self) -> int:
        """Count background rows."""
        return len(self.background)

    @property
    def kernel_width(self) -> float:
        """Three quarters of the square root of the number of columns."""
        return 0.75 * float(np.sqrt(len(self.names)))

    def inputs(self, present: Array, replaced_by: Array) -> Tensor:
        """Return rows ``(n, d)``."""
        stays = torch.as_tensor(present, device=self.row.device)
        return torch.where(stays, self.row, self.background[torch.as_tensor(replaced_by)])

    @cached_property
    def values(self) -> tuple[Array, Array]:
        """The row ``(d,)`` and the background ``(m, d)`` as float64."""
        return self.row.detach().cpu().double().numpy(), self.background.detach().cpu().double().numpy()

    def described(self, present: Array, replaced_by: Array) -> Array:
        """Return 1 where a category is the row's own; standard deviations from the mean of other columns."""
        row, background = self.values
        mean, spread = self._spread()
        found = np.where(present, row, background[replaced_by])
        return np.where(self.categorical, found == row, (found - mean) / spread)

    def alike(self, present: Array, replaced_by: Array) -> Array:
        """Return where a category is the row's own, or another value in the same quarter of the background."""
        row, background = self.values
        same = background == row
        for column in np.flatnonzero(~self.categorical):
            edges = np.quantile(background[:, column], QUARTERS)
            same[:, column] = np.searchsorted(edges, background[:, column]) == np.searchsorted(edges, row[column])
        alike: Array = present | same[replaced_by]
        return alike

    def distance(self, present: Array, replaced_by: Array) -> Array:
        """Return the Euclidean distance, in standard deviations; a changed category counts one."""
        own = self.described(np.ones((1, len(self.names)), dtype=bool), np.zeros(1, dtype=np.int64))
        distance: Array = np.linalg.norm(self.described(present, replaced_by) - own, axis=1)
        return distance

    @property
    def worth(self) -> Array:
        """One for a category; how far the row's value is from the mean, in standard deviations, for other columns."""
        mean, spread = self._spread()
        return np.where(self.categorical, 1.0, (self.values[0] - mean) / spread)

    def _spread(self) -> tuple[Array, Array]:
        background = self.values[1]
        spread = background.std(axis=0)
        return background.mean(axis=0), np.where(spread > 0, spread, 1.0)
