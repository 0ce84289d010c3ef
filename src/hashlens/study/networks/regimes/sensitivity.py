"""Sensitivity of a phase chart to its thresholds: which cells change regime, and which never do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import StudyError, nearest
from hashlens.measures.regime import RegimeName, RegimeThresholds, regime
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.study.networks.regimes.phase import REGIMES, Against, PhaseCell, PhaseChart, phase_chart
from hashlens.study.results import Results
from hashlens.tables import table

THRESHOLDS = tuple(field.name for field in fields(RegimeThresholds))
RANGES: Mapping[str, tuple[float, float]] = {
    "under_redundancy": (0.3, 0.7),
    "under_retention": (0.7, 0.9),
    "sufficient_redundancy": (0.01, 0.1),
    "sufficient_retention": (0.9, 1.0),
}
"""Default range of each threshold: the values that seem defensible."""


@dataclass(frozen=True)
class ThresholdSweep(Result):
    """Regimes of a chart as one threshold moves and the others are fixed.

    Attributes
    ----------
    name : str
        Name of the threshold.
    used : float
        Its value in the chart.
    values : tuple of float
        Values over its range.
    regimes : tuple of tuple of str
        Regime of each cell at each value, in the order of the chart's cells.
    """

    name: str
    used: float
    values: tuple[float, ...]
    regimes: tuple[tuple[RegimeName, ...], ...]

    def counts(self, name: RegimeName) -> tuple[int, ...]:
        """Return the number of cells in a regime at each value."""
        return tuple(row.count(name) for row in self.regimes)

    @property
    def changed(self) -> int:
        """Number of cells that are in more than one regime over the range."""
        return sum(len(set(column)) > 1 for column in zip(*self.regimes, strict=True))


@dataclass(frozen=True)
class PhaseSensitivity(Result):
    """Sensitivity of the regimes of a chart to the thresholds.

    Attributes
    ----------
    chart : PhaseChart
        The chart with its own thresholds.
    ranges : dict of str to (float, float)
        Range of each threshold.
    sweeps : tuple of ThresholdSweep
        Results of moving one threshold at a time.
    lowest, highest : tuple of str
        Least and most expressive regime of each cell of the chart over **all combinations** of thresholds in the
        ranges. If they are equal, the cell never changes.
    """

    chart: PhaseChart
    ranges: dict[str, tuple[float, float]]
    sweeps: tuple[ThresholdSweep, ...]
    lowest: tuple[RegimeName, ...]
    highest: tuple[RegimeName, ...]

    @property
    def fixed(self) -> tuple[bool, ...]:
        """Whether each cell of the chart keeps its regime under any combination of thresholds in the ranges."""
        return tuple(low == high for low, high in zip(self.lowest, self.highest, strict=True))

    def __rich__(self) -> RenderableType:
        rows = []
        for sweep in self.sweeps:
            counts = (sweep.counts(name) for name in REGIMES)
            spans = (f"{min(count)}–{max(count)}" if min(count) < max(count) else f"{count[0]}" for count in counts)
            rows.append((sweep.name.replace("_", " "), f"{sweep.used:g}", f"{sweep.values[0]:g}–{sweep.values[-1]:g}",
                         *spans, f"{sweep.changed}"))  # fmt: skip
        columns = ("threshold", "used", "range", "under-", "critically", "sufficiently", "cells that change")
        cells, fixed = len(self.fixed), sum(self.fixed)
        return Group(
            table(f"Cells in each regime as one threshold moves, of {cells}", columns, rows),
            Text(f"{fixed} of {cells} cells ({fixed / cells:.0%}) never change, for all thresholds in these ranges."),
        )

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the cells that never change, and of the counts as each threshold moves."""
        from hashlens.study.networks.regimes.phase_figures import sensitivity_figures

        return sensitivity_figures(self)

    def page(self) -> Page:
        """Return the page of a sensitivity; it starts with the number of cells that never change."""
        from hashlens.study.networks.regimes.page import sensitivity_page

        return sensitivity_page(self)


def phase_sensitivity(
    results: Results,
    x: str = "width",
    y: str = "epochs",
    *,
    thresholds: RegimeThresholds | None = None,
    where: Mapping[str, Any] | None = None,
    against: Against = "best",
    ranges: Mapping[str, tuple[float, float]] | None = None,
    steps: int = 21,
) -> PhaseSensitivity:
    """Move the thresholds of a phase chart, and find the cells that change regime.

    Parameters
    ----------
    results, x, y, thresholds, where, against
        As in :func:`~hashlens.study.networks.regimes.phase.phase_chart`.
    ranges : mapping of str to (float, float), optional
        Ranges of some of the thresholds; ``RANGES`` for the others. The ranges of the two redundancies, and of the two
        retentions, must not overlap, but may touch; each must contain the chart's threshold.
    steps : int
        Number of values of each threshold, evenly spaced over its range; the chart's value is added.

    Raises
    ------
    StudyError
        If a range is unknown, overlaps another or does not contain the chart's threshold; and in the cases of
        ``phase_chart``.
    """
    chart = phase_chart(results, x, y, thresholds=thresholds, where=where, against=against)
    spans = _ranges(ranges or {}, chart.thresholds)
    require_whole(StudyError, "steps", steps, 2)
    sweeps = tuple(_sweep(chart, name, spans[name], steps) for name in THRESHOLDS)
    # A regime never gets less expressive as a redundancy threshold rises or a retention threshold falls. So two
    # corners of the box of thresholds give the bounds over all combinations in it.
    strict, lenient = (
        RegimeThresholds(**{name: spans[name][end if "redundancy" in name else 1 - end] for name in THRESHOLDS})
        for end in (0, 1)
    )
    return PhaseSensitivity(chart, spans, sweeps, _regimes(chart.cells, strict), _regimes(chart.cells, lenient))


def _ranges(ranges: Mapping[str, tuple[float, float]], limits: RegimeThresholds) -> dict[str, tuple[float, float]]:
    if not isinstance(ranges, Mapping):
        raise StudyError(f"ranges is a mapping such as {{'under_redundancy': (0.3, 0.7)}}, received {excerpt(ranges)}")
    for name, span in ranges.items():
        if name not in THRESHOLDS:
            raise StudyError(f"ranges has no threshold {name!r}: {nearest(name, THRESHOLDS)}")
        if not isinstance(span, Sequence) or len(span) != 2 or not all(map(is_number, span)):
            raise StudyError(f"the range of {name} must be two numbers, received {excerpt(span)}")
    spans = {name: tuple(map(float, {**RANGES, **ranges}[name])) for name in THRESHOLDS}
    for name, (low, high) in spans.items():
        used = getattr(limits, name)
        if not low <= used <= high:
            raise StudyError(f"the range of {name}, {low:g} to {high:g}, must contain the threshold in use, {used:g}")
    for lower, upper in (("sufficient_redundancy", "under_redundancy"), ("under_retention", "sufficient_retention")):
        if spans[lower][1] > spans[upper][0]:
            raise StudyError(
                f"the ranges of {lower} and {upper} must not overlap, "
                f"received {spans[lower][0]:g} to {spans[lower][1]:g} and {spans[upper][0]:g} to {spans[upper][1]:g}"
            )
    return {name: (low, high) for name, (low, high) in spans.items()}


def _sweep(chart: PhaseChart, name: str, span: tuple[float, float], steps: int) -> ThresholdSweep:
    used = getattr(chart.thresholds, name)
    even = (round(span[0] + (span[1] - span[0]) * step / (steps - 1), 12) for step in range(steps))
    values = tuple(sorted({*even, used}))
    regimes = tuple(_regimes(chart.cells, replace(chart.thresholds, **{name: value})) for value in values)
    return ThresholdSweep(name, used, values, regimes)


def _regimes(cells: Sequence[PhaseCell], limits: RegimeThresholds) -> tuple[RegimeName, ...]:
    return tuple(
        regime(cell.redundancy_ratio.train.mean, cell.retention.mean, thresholds=limits).name for cell in cells
    )
