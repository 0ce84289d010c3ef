"""Curves: means of measures along one axis of a study, with intervals or ranges over repeats."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.study.charts.grid import as_names, conditions, lay_out, level_name, usual_split
from hashlens.study.charts.intervals import Estimate, bounds_note, estimate_means, limits_of
from hashlens.study.results import Results, default_variables
from hashlens.study.variables import Variables
from hashlens.tables import Table, table

Reference = Mapping[str, Iterable[tuple[Any, float]]]
"""Published points (level, value) to show beside the curves of the same names."""


@dataclass(frozen=True)
class CurveSeries(Result):
    """One line of a curve.

    Attributes
    ----------
    name : str
        Name that distinguishes the line: measure, split, level of `by`; empty if there is a single line.
    measure, split : str
        Measure and split, as in the results.
    level : int, float, str, bool or None
        Level of the factor `by`; None without one.
    estimates : tuple of Estimate or None
        Mean and interval at each level of the axis; None where nothing was measured.
    """

    name: str
    measure: str
    split: str
    level: Any
    estimates: tuple[Estimate | None, ...]


@dataclass(frozen=True)
class Curve(Result):
    """Means along an axis. It prints as a table, and plots as lines with bands.

    Attributes
    ----------
    over : str
        Name of the axis.
    levels : tuple
        Levels of the axis, in order.
    series : tuple of CurveSeries
        The lines.
    by : str or None
        Factor with a separate line for each level.
    where : dict
        Levels at which other factors are fixed.
    confidence : float
        Confidence level of the intervals.
    study : str
        Name of the study.
    variables : Variables
        Descriptions of the axes and measures.
    """

    over: str
    levels: tuple[Any, ...]
    series: tuple[CurveSeries, ...]
    by: str | None
    where: dict[str, Any]
    confidence: float
    study: str = ""
    variables: Variables = field(default_factory=default_variables)

    @property
    def title(self) -> str:
        """Title: what the lines have in common."""
        measures = dict.fromkeys(self.variables.label(series.measure) for series in self.series)
        splits = dict.fromkeys(series.split for series in self.series)
        split_text = f" on {next(iter(splits))}" if len(splits) == 1 and any(splits) else ""
        fixed_levels = conditions(self.where, (self.over, self.by or ""))
        fixed = f" at {fixed_levels}" if fixed_levels else ""
        return f"{', '.join(measures)}{split_text}{fixed}"

    @property
    def interval_note(self) -> str:
        """Note on the intervals or ranges around the means; empty for single repeats."""
        return bounds_note((estimate for series in self.series for estimate in series.estimates), self.confidence)

    def __rich__(self) -> Table:
        columns = (self.over.replace("_", " "), *(series.name or "mean" for series in self.series))
        rows = [
            (level_name(level), *(_text(series.estimates[i]) for series in self.series))
            for i, level in enumerate(self.levels)
        ]
        return table(self.title, columns, rows, f"Mean over repeats {self.interval_note}".rstrip() + ".")

    def figures(
        self, reference: Reference | None = None, reference_name: str = "the paper's, read off plots"
    ) -> tuple[Figure, ...]:
        """Return a figure of the curves with their bands.

        Parameters
        ----------
        reference : mapping of str to points (level, value), optional
            Published values by name of series, drawn as hollow markers in the colour of the series.
        reference_name : str
            Source of these values, for the legend.
        """
        from hashlens.study.charts.figures import curve_lines

        return (curve_lines(self, reference, reference_name if reference else ""),)

    def page(self, reference: Reference | None = None, reference_name: str = "the paper's, read off plots") -> Page:
        """Return the page of the curves; arguments as in :meth:`figures`."""
        from hashlens.study.page.page import curve_page

        return curve_page(self, *self.figures(reference, reference_name))


def curve(
    results: Results,
    measure: str | Sequence[str],
    over: str,
    *,
    split: str | Sequence[str] | None = None,
    by: str | None = None,
    where: Mapping[str, Any] | None = None,
    confidence: float = 0.95,
) -> Curve:
    """Return means of measures along an axis, one line for each measure, split and level of `by`.

    Parameters
    ----------
    results : Results
        Results of a study.
    measure, split : str or sequence of str
        Measures and splits to draw, such as ``"redundancy_ratio"`` on ``("train", "test")``. The default split is
        ``"test"``; for a measure with a single split it is that split.
    over : str
        The axis: a factor, or the step, such as ``epochs``.
    by : str, optional
        A second factor, with one line for each of its levels.
    where : mapping, optional
        Levels at which the other factors are fixed.
    confidence : float
        Confidence level of the intervals. An interval stays within the bounds of its measure, see
        :func:`~hashlens.study.charts.intervals.mean_intervals`. Fewer than four repeats are shown by their range
        instead.

    Raises
    ------
    StudyError
        If another factor takes several values, a measure is missing, or an axis takes one value.
    """
    measures = as_names("measure", measure)
    splits = None if split is None else as_names("split", split)
    pairs = [
        (measure_name, split_name)
        for measure_name in measures
        for split_name in splits or (usual_split(results, measure_name),)
    ]
    grid = lay_out(results, (over,) if by is None else (over, by), where)
    lines: Sequence[Any] = (None,) if by is None else grid.levels[1]
    series = []
    for measure_name, split_name in pairs:
        values = grid.values(measure_name, split_name).reshape(len(grid.levels[0]), len(lines), -1)
        means = estimate_means(values, limits_of(results.measures.get(measure_name), values), confidence)
        for column, level in enumerate(lines):
            parts = [results.variables.label(measure_name)] * (len(measures) > 1) + [split_name] * (
                len({split_name for _, split_name in pairs}) > 1
            )
            parts += [f"{by.replace('_', ' ')} {level_name(level)}"] if by else []
            estimates = tuple(
                means.at(row, column) if np.isfinite(means.mean[row, column]) else None for row in range(len(values))
            )
            series.append(CurveSeries(", ".join(parts), measure_name, split_name, level, estimates))
    variables = results.variables.only((over, *([by] if by else [])), (name for name, _ in pairs))
    return Curve(over, grid.levels[0], tuple(series), by, dict(where or {}), confidence, results.study, variables)


def _text(estimate: Estimate | None) -> str:
    return "–" if estimate is None else estimate.short
