"""Comparison with the paper: each known figure of the paper, and the mean of our repeats."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hashlens.plain import to_plain
from hashlens.result import Result
from hashlens.study.charts.grid import conditions
from hashlens.study.charts.intervals import Estimate, bounds_note, estimate_means, limits_of
from hashlens.study.reproduce.preset import Level, Points, Reference
from hashlens.study.results import Results, default_variables
from hashlens.tables import Table, table


@dataclass(frozen=True)
class Comparison(Result):
    """One figure of the paper, and the value that we measured.

    Attributes
    ----------
    measure, split : str
        Names of the measure and of the examples that it was computed on.
    at : dict
        Level of each factor, and of the step.
    paper : float
        The paper's figure, or its upper bound.
    is_bound : bool
        True if `paper` is an upper bound.
    ours : Estimate
        Our mean over repeats, with its interval; NaN if nothing was measured.
    band : float or None
        Tolerance, set by hashlens: the largest difference that counts as agreement. None if no tolerance is set.
    label : str
        Readable name of the measure.
    """

    measure: str
    split: str
    at: dict[str, Any]
    paper: float
    is_bound: bool
    ours: Estimate
    band: float | None
    label: str = ""

    @property
    def difference(self) -> float:
        """Our value minus the paper's; for a bound, the amount by which our value exceeds it, or 0."""
        gap = self.ours.mean - self.paper
        return max(gap, 0.0) if self.is_bound else gap

    @property
    def inside(self) -> bool | None:
        """True if our value is within the tolerance, or not above the bound; None if neither is set."""
        if self.is_bound:
            return bool(self.ours.mean <= self.paper)
        # The paper's figures have two or three digits, so rounding errors of floats must not decide.
        return None if self.band is None else bool(round(abs(self.difference), 6) <= self.band)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, with ``difference`` and ``inside``."""
        return {**super().to_dict(), "difference": to_plain(self.difference), "inside": self.inside}

    @property
    def name(self) -> str:
        """Readable name of the compared quantity."""
        split_text = f" on {self.split}" if self.split else ""
        return f"{self.label or default_variables().label(self.measure)}{split_text} at {conditions(self.at)}"

    @property
    def verdict(self) -> str:
        """The verdict, as one word."""
        return {True: "inside", False: "outside", None: "–"}[self.inside]

    @property
    def sentence(self) -> str:
        """A sentence on how our value differs from the paper's."""
        if not np.isfinite(self.ours.mean):
            return f"{self.name}: nothing was measured."
        paper_text = f"{'at most ' if self.is_bound else ''}{self.paper:g}"
        difference_text = (
            f"{abs(self.difference):.3f} {'below' if self.difference < 0 else 'above'} the paper's {paper_text}"
        )
        band = f", tolerance ± {self.band:g}" if self.band is not None and not self.is_bound else ""
        return f"{self.name} is {self.ours.mean:.3f}: {difference_text}{band}."


def compare(results: Results, reference: Reference) -> tuple[Comparison, ...]:
    """Compare the results of a study with all figures of a reference, in the order of the reference."""
    return tuple(comparison for points in reference.points for comparison in _comparisons(results, points, reference))


def resolve_level(results: Results, over: str, level: Level) -> Level:
    """Return a level of an axis; ``last`` is the last level in the results."""
    return max(results.levels(over)) if level == "last" else level


def comparison_table(comparisons: tuple[Comparison, ...], source: str) -> Table:
    """Return a readable table of comparisons."""
    rows = [
        (
            comparison.name,
            f"{'≤ ' if comparison.is_bound else ''}{comparison.paper:g}",
            f"{comparison.ours.mean:.4f}",
            comparison.ours.ends or "–",
            f"{comparison.difference:+.4f}",
            "–" if comparison.band is None or comparison.is_bound else f"± {comparison.band:g}",
            comparison.verdict,
        )
        for comparison in comparisons
    ]
    interval_note = bounds_note((comparison.ours for comparison in comparisons), 0.95)
    columns = ("", "paper", "measured", interval_note, "difference", "tolerance", "")
    return table("Comparison with the paper", columns, rows, f"Paper: {source}. The tolerances are set by hashlens.")


def _comparisons(results: Results, points: Points, reference: Reference) -> Iterator[Comparison]:
    for is_bound, values in ((True, points.at_most), (False, points.values)):
        for level, value in values:
            at = {**points.at, points.over: resolve_level(results, points.over, level)}
            rows = results.where(measure=points.measure, split=points.split, layer="", **at)
            measured = rows.columns["value"]
            ours = estimate_means(measured, limits_of(results.measures.get(points.measure), measured)).at()
            band, label = reference.bands.get(points.measure), results.variables.label(points.measure)
            yield Comparison(points.measure, points.split, at, value, is_bound, ours, band, label)
