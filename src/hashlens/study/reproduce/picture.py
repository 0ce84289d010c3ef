"""Pictures of a reproduction: curves with the paper's points, phase charts, their sensitivity, effects."""

from dataclasses import dataclass

from hashlens.report.figures import Figure
from hashlens.result import Result
from hashlens.study.charts.curves import Curve, curve
from hashlens.study.charts.effects import EffectTable, effect_table
from hashlens.study.networks.regimes.phase import PhaseChart, phase_chart
from hashlens.study.networks.regimes.sensitivity import PhaseSensitivity, phase_sensitivity
from hashlens.study.reproduce.comparison import resolve_level
from hashlens.study.reproduce.preset import Level, Panel, Reference
from hashlens.study.results import Results

Part = Curve | PhaseChart | PhaseSensitivity | EffectTable


@dataclass(frozen=True)
class Picture(Result):
    """Panels that are drawn together.

    Attributes
    ----------
    name : str
        Name of the picture's files, without suffix.
    parts : tuple
        Results that are drawn; each gives one or more panels.
    paper : tuple of dict
        For each part, the paper's points (level, value), keyed by the name of the line that they belong to.
    """

    name: str
    parts: tuple[Part, ...]
    paper: tuple[dict[str, tuple[tuple[Level, float], ...]], ...]

    def figures(self) -> tuple[Figure, ...]:
        """Return the panels as figure data; curves include the paper's points."""
        from hashlens.study.charts.figures import curve_lines

        panels: list[Figure] = []
        for part, points in zip(self.parts, self.paper, strict=True):
            if isinstance(part, Curve):
                panels.append(curve_lines(part, points, "the paper's, read off plots, ± 0.01"))
            else:
                panels += part.figures()
        return tuple(panels)


def picture(
    name: str, panels: tuple[Panel, ...], results: Results, reference: Reference | None, examples: dict[str, int]
) -> Picture:
    """Return the picture that a preset describes.

    Parameters
    ----------
    name : str
        Name of the picture's files, without suffix.
    panels : tuple of Panel
        Definitions of the panels.
    results : Results
        Results of the study.
    reference : Reference, optional
        The paper's figures.
    examples : dict of str to int
        Number of examples on which R was measured, by split; the effect table needs it.
    """
    parts = tuple(_part(panel, results, examples) for panel in panels)
    return Picture(name, parts, tuple(_points(part, results, reference) for part in parts))


def _part(panel: Panel, results: Results, examples: dict[str, int]) -> Part:
    if panel.kind == "phase":
        return phase_chart(results, panel.x, panel.y, where=panel.where)
    if panel.kind == "sensitivity":
        return phase_sensitivity(results, panel.x, panel.y, where=panel.where)
    if panel.kind == "effects":
        return effect_table(results, where=panel.where, examples=examples)
    return curve(results, panel.measures, panel.x, split=panel.splits or None, by=panel.by, where=panel.where)


def _points(part: Part, results: Results, reference: Reference | None) -> dict[str, tuple[tuple[Level, float], ...]]:
    """Return the paper's points for the lines of a curve; upper bounds are left out."""
    if reference is None or not isinstance(part, Curve):
        return {}
    by_series: dict[str, tuple[tuple[Level, float], ...]] = {}
    for series in part.series:
        series_level = {} if part.by is None else {part.by: series.level}
        for points in reference.points:
            if (points.measure, points.split, points.over, points.at) == (
                series.measure,
                series.split,
                part.over,
                series_level,
            ):
                values = tuple((resolve_level(results, points.over, level), value) for level, value in points.values)
                by_series[series.name] = by_series.get(series.name, ()) + values
    return {name: points for name, points in by_series.items() if points}
