"""Base class of claims, and the tables of numbers that they are tested on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hashlens.errors import StudyError
from hashlens.study.charts.grid import lay_out, level_name, usual_split
from hashlens.study.charts.intervals import Array, Estimate, Limits, limits_of
from hashlens.study.claims.contrast import contrast_intervals, step_of
from hashlens.study.claims.lines import PendingLine
from hashlens.study.results import Results

Level = bool | int | float | str
Levels = Level | tuple[Level, ...]
STRICT = ConfigDict(extra="forbid")
SPLIT_SEPARATOR = " on "
"""Separator between a measure and its split in a claim."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Claim(ABC):
    """A testable statement about the results of a study.

    Attributes
    ----------
    says : str
        The claim in words.
    measures : tuple of str
        Measures; the claim must be true for each. A measure may name its own split: ``redundancy_ratio on train``.
    splits : tuple of str
        Splits; the claim must be true on each. By default test, or the only split of a measure.
    by : str, optional
        A factor; the claim must be true at each of its levels.
    where : dict
        Levels at which the other factors are fixed.
    confidence : float
        Confidence level of the two-sided intervals that decide.
    """

    says: str
    measures: tuple[str, ...]
    splits: tuple[str, ...] = ()
    by: str | None = None
    where: dict[str, Levels] = field(default_factory=dict)
    confidence: float = Field(0.95, gt=0, lt=1)

    @abstractmethod
    def pending_lines(self, results: Results) -> Iterator[PendingLine]:
        """Yield a pending line for each number that decides the claim."""

    def measures_and_splits(self, results: Results) -> Iterator[tuple[str, str]]:
        """Yield each measure with each split that the claim is about."""
        for measure in self.measures:
            name, _, named_split = measure.partition(SPLIT_SEPARATOR)
            for split in (named_split,) if named_split else self.splits or (usual_split(results, name),):
                yield name, split


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class LevelValues:
    """Values of one measure at several levels of an axis.

    Attributes
    ----------
    name : str
        Measure, split and level of `by`, as readable text.
    levels : tuple
        Levels of the axis.
    values : numpy.ndarray
        ``(levels, repeats)``: values, NaN where a repeat has none.
    limits : (float or None, float or None)
        Limits of the measure: its smallest and largest possible value.
    step : float
        Smallest difference between values; 0 for a continuous measure.
    """

    name: str
    levels: tuple[Any, ...]
    values: Array
    limits: Limits
    step: float

    def row(self, level: Any) -> Array:
        """Return the repeats at a level.

        Raises
        ------
        StudyError
            If the level was not measured.
        """
        if level not in self.levels:
            measured = ", ".join(map(level_name, self.levels)) or "none"
            raise StudyError(f"{self.name} was not measured at {level!r}; it was at {measured}")
        return np.asarray(self.values[self.levels.index(level)])


def values_along(
    results: Results, over: str, measure: str, split: str, by: str | None, where: dict[str, Levels]
) -> Iterator[LevelValues]:
    """Yield the values of a measure along an axis, for each level of `by`; without an axis, a single level."""
    axes = [axis for axis in (over, by) if axis]
    grid = lay_out(results, axes, where)
    table = grid.values(measure, split)
    table = table.reshape(len(grid.levels[0]) if over else 1, len(grid.levels[-1]) if by else 1, -1)
    limits, step = limits_of(results.measures.get(measure), table), step_of(table)
    for column, level in enumerate(grid.levels[-1] if by else (None,)):
        values = table[:, column]
        measured: npt.NDArray[np.bool_] = np.asarray(np.isfinite(values).any(axis=1))
        levels = tuple(
            level_
            for level_, is_measured in zip(grid.levels[0] if over else (None,), measured, strict=True)
            if is_measured
        )
        name = f"{results.variables.label(measure)} {split}".strip()
        name += f", {by.replace('_', ' ')} {level_name(level)}" if by else ""
        yield LevelValues(name, levels, values[measured], limits, step)


def contrast(values: Array, weights: Sequence[float], terms: Sequence[LevelValues], confidence: float) -> Estimate:
    """Return a weighted sum of the means of rows, with its interval, over the repeats without missing values."""
    values = values[:, np.isfinite(values).all(axis=0)]
    limits, steps = [row.limits for row in terms], [row.step for row in terms]
    return contrast_intervals(values, weights, limits, confidence, steps).at()
