"""Trends: claims that a measure rises or falls along an axis."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from hashlens.errors import StudyError
from hashlens.study.charts.grid import is_numeric, level_name
from hashlens.study.claims.claim import STRICT, Claim, LevelValues, contrast, values_along
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Trend(Claim):
    """Claim that a measure rises or falls along a numeric axis.

    The slope of the measure over the ranks of the levels, by least squares in every repeat, has the sign of the
    direction. With `step`, no change from one level to the next is that large in the opposite direction.

    Attributes
    ----------
    over : str
        Name of the axis.
    direction : {"rises", "falls"}
        Claimed direction.
    step : float, optional
        Largest change in the opposite direction between neighbouring levels; by default such changes are not tested.
    since : number, optional
        First level to use; by default all.
    """

    kind: Literal["trend"]
    over: str
    direction: Literal["rises", "falls"]
    step: float | None = Field(None, gt=0)
    since: float | None = None

    def pending_lines(self, results: Results) -> Iterator[PendingLine]:
        """Yield the pending lines of the slope of each line, then of its steps."""
        rises = self.direction == "rises"
        for measure, split in self.measures_and_splits(results):
            for values in values_along(results, self.over, measure, split, self.by, self.where):
                by_level = self._levels_since(values)
                slopes = slope_weights(len(by_level.levels))
                yield self._pending_line(
                    by_level, slopes, "slope on ranks", ClaimedRange(0.0) if rises else ClaimedRange(None, 0.0)
                )
                if self.step is None:
                    continue
                claimed = ClaimedRange(-self.step) if rises else ClaimedRange(None, self.step)
                for i, (level, next_level) in enumerate(pairwise(by_level.levels)):
                    weights = np.zeros(len(by_level.levels))
                    weights[i : i + 2] = -1.0, 1.0
                    place = f", {self.over.replace('_', ' ')} {level_name(level)} to {level_name(next_level)}"
                    yield self._pending_line(by_level, weights, "step", claimed, place)

    def _levels_since(self, by_level: LevelValues) -> LevelValues:
        """Return the values at the levels from `since` on; raise StudyError if there are fewer than two."""
        if not is_numeric(by_level.levels) and set(by_level.levels) != {False, True}:
            raise StudyError(f"{self.says!r}: a trend needs an axis of numbers, and {self.over} has other levels")
        indices = [i for i, level in enumerate(by_level.levels) if self.since is None or level >= self.since]
        if len(indices) < 2:
            since = "" if self.since is None else f" from {self.since:g} on"
            needed = f"two measured levels of {self.over} or more{since}"
            raise StudyError(f"{self.says!r}: a trend needs {needed}, received {len(indices)}")
        return LevelValues(
            by_level.name,
            tuple(by_level.levels[i] for i in indices),
            by_level.values[indices],
            by_level.limits,
            by_level.step,
        )

    def _pending_line(
        self, by_level: LevelValues, weights: Any, quantity: str, claimed: ClaimedRange, place: str = ""
    ) -> PendingLine:
        used = [i for i, weight in enumerate(weights) if weight]
        interval = partial(contrast, by_level.values[used], weights[used], [by_level] * len(used))
        return PendingLine(by_level.name + place, quantity, claimed, interval)


def slope_weights(levels: int) -> Any:
    """Return the weight of each level in the slope of a least-squares line over ranks 0, 1, 2, ...

    >>> slope_weights(3).tolist()
    [-0.5, 0.0, 0.5]
    """
    ranks = np.arange(levels) - (levels - 1) / 2
    return ranks / max(np.square(ranks).sum(), 1.0)
