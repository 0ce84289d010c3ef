"""Bars: values that medians over the repeats must reach. They describe the runs; intervals decide claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from pydantic import model_validator

from hashlens.result import Result
from hashlens.study.charts.grid import conditions, usual_split
from hashlens.study.results import Results
from hashlens.study.spec.section import Section
from hashlens.tables import Table, table

Level = bool | int | float | str


class Bar(Section):
    """A value that the median of a measure over the repeats must reach, in one cell or in each of several.

    Attributes
    ----------
    says : str
        What must be true, in words.
    measure : str
        Name of the measure, as in the results; on test examples, or on its only split.
    at : dict
        Level of each factor; with several levels of a factor, the bar is for each of them.
    divided_by, minus : dict of str to level, optional
        Another cell, by whose median the median is divided, or whose median is subtracted from it.
    at_most, at_least : float, optional
        The value that must be reached: one of the two.
    """

    says: str
    measure: str
    at: dict[str, Level | tuple[Level, ...]]
    divided_by: dict[str, Level] | None = None
    minus: dict[str, Level] | None = None
    at_most: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _require_one_bound(self) -> "Bar":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("must say either at_most or at_least: a number")
        if self.divided_by is not None and self.minus is not None:
            raise ValueError("takes either divided_by or minus, not both")
        return self

    @property
    def required(self) -> str:
        """What is required, as text."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"

    def is_met(self, value: float) -> bool:
        """Whether a value reaches the bar; NaN never does."""
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)

    def cells(self) -> Iterator[dict[str, Level]]:
        """Yield the cells that the bar is about."""
        levels = [found if isinstance(found, tuple) else (found,) for found in self.at.values()]
        for combination in product(*levels):
            yield dict(zip(self.at, combination, strict=True))


@dataclass(frozen=True)
class BarCheck(Result):
    """Whether a bar was reached.

    Attributes
    ----------
    says : str
        What must be true, in words.
    value : float
        The median, or the ratio or difference of two; of several cells the worst. NaN if nothing was measured, or if
        the divisor of a ratio is 0.
    cell : str
        The cell of that value, in words.
    required : str
        The value that must be reached, in words.
    met : bool
        Whether it was reached, in every cell.
    repeats : int
        Smallest number of repeats that a median is of.
    """

    says: str
    value: float
    cell: str
    required: str
    met: bool
    repeats: int


def check_bar(results: Results, bar: Bar) -> BarCheck:
    """Return whether the results of a study reach a bar."""
    values: dict[str, float] = {}
    repeats: list[int] = []
    for cell in bar.cells():
        value, n = _median(results, bar.measure, cell)
        if (beside := bar.divided_by or bar.minus) is not None:
            other, others = _median(results, bar.measure, beside)
            ratio = value / other if other else float("nan")
            value, n = ratio if bar.divided_by else value - other, min(n, others)
        values[conditions(cell)] = value
        repeats.append(n)
    missing = [name for name, value in values.items() if not np.isfinite(value)]
    choose: Any = min if bar.at_least is not None else max
    worst = missing[0] if missing else choose(values, key=values.__getitem__)
    met = all(map(bar.is_met, values.values()))
    return BarCheck(bar.says, values[worst], worst, bar.required, met, min(repeats))


def bar_table(checks: tuple[BarCheck, ...]) -> Table:
    """Return a table of bars."""
    rows = [
        (check.says, f"{check.value:.4f}" if np.isfinite(check.value) else "–", check.required, check.cell,
         str(check.repeats), "met" if check.met else "not met")
        for check in checks
    ]  # fmt: skip
    note = "They describe these repeats. Whether a claim is reproduced is decided on the intervals below."
    return table("Bars, on medians of the repeats", ("", "value", "required", "at", "repeats", ""), rows, note)


def _median(results: Results, measure: str, cell: Mapping[str, Level]) -> tuple[float, int]:
    """Return the median of a measure over the repeats of a cell, and how many there are."""
    values = results.where(measure=measure, split=usual_split(results, measure), layer="", **cell).columns["value"]
    values = values[np.isfinite(values)]
    return (float(np.median(values)), len(values)) if len(values) else (float("nan"), 0)
