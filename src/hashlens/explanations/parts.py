"""Parts of an input that are kept or replaced.

A part is a superpixel of an image or spectrogram, an interval of time in one channel of a signal, a column of a table,
or a word of a text. A superpixel or interval is replaced by its mean or by the same part of a background example. A
column is replaced by the value of a background row. A word is removed.
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
    """Interface of the replaceable parts of one example."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the d parts."""

    @property
    def replacements(self) -> int:
        """Number of backgrounds that replacements come from."""

    def inputs(self, present: Array, replaced_by: Array) -> Any:
        """Return inputs: parts ``present (n, d)`` are kept, others come from the backgrounds ``replaced_by (n,)``."""

    def regressors(self, present: Array, replaced_by: Array) -> Array:
        """Return the regressors of a linear model of the network, float64 ``(n, d)``."""

    def like_example(self, present: Array, replaced_by: Array) -> Array:
        """Return which parts are like those of the example, bool ``(n, d)``."""

    def distance(self, present: Array, replaced_by: Array) -> Array:
        """Return the distance of each input from the example, ``(n,)``."""

    @property
    def example_regressors(self) -> Array:
        """Values of the regressors at the example, ``(d,)``; coefficient times value is a part's contribution."""

    @property
    def kernel_width(self) -> float:
        """Default kernel width: the distance over which the weights of inputs decrease."""


class MaskedParts:
    """Parts that are present or not."""

    names: tuple[str, ...]
    kernel_width = 0.25

    def regressors(self, present: Array, replaced_by: Array) -> Array:
        """Return 1 where a part is present."""
        return present.astype(np.float64)

    def like_example(self, present: Array, replaced_by: Array) -> Array:
        """Return which parts are present."""
        return present

    def distance(self, present: Array, replaced_by: Array) -> Array:
        """Return the cosine distance of the mask from all parts."""
        distance: Array = 1 - np.sqrt(present.mean(axis=1))
        return distance

    @property
    def example_regressors(self) -> Array:
        """Return ones."""
        return np.ones(len(self.names))


@dataclass(frozen=True, eq=False)
class Segments(MaskedParts):
    """Segments of an example ``(c, h, w)``, ``(h, w)``, ``(c, l)`` or ``(l,)``, and the examples that replace them.

    ``segments`` has the axes of the example, or all but its first if the channels are replaced together.
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
        kept = torch.as_tensor(present[:, self.segments], device=self.image.device)
        kept = kept if kept.dim() > self.image.dim() else kept[:, None]
        return torch.where(kept, self.image, self.backgrounds[torch.as_tensor(replaced_by)])


@dataclass(frozen=True, eq=False)
class Words(MaskedParts):
    """The distinct words of a text; a word is removed at all of its occurrences."""

    text: str
    names: tuple[str, ...]
    places: tuple[tuple[int, int, int], ...]
    replacements: int = 1

    def inputs(self, present: Array, replaced_by: Array) -> list[str]:
        """Return texts without the words that are not present."""
        return [self._remaining_text(kept) for kept in present]

    def _remaining_text(self, kept: Array) -> str:
        pieces, position = [], 0
        for start, end, word in self.places:
            pieces.append(self.text[position : end if kept[word] else start])
            position = end
        return "".join(pieces) + self.text[position:]


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a row ``(d,)``, and the background rows ``(m, d)`` from which replacements are drawn.

    A column is categorical if it is listed as such, or if it has at most ten distinct values in the background, each at
    least twice on average. The regressor of a categorical column is whether it has the row's category. The regressor of
    any other column is its value in standard deviations from the mean, so that a linear network is fitted exactly.
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
        """0.75 times the square root of the number of columns."""
        return 0.75 * float(np.sqrt(len(self.names)))

    def inputs(self, present: Array, replaced_by: Array) -> Tensor:
        """Return rows ``(n, d)``."""
        kept = torch.as_tensor(present, device=self.row.device)
        return torch.where(kept, self.row, self.background[torch.as_tensor(replaced_by)])

    @cached_property
    def values(self) -> tuple[Array, Array]:
        """The row ``(d,)`` and the background ``(m, d)`` as float64."""
        return self.row.detach().cpu().double().numpy(), self.background.detach().cpu().double().numpy()

    def regressors(self, present: Array, replaced_by: Array) -> Array:
        """Return 1 where a column has the row's category; for other columns standard deviations from the mean."""
        row, background = self.values
        mean, spread = self._spread()
        result = np.where(present, row, background[replaced_by])
        return np.where(self.categorical, result == row, (result - mean) / spread)

    def like_example(self, present: Array, replaced_by: Array) -> Array:
        """Return where a column has the row's category, or a value in the same quarter of the background."""
        row, background = self.values
        same = background == row
        for column in np.flatnonzero(~self.categorical):
            edges = np.quantile(background[:, column], QUARTERS)
            same[:, column] = np.searchsorted(edges, background[:, column]) == np.searchsorted(edges, row[column])
        like_example: Array = present | same[replaced_by]
        return like_example

    def distance(self, present: Array, replaced_by: Array) -> Array:
        """Return the Euclidean distance, in standard deviations; a changed category counts one."""
        own = self.regressors(np.ones((1, len(self.names)), dtype=bool), np.zeros(1, dtype=np.int64))
        distance: Array = np.linalg.norm(self.regressors(present, replaced_by) - own, axis=1)
        return distance

    @property
    def example_regressors(self) -> Array:
        """1 for a category; for other columns the row's value in standard deviations from the mean."""
        mean, spread = self._spread()
        return np.where(self.categorical, 1.0, (self.values[0] - mean) / spread)

    def _spread(self) -> tuple[Array, Array]:
        background = self.values[1]
        spread = background.std(axis=0)
        return background.mean(axis=0), np.where(spread > 0, spread, 1.0)
