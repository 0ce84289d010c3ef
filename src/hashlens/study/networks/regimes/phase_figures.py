"""The figure data of a phase chart and of its sensitivity."""

from collections.abc import Callable
from typing import Any

from hashlens.measures.regime import RegimeThresholds
from hashlens.report.figures import Contour, Figure, Heatmap, Rule, Shares, Tile
from hashlens.study.charts.grid import conditions, level_name
from hashlens.study.networks.regimes.boundaries import Boundary, Polyline, position_of
from hashlens.study.networks.regimes.phase import FAILED, REGIME_COLOURS, REGIMES, PhaseCell, PhaseChart
from hashlens.study.networks.regimes.sensitivity import PhaseSensitivity
from hashlens.study.networks.variables import VARIABLES

THRESHOLD_NOTE = "The thresholds are hashlens's own, not the paper's."
MOVED = {
    "under_redundancy": "threshold of R: under-expressive above",
    "under_retention": "threshold of retention: under-expressive below",
    "sufficient_redundancy": "threshold of R: sufficiently expressive up to",
    "sufficient_retention": "threshold of retention: sufficiently expressive from",
}
"""Label of the axis along which each threshold moves."""


def phase_map(chart: PhaseChart) -> Heatmap:
    """Return the figure data of a phase chart: R on train in the cells, paler where repeats disagree."""
    return _map(
        chart,
        lambda i: chart.cells[i].agreement,
        ": ".join(
            filter(None, (chart.study or "Activation hash phase chart", conditions(chart.where, (chart.x, chart.y))))
        ),
        tuple(_contour(line, chart) for line in chart.boundaries if line.lines),
        f"paler: repeats disagree (up to {max(cell.repeats for cell in chart.cells)} per cell)",
        " ".join(("Numbers: mean R on train.", THRESHOLD_NOTE, *chart.notes)),
    )


def sensitivity_figures(sensitivity: PhaseSensitivity) -> tuple[Figure, ...]:
    """Return the figures of a sensitivity: a map of the cells that can change, and counts as each threshold moves."""
    fixed = sensitivity.fixed
    cells = len(fixed)
    spans = (f"{name.replace('_', ' ')} {low:g}–{high:g}" for name, (low, high) in sensitivity.ranges.items())
    changing = _map(
        sensitivity.chart,
        lambda at: 1.0 if fixed[at] else 0.0,
        f"{sum(fixed)} of {cells} cells never change",
        (),
        "paler: some thresholds in the ranges give another regime",
        f"Ranges: {', '.join(spans)}. {THRESHOLD_NOTE}",
    )
    sweeps = (
        Shares(
            f"{sweep.changed} of {cells} cells change",
            MOVED[sweep.name],
            "share of cells",
            sweep.values,
            tuple(tuple(count / cells for count in sweep.counts(name)) for name in REGIMES),
            REGIMES,
            REGIME_COLOURS,
            (Rule("x", sweep.used, "threshold in use"),),
        )
        for sweep in sensitivity.sweeps
    )
    return (changing, *sweeps)


def _map(
    chart: PhaseChart,
    opacity: Callable[[int], float],
    title: str,
    contours: tuple[Contour, ...],
    faint_note: str,
    note: str,
) -> Heatmap:
    tiles = (_tile(chart, cell, opacity(i)) for i, cell in enumerate(chart.cells))
    return Heatmap(
        title,
        VARIABLES.label(chart.x),
        VARIABLES.label(chart.y),
        tuple(map(level_name, chart.x_levels)),
        tuple(map(level_name, chart.y_levels)),
        tuple(tiles),
        REGIME_COLOURS,
        _regime_names(chart.thresholds),
        contours=contours,
        group_label="regime",
        text_label="R",
        opacity_label="sure",
        faint=faint_note,
        crossed=f"{FAILED} training failed: less than {chart.learnt:.0%} of the best accuracy on train",
        crossed_label=("training", "failed"),
        note=note,
    )


def _tile(chart: PhaseChart, cell: PhaseCell, sure: float) -> Tile:
    text = f"{cell.redundancy_ratio.train.mean:.2f}"
    return Tile(
        chart.x_levels.index(cell.x),
        chart.y_levels.index(cell.y),
        REGIMES.index(cell.regime),
        sure,
        (f"{FAILED} " if cell.failed else "") + text.removeprefix("0"),
        cell.failed,
    )


def _contour(boundary: Boundary, chart: PhaseChart) -> Contour:
    quantity = "R on train" if "redundancy" in boundary.name else "retention"
    return Contour(
        f"{quantity} = {boundary.threshold:g}",
        dashed=quantity == "retention",
        strong=boundary.name.startswith("under"),
        lines=tuple(_in_positions(line, chart.x_levels, chart.y_levels) for line in boundary.lines),
    )


def _in_positions(line: Polyline, x_levels: tuple[Any, ...], y_levels: tuple[Any, ...]) -> Polyline:
    columns = position_of([x for x, _ in line], x_levels).tolist()
    rows = position_of([y for _, y in line], y_levels).tolist()
    return tuple(zip(columns, rows, strict=True))


def _regime_names(limits: RegimeThresholds) -> tuple[str, ...]:
    return (
        f"under-expressive: R > {limits.under_redundancy:g} or retention < {limits.under_retention:g}",
        "critically-expressive: between the two",
        f"sufficiently-expressive: R ≤ {limits.sufficient_redundancy:g} and "
        f"retention ≥ {limits.sufficient_retention:g}",
    )
