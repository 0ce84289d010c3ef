"""Thresholds: claims that a measure is above or below a value."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from hashlens.study.charts.grid import level_name
from hashlens.study.claims.claim import STRICT, Claim, contrast, values_along
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Threshold(Claim):
    """Claim that the mean of a measure is above a value, below one, or between two.

    Attributes
    ----------
    over : str, optional
        An axis; the claim must be true at each of its levels. To test a single level, name it in `where` instead.
    above, below : float, optional
        Claimed bounds.
    """

    kind: Literal["threshold"]
    over: str | None = None
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _require_bounds(self) -> "Threshold":
        if self.above is None and self.below is None:
            raise ValueError("must say above, below or both: a number")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError(f"above must be less than below, received {self.above:g} and {self.below:g}")
        return self

    def pending_lines(self, results: Results) -> Iterator[PendingLine]:
        """Yield the pending line of the mean at each level."""
        claimed = ClaimedRange(self.above, self.below)
        for measure, split in self.measures_and_splits(results):
            for by_level in values_along(results, self.over or "", measure, split, self.by, self.where):
                for i, level in enumerate(by_level.levels):
                    level_text = f", {self.over.replace('_', ' ')} {level_name(level)}" if self.over else ""
                    interval = partial(contrast, by_level.values[[i]], (1.0,), (by_level,))
                    yield PendingLine(by_level.name + level_text, "mean", claimed, interval)
