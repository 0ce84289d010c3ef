"""The interactive phase chart of a page: cells over all axes of a study, coloured by a script as thresholds move."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.measures.regime import RegimeName, RegimeThresholds, as_thresholds, regime
from hashlens.report.figures import COLOURS, Floats
from hashlens.report.page import Widget
from hashlens.study.charts.figures import Panel, axis_positions, fixed_level, panels
from hashlens.study.charts.grid import Grid, is_numeric, lay_out, level_name
from hashlens.study.charts.intervals import Estimate, Estimates, bounds_note, estimate_means, limits_of
from hashlens.study.networks.regimes.failed_cells import MIN_RELATIVE_ACCURACY, failed_cells, failed_note
from hashlens.study.networks.regimes.phase import (
    REGIME_COLOURS,
    REGIMES,
    PhaseCell,
    PhaseChart,
    ratio_and_retention,
    reference_accuracy,
    retention_note,
)
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.results import Results
from hashlens.tables import Table, number, table

MAX_CELLS = 200_000
"""Largest number of combinations of levels; a study whose axes are not crossed may have more, nearly all empty."""

FIRST_LINES = (
    ("redundancy ratio R", "train", "R on train"),
    ("redundancy ratio R", "test", "R on test"),
    ("retention", "", "retention"),
)
"""Panel, name and full name of the measures that regimes are computed from."""


@dataclass(frozen=True, eq=False)
class CellLine:
    """One measure of every cell, and the chart in which its curve is drawn.

    Attributes
    ----------
    panel : str
        Title of the chart.
    name : str
        Name of the curve in the chart; empty if the chart has no other curve.
    full_name : str
        Full name of the measure.
    estimates : Estimates
        Arrays with one axis for each axis of the study.
    """

    panel: str
    name: str
    full_name: str
    estimates: Estimates


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells over one or more axes, with the values that colour them.

    Attributes
    ----------
    axes, levels : tuple
        Names of the axes, and the levels of each.
    start : tuple of int
        Index of the initial level of each axis, used while the axis is not drawn.
    shown : tuple of int
        Indices of the one or two axes that are drawn at first.
    lines : tuple of CellLine
        Measures: R on train, R on test and retention, then all others.
    repeat_values : (array, array) or None
        R and retention of every repeat, in a last axis; None if only means are known.
    agreement_values : array or None
        Without `repeat_values`: share of the repeats in the regime of the mean, for the chart's thresholds.
    thresholds : RegimeThresholds
        Thresholds of the chart.
    notes : tuple of str
        Notes for readers.
    failed : array
        Whether training failed in each cell.
    confidence : float
        Confidence level of the intervals of the estimates.
    """

    axes: tuple[str, ...]
    levels: tuple[tuple[Any, ...], ...]
    start: tuple[int, ...]
    shown: tuple[int, ...]
    lines: tuple[CellLine, ...]
    repeat_values: tuple[Floats, Floats] | None
    agreement_values: Floats | None
    thresholds: RegimeThresholds
    notes: tuple[str, ...]
    failed: npt.NDArray[np.bool_]
    confidence: float = 0.95

    @property
    def ratio(self) -> Floats:
        """Mean R on train of every cell."""
        return self.lines[0].estimates.mean

    @property
    def retention(self) -> Floats:
        """Mean retention of every cell."""
        return self.lines[2].estimates.mean

    def measured(self) -> list[tuple[int, ...]]:
        """Return the indices of the cells that were measured."""
        return list(map(tuple, np.argwhere(np.isfinite(self.ratio)).tolist()))

    def regime(self, index: tuple[int, ...]) -> RegimeName:
        """Return the regime of a cell."""
        return regime(float(self.ratio[index]), float(self.retention[index]), thresholds=self.thresholds).name

    def agreement(self, index: tuple[int, ...]) -> float:
        """Return the share of a cell's repeats that are in its regime."""
        if self.repeat_values is None:
            return 1.0 if self.agreement_values is None else float(self.agreement_values[index])
        pairs = zip(self.repeat_values[0][index].tolist(), self.repeat_values[1][index].tolist(), strict=True)
        names = [
            regime(ratio_value, retention_value, thresholds=self.thresholds).name
            for ratio_value, retention_value in pairs
            if np.isfinite(ratio_value)
        ]
        return names.count(self.regime(index)) / len(names)

    def counts(self) -> dict[RegimeName, int]:
        """Return the number of cells in each regime."""
        names = list(map(self.regime, self.measured()))
        return {name: names.count(name) for name in REGIMES}


def results_cells(results: Results, thresholds: RegimeThresholds | None = None) -> Cells | None:
    """Return the cells of a study over all axes that vary; None if none varies, or there are too many cells.

    Raises
    ------
    StudyError
        If the study did not measure what regimes need.
    """
    axes = tuple(axis for axis in results.axes if len(results.levels(axis)) > 1)
    if not axes or np.prod([len(results.levels(axis)) for axis in axes], dtype=float) > MAX_CELLS:
        return None
    grid = lay_out(results, axes)
    reference = reference_accuracy(results)
    ratio, retention, classifiers = ratio_and_retention(grid, reference)
    first_estimates = (
        estimate_means(ratio.train, "share"),
        estimate_means(ratio.test, "share"),
        estimate_means(retention, "ratio"),
    )
    first = (CellLine(*title, estimates) for title, estimates in zip(FIRST_LINES, first_estimates, strict=True))
    other_lines = tuple(line for panel in panels(grid.results) for line in _lines(grid, panel))
    start = tuple(
        levels.index(fixed_level(results.variables, axis, levels))
        for axis, levels in zip(axes, grid.levels, strict=True)
    )  # fmt: skip
    failed = failed_cells(grid, results)
    limits = as_thresholds(thresholds)
    notes = [retention_note(classifiers, reference), limits.source]
    if failed.any():
        notes.append(failed_note(MIN_RELATIVE_ACCURACY))
    return Cells(
        axes,
        grid.levels,
        start,
        _first_axes(axes, grid.levels),
        (*first, *other_lines),
        (ratio.train, retention),
        None,
        limits,
        tuple(notes),
        failed,
    )


def _lines(grid: Grid, panel: Panel) -> list[CellLine]:
    """Return the measures of a panel, except those that regimes are computed from."""
    lines = []
    for measure, split in panel.pairs():
        if measure == "redundancy_ratio" and split in ("train", "test"):
            continue
        values = grid.values(measure, split)
        estimates = estimate_means(values, limits_of(grid.results.measures.get(measure), values))
        if np.isfinite(estimates.mean).any():
            full_name = f"{grid.results.variables.label(measure)} on {split}"
            lines.append(
                CellLine(panel.title, panel.name(measure, split, grid.results.variables), full_name, estimates)
            )
    return lines


def _first_axes(axes: Sequence[str], levels: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    """Return the initial axes: width and epochs, or those with the most levels."""
    if {"width", "epochs"} <= set(axes):
        return axes.index("width"), axes.index("epochs")
    longest = sorted(range(len(axes)), key=lambda i: -len(levels[i]))[:2]
    return tuple(sorted(longest))


def chart_cells(charts: Sequence[PhaseChart], z: str = "", z_levels: Sequence[Any] = ()) -> Cells:
    """Return the cells of a chart, or of its slices over a third axis, without the values of single repeats."""
    first = charts[0]
    x_levels, y_levels = (
        tuple(sorted({level for chart in charts for level in getattr(chart, name)}))
        for name in ("x_levels", "y_levels")
    )
    shape = (len(x_levels), len(y_levels), len(charts))
    by_index: dict[tuple[int, ...], PhaseCell] = {
        (x_levels.index(cell.x), y_levels.index(cell.y), slice_index): cell
        for slice_index, chart in enumerate(charts)
        for cell in chart.cells
    }
    agreement, failed = np.full(shape, np.nan), np.zeros(shape, np.bool_)
    for index, cell in by_index.items():
        agreement[index], failed[index] = cell.agreement, cell.failed
    estimates = (
        {index: cell.redundancy_ratio.train for index, cell in by_index.items()},
        {index: cell.redundancy_ratio.test for index, cell in by_index.items()},
        {index: cell.retention for index, cell in by_index.items()},
    )
    axes, levels = (first.x, first.y, z), (x_levels, y_levels, tuple(z_levels))
    start = tuple(length - 1 for length in shape)
    dimensions = 3 if z else 2
    # A single chart has no third axis.
    used = ... if z else (..., 0)
    return Cells(
        axes[:dimensions],
        levels[:dimensions],
        start[:dimensions],
        (0, 1),
        tuple(
            CellLine(*title, _estimate_arrays(part, shape)[used])
            for title, part in zip(FIRST_LINES, estimates, strict=True)
        ),
        None,
        agreement[used],
        first.thresholds,
        _notes(charts),
        failed[used],
        first.confidence,
    )


def _notes(charts: Sequence[PhaseChart]) -> tuple[str, ...]:
    """Return the notes of all charts, without duplicates."""
    notes = (note for chart in charts for note in chart.notes)
    return (*dict.fromkeys(notes), charts[0].thresholds.source)


def _estimate_arrays(estimates: Mapping[tuple[int, ...], Estimate], shape: tuple[int, ...]) -> Estimates:
    """Return estimates of cells as arrays of a shape, by index; NaN for cells that were not measured."""
    mean, low, high = (np.full(shape, np.nan) for _ in range(3))
    repeats, is_range = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    for index, estimate in estimates.items():
        mean[index], low[index], high[index] = estimate.mean, estimate.low, estimate.high
        repeats[index], is_range[index] = estimate.repeats, estimate.bounds_kind == "range"
    return Estimates(mean, low, high, repeats, is_range)


def phase_widget(cells: Cells, title: str = "Phase chart") -> Widget:
    """Return the interactive chart of some cells, with their numbers as a table."""
    exact, limits = cells.lines[:3], cells.thresholds
    largest = float(np.ceil(np.nanmax(cells.retention) * 20) / 20)
    data = {
        "axes": [
            {
                "label": VARIABLES.label(axis), "name": axis.replace("_", " "), "levels": list(map(level_name, levels)),
                "numeric": is_numeric(levels), "start": start, **axis_positions(levels),
            }
            for axis, levels, start in zip(cells.axes, cells.levels, cells.start, strict=True)
        ],
        "shown": cells.shown,
        "thresholds": asdict(limits),
        "maxRetention": max(1.0, largest, limits.sufficient_retention),
        "failed": cells.failed.ravel().nonzero()[0].tolist(),
        "repeats": _base64(exact[0].estimates.repeats),
        "repeatValues": None if cells.repeat_values is None else [_base64(part) for part in cells.repeat_values],
        "agreement": None if cells.agreement_values is None else _base64(cells.agreement_values),
        "lines": [_line(line, line in exact) for line in cells.lines],
        "colours": COLOURS,
        "regimes": REGIME_COLOURS,
    }  # fmt: skip
    return Widget(title, _text("phase.html.jinja"), _text("phase.js"), data, _table(cells))


def _line(line: CellLine, exact: bool) -> dict[str, Any]:
    estimates = line.estimates
    # Regimes depend on comparisons: the script must compare exactly the same numbers as Python.
    mean = _base64(estimates.mean, "<f8" if exact else "<f4")
    return {"panel": line.panel, "name": line.name, "label": line.full_name, "exact": exact, "mean": mean,
            "low": _base64(estimates.low, "<f4"), "high": _base64(estimates.high, "<f4"),
            "isRange": _base64(estimates.is_range, "u1")}  # fmt: skip


def _base64(values: Any, kind: str = "<f8") -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _table(cells: Cells) -> Table:
    names = (axis.replace("_", " ") for axis in cells.axes)
    columns = (*names, "regime", "repeats that agree", *(line.full_name for line in cells.lines))
    rows = []
    for index in cells.measured():
        levels = (level_name(levels[i]) for levels, i in zip(cells.levels, index, strict=True))
        numbers = (_estimate_text(line.estimates.at(*index), bounds=i < 3) for i, line in enumerate(cells.lines))
        failed = ", training failed" if cells.failed[index] else ""
        rows.append((*levels, f"{cells.regime(index)}{failed}", f"{cells.agreement(index):.0%}", *numbers))
    interval_note = bounds_note(
        (estimate for line in cells.lines for estimate in line.estimates.all()), cells.confidence
    )
    note = f"{f'Means over repeats {interval_note}'.rstrip()}. {' '.join(cells.notes)}"
    return table("Cells of the phase chart", columns, rows, note, len(cells.axes) + 1)


def _estimate_text(estimate: Estimate, bounds: bool) -> str:
    return estimate.short if bounds or not np.isfinite(estimate.mean) else number(estimate.mean, 3)


def counts_text(counts: Mapping[RegimeName, int]) -> str:
    """Return the number of cells in each regime as short text.

    >>> counts_text({"under-expressive": 3, "critically-expressive": 8, "sufficiently-expressive": 5})
    'under 3 · critically 8 · sufficiently 5'
    """
    return " · ".join(f"{name.removesuffix('-expressive')} {count:,}" for name, count in counts.items())


def _text(name: str) -> str:
    return files("hashlens.study.networks.regimes").joinpath(name).read_text(encoding="utf-8")
