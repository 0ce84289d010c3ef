"""The figure data of a phase chart, and of its sensitivity to the thresholds."""

from collections.abc import Sequence
from typing import Any

from hashlens.measures.regime import RegimeThresholds
from hashlens.report.figures import Contour, Figure, Heatmap, Rule, Shares, Tile
from hashlens.study.charts.grid import conditions, level_name
from hashlens.study.networks.regimes.boundaries import Boundary, Polyline, position_of
from hashlens.study.networks.regimes.phase import FAILED_MARK, REGIME_COLOURS, REGIMES, PhaseCell, PhaseChart
from hashlens.study.networks.regimes.sensitivity import PhaseSensitivity, ThresholdSweep
from hashlens.study.networks.variables import VARIABLES

THRESHOLD_LABELS = {
    "under_redundancy": "threshold: under-expressive if R is above it",
    "under_retention": "threshold: under-expressive if retention is below it",
    "sufficient_redundancy": "threshold: sufficiently expressive if R is at most this",
    "sufficient_retention": "threshold: sufficiently expressive if retention is at least this",
}
"""Label of the axis of each threshold, by its name."""


def phase_map(chart: PhaseChart) -> Heatmap:
    """Return the map of a phase chart: cells coloured by regime, with R on train; paler where repeats disagree."""
    title_parts = (chart.study or "Activation hash phase chart", conditions(chart.where, (chart.x, chart.y)))
    repeats = max(cell.repeats for cell in chart.cells)
    return _regime_map(
        chart,
        opacities=[cell.agreement for cell in chart.cells],
        opacity_label="repeats that agree",
        title=": ".join(filter(None, title_parts)),
        contours=tuple(_contour(boundary, chart) for boundary in chart.boundaries if boundary.lines),
        pale_name=f"paler: repeats disagree (up to {repeats} repeats per cell)",
        note=" ".join(("Numbers: mean R on train.", chart.thresholds.source, *chart.notes)),
    )


def sensitivity_figures(sensitivity: PhaseSensitivity) -> tuple[Figure, ...]:
    """Return a map of the cells that never change regime, and the shares of regimes as each threshold moves."""
    fixed = sensitivity.fixed
    ranges = (f"{name.replace('_', ' ')} {low:g}–{high:g}" for name, (low, high) in sensitivity.ranges.items())
    fixed_map = _regime_map(
        sensitivity.chart,
        opacities=[float(is_fixed) for is_fixed in fixed],
        opacity_label="never changes",
        title=f"{sum(fixed)} of {len(fixed)} cells never change",
        contours=(),
        pale_name="paler: some thresholds in the ranges give another regime",
        note=f"Ranges: {', '.join(ranges)}. {sensitivity.chart.thresholds.source}",
    )
    return (fixed_map, *(_sweep_figure(sweep, len(fixed)) for sweep in sensitivity.sweeps))


def _sweep_figure(sweep: ThresholdSweep, cell_count: int) -> Shares:
    return Shares(
        title=f"{sweep.changed} of {cell_count} cells change",
        x_label=THRESHOLD_LABELS[sweep.name],
        y_label="share of cells",
        x=sweep.values,
        shares=tuple(tuple(count / cell_count for count in sweep.counts(name)) for name in REGIMES),
        names=REGIMES,
        colours=REGIME_COLOURS,
        rules=(Rule("x", sweep.used, "threshold in use"),),
    )


def _regime_map(
    chart: PhaseChart,
    *,
    opacities: Sequence[float],
    opacity_label: str,
    title: str,
    contours: tuple[Contour, ...],
    pale_name: str,
    note: str,
) -> Heatmap:
    """Return a map of the regimes of a chart; `opacities` has a number from 0 to 1 for each cell."""
    return Heatmap(
        title=title,
        x_label=VARIABLES.label(chart.x),
        y_label=VARIABLES.label(chart.y),
        columns=tuple(map(level_name, chart.x_levels)),
        rows=tuple(map(level_name, chart.y_levels)),
        tiles=tuple(_tile(chart, cell, opacity) for cell, opacity in zip(chart.cells, opacities, strict=True)),
        colours=REGIME_COLOURS,
        names=_regime_names(chart.thresholds),
        contours=contours,
        group_label="regime",
        text_label="R",
        opacity_label=opacity_label,
        pale_name=pale_name,
        crossed_name=f"{FAILED_MARK} training failed: less than {chart.min_relative_accuracy:.0%} of the best accuracy",
        crossed_label=("training", "failed"),  # heading of the column in the table, and its entry for such cells
        note=note,
    )


def _tile(chart: PhaseChart, cell: PhaseCell, opacity: float) -> Tile:
    ratio = f"{cell.redundancy_ratio.train.mean:.2f}"
    return Tile(
        column=chart.x_levels.index(cell.x),
        row=chart.y_levels.index(cell.y),
        value=REGIMES.index(cell.regime),
        opacity=opacity,
        text=(f"{FAILED_MARK} " if cell.failed else "") + ratio.removeprefix("0"),
        crossed=cell.failed,
    )


def _contour(boundary: Boundary, chart: PhaseChart) -> Contour:
    quantity = "R on train" if "redundancy" in boundary.name else "retention"
    return Contour(
        f"{quantity} = {boundary.threshold:g}",
        dashed=quantity == "retention",
        strong=boundary.name.startswith("under"),
        lines=tuple(_to_cell_positions(line, chart.x_levels, chart.y_levels) for line in boundary.lines),
    )


def _to_cell_positions(line: Polyline, x_levels: tuple[Any, ...], y_levels: tuple[Any, ...]) -> Polyline:
    """Convert the points of a line from values on the axes to fractional columns and rows of the map."""
    columns = position_of([x for x, _ in line], x_levels).tolist()
    rows = position_of([y for _, y in line], y_levels).tolist()
    return tuple(zip(columns, rows, strict=True))


def _regime_names(thresholds: RegimeThresholds) -> tuple[str, ...]:
    return (
        f"under-expressive: R > {thresholds.under_redundancy:g} or retention < {thresholds.under_retention:g}",
        "critically-expressive: between the two",
        f"sufficiently-expressive: R ≤ {thresholds.sufficient_redundancy:g} and "
        f"retention ≥ {thresholds.sufficient_retention:g}",
    )
