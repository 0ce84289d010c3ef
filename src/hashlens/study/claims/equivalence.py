"""Equivalence: claims that a difference is smaller than a margin set beforehand."""

from collections.abc import Iterator
from itertools import combinations
from typing import Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from hashlens.study.charts.grid import level_name
from hashlens.study.claims.claim import STRICT, values_along
from hashlens.study.claims.difference import ComparisonClaim, Others, difference
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Equivalence(ComparisonClaim):
    """Claim that two measures, or levels of an axis, are equal within a margin: the whole interval lies inside it.

    This is the decision of two one-sided tests (TOST). An interval that merely contains 0 does not show equivalence.
    With `over` and neither `level` nor `to`, all pairs of levels are compared.

    Attributes
    ----------
    to : optional
        What is equal to each of `measures`, or to `level`: another measure; or one or several levels of `over`, where
        ``others`` stands for all levels but `level`.
    margin : float
        Largest difference in either direction that counts as equal.

    References
    ----------
    Schuirmann (1987): A comparison of the two one-sided tests procedure and the power approach.
    """

    kind: Literal["equivalence"]
    margin: float = Field(gt=0)
    to: Others | None = None

    @model_validator(mode="after")
    def _require_comparison(self) -> "Equivalence":
        if self.to is None and (self.over is None or self.level is not None):
            raise ValueError("must say to what: a measure, levels, or others")
        if self.level is not None and self.over is None:
            raise ValueError("has a level but no axis: add over")
        return self

    def pending_lines(self, results: Results) -> Iterator[PendingLine]:
        """Yield the pending line of the difference of each pair."""
        claimed = ClaimedRange(-self.margin, self.margin)
        if self.to is not None:
            yield from self.differences(results, self.to, claimed)
            return
        assert self.over is not None
        for measure, split in self.measures_and_splits(results):
            for by_level in values_along(results, self.over, measure, split, self.by, self.where):
                for first, second in combinations(by_level.levels, 2):
                    levels = f"{self.over.replace('_', ' ')} {level_name(first)} minus {level_name(second)}"
                    yield difference(by_level, first, by_level, second, f"{by_level.name}, {levels}", claimed)
