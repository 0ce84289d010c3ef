"""Differences: claims that a measure, a level or a factor's effect is larger than another."""

from collections.abc import Iterator
from dataclasses import field
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from hashlens.study.charts.grid import level_name
from hashlens.study.claims.claim import SPLIT_SEPARATOR, STRICT, Claim, Level, LevelValues, contrast, values_along
from hashlens.study.claims.factor_differences import factor_differences
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results

OTHERS = "others"
Others = Level | tuple[Level, ...]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ComparisonClaim(Claim):
    """Base class of claims that compare measures or levels, paired by repeat.

    Attributes
    ----------
    over : str, optional
        An axis: with `level`, its levels are compared; with two measures, the claim must be true at each of its levels.
    level : optional
        Level of `over` that is compared with others.
    """

    over: str | None = None
    level: Level | None = None

    def differences(self, results: Results, others: Others, claimed: ClaimedRange) -> Iterator[PendingLine]:
        """Yield a pending line for each difference from the `others`."""
        for measure, split in self.measures_and_splits(results):
            rows = values_along(results, self.over or "", measure, split, self.by, self.where)
            if self.level is None:
                name, _, other_split = str(others).partition(SPLIT_SEPARATOR)
                other_rows = values_along(results, self.over or "", name, other_split or split, self.by, self.where)
                for row, other_row in zip(rows, other_rows, strict=True):
                    yield from _measure_differences(row, other_row, claimed, self.over)
            else:
                for row in rows:
                    yield from _level_differences(row, self.level, others, claimed, self.over or "")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Difference(ComparisonClaim):
    """Claim that one thing is above, or below, another, paired by repeat.

    Three things can be compared. **Measures**: ``above: network_accuracy``, at every level of `over` if that is named.
    **Levels** of an axis: ``over: epochs, level: 1, above: others``; one level or a list of levels may replace
    ``others``. **Factors**, by the share of the variance that each explains with all its interactions:
    ``factors: [width], above: [label_noise]``.

    Attributes
    ----------
    factors : tuple of str
        Factors that are compared with others.
    above, below
        What they are compared with: a measure, levels, factors, or ``others``.
    margin : float
        Smallest difference claimed. Below 0, the first may be the worse one by that much.
    scale : {"plain", "logit"}
        Scale of the variance, if factors are compared.
    examples : dict of str to int
        Number of examples behind a share, by split; the default is 10,000. Half an example is added before the logit,
        so that it is finite at 0 and 1.
    """

    kind: Literal["difference"]
    factors: tuple[str, ...] = ()
    above: Others | None = None
    below: Others | None = None
    margin: float = Field(0.0, allow_inf_nan=False)
    scale: Literal["plain", "logit"] = "plain"
    examples: dict[str, int] = field(default_factory=dict)

    @model_validator(mode="after")
    def _require_one_bound(self) -> "Difference":
        if (self.above is None) == (self.below is None):
            raise ValueError("must say either above or below, and what: a measure, levels, factors, or others")
        if self.level is not None and self.over is None:
            raise ValueError("has a level but no axis: add over")
        return self

    def pending_lines(self, results: Results) -> Iterator[PendingLine]:
        """Yield the pending line of each difference."""
        claimed = ClaimedRange(self.margin) if self.above is not None else ClaimedRange(None, 0.0 - self.margin)
        others = self.above if self.above is not None else self.below
        assert others is not None
        if self.factors:
            yield from factor_differences(self, results, others, claimed)
        else:
            yield from self.differences(results, others, claimed)


def _measure_differences(
    first: LevelValues, second: LevelValues, claimed: ClaimedRange, over: str | None
) -> Iterator[PendingLine]:
    for level in first.levels:
        if level in second.levels:
            place = f", {over.replace('_', ' ')} {level_name(level)}" if over else ""
            yield difference(
                first, level, second, level, f"{first.name}{place}, minus {second.name.partition(',')[0]}", claimed
            )


def _level_differences(
    by_level: LevelValues, level: Any, others: Others, claimed: ClaimedRange, over: str
) -> Iterator[PendingLine]:
    named = others if isinstance(others, tuple) else (others,)
    for other in (
        [other_level for other_level in by_level.levels if other_level != level] if named == (OTHERS,) else named
    ):
        name = f"{by_level.name}, {over.replace('_', ' ')} {level_name(level)} minus {level_name(other)}"
        yield difference(by_level, level, by_level, other, name, claimed)


def difference(
    first: LevelValues, level: Any, second: LevelValues, other_level: Any, name: str, claimed: ClaimedRange
) -> PendingLine:
    """Return the pending line of the difference of two rows of values, paired by repeat."""
    pair = np.stack([first.row(level), second.row(other_level)])
    return PendingLine(name, "difference", claimed, partial(contrast, pair, (1.0, -1.0), (first, second)))
