"""The figure data of a study's curves and of its effect table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hashlens.errors import StudyError, nearest
from hashlens.report.figures import Bars, Lines, Series
from hashlens.report.traces import zero_place
from hashlens.study.charts.curves import Curve, CurveSeries, Reference
from hashlens.study.charts.effects import EffectTable, ResponseEffects, Share
from hashlens.study.charts.grid import is_numeric, level_name
from hashlens.study.charts.summary import split_order
from hashlens.study.results import Results
from hashlens.study.variables import Variables


def curve_lines(curve: Curve, reference: Reference | None = None, reference_name: str = "") -> Lines:
    """Return the figure data of a curve, with published points beside it.

    Raises
    ------
    StudyError
        If `reference` names a line that the curve does not have, a level that is not a number on a numeric axis, or a
        level that is not on the axis if the axis is not numeric.
    """
    names = [series.name for series in curve.series]
    for name in reference or {}:
        if name not in names:
            raise StudyError(f"the curve has no line {name!r} to compare a reference with: {nearest(name, names)}")
    numeric = is_numeric(curve.levels)
    lines = tuple(_series(curve, series) for series in curve.series)
    measures = dict.fromkeys(series.measure for series in curve.series)
    points = {name: tuple(points) for name, points in (reference or {}).items()}
    # The brackets distinguish intervals from ranges in tables; in a legend they distinguish nothing.
    band_name = curve.interval_note.translate(dict.fromkeys(map(ord, "()[]")))
    return Lines(
        curve.title,
        curve.variables.label(curve.over),
        _value_label(curve.variables, list(measures)),
        lines,
        log_x=numeric and _is_spread(curve.levels),
        references=tuple(
            Series(name, tuple(_axis_position(curve, x) for x, _ in pairs), tuple(float(y) for _, y in pairs))
            for name, pairs in points.items()
        ),
        reference_name=reference_name,
        band_name=band_name,
        ticks=tuple((_axis_position(curve, level), level_name(level)) for level in curve.levels),
    )


@dataclass(frozen=True)
class Panel:
    """Panel of measures that are drawn together, each on some splits."""

    title: str
    measures: tuple[str, ...]
    splits: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield measure and split of each line."""
        yield from product(self.measures, self.splits)

    def name(self, measure: str, split: str, variables: Variables) -> str:
        """Return the name that distinguishes a line from the others; empty if it is alone."""
        parts = [variables.label(measure)] * (len(self.measures) > 1) + [split] * (len(self.splits) > 1)
        return ", ".join(parts)


def panels(results: Results) -> tuple[Panel, ...]:
    """Return panels of all measures of a study by group, except measures of single layers."""
    whole_codes, variables = results.where(layer=""), results.variables
    pairs = set(zip(whole_codes.columns["measure"].tolist(), whole_codes.columns["split"].tolist(), strict=True))
    splits_of = {
        measure: tuple(split_order(split for measured, split in pairs if measured == measure))
        for measure, _ in sorted(pairs)
    }
    by_title: dict[str, Panel] = {}
    for measure in (
        *(name for name in variables.measures if name in splits_of),
        *(name for name in splits_of if name not in variables.measures),
    ):
        group = variables.measures[measure].group if measure in variables.measures else ""
        if not group:
            by_title[measure] = Panel(variables.label(measure), (measure,), splits_of[measure])
            continue
        for split in sorted(splits_of[measure], key=lambda split: split != "test"):
            title = f"{group} on {split}" if split else group
            earlier = by_title[title].measures if title in by_title else ()
            by_title[title] = Panel(title, (*earlier, measure), (split,))
    return tuple(by_title.values())


def fixed_level(variables: Variables, axis: str, levels: Sequence[Any]) -> Any:
    """Return the level at which an axis is fixed in charts over other axes.

    It is the last level, or the first if the factor says so (`fixed_at`).
    """
    first = any(factor.name == axis and factor.fixed_at == "first" for factor in variables.factors)
    return levels[0 if first else -1]


def axis_positions(levels: Sequence[Any]) -> dict[str, Any]:
    """Return the positions of levels on an axis (``places``), and whether it is logarithmic (``log``).

    A logarithmic axis has no zero: a level of zero gets a position before the others.
    """
    if not is_numeric(levels):
        return {"places": list(range(len(levels))), "log": False}
    log = _is_spread(levels)
    zero = zero_place(levels) if log else 0.0
    return {"places": [float(level) or zero for level in levels], "log": log}


def _value_label(variables: Variables, measures: Sequence[str]) -> str:
    groups = {variables.measures[name].group if name in variables.measures else "" for name in measures}
    group = groups.pop() if len(groups) == 1 else ""
    return group or (variables.label(measures[0]) if len(measures) == 1 else "value")


def effect_bars(effects: EffectTable) -> tuple[Bars, ...]:
    """Return the figure data of an effect table: a panel of bars for each response."""
    return tuple(_response_bars(effects, response) for response in effects.responses)


def _response_bars(effects: EffectTable, response: ResponseEffects) -> Bars:
    names = (*map(effects.range_text, effects.ranges), "interactions", "repeats (other seeds)")
    first = (*(effect.first for effect in response.effects), response.interactions, response.residual)
    total = (*(effect.total for effect in response.effects), None, None)
    scale = ", logit scale" if response.scale == "logit" else ""
    return Bars(
        f"Variance of {response.name}{scale}",
        "share of variance",
        names,
        (("alone", tuple(map(_value, first))), ("with interactions", tuple(map(_value, total)))),
        (tuple(map(_ends, first)), tuple(map(_ends, total))),
        "{:z.0%}",
    )


def _series(curve: Curve, series: CurveSeries) -> Series:
    pairs = zip(curve.levels, series.estimates, strict=True)
    points = [(_axis_position(curve, level), estimate) for level, estimate in pairs if estimate is not None]
    return Series(
        series.name,
        tuple(x for x, _ in points),
        tuple(estimate.mean for _, estimate in points),
        tuple(estimate.low for _, estimate in points),
        tuple(estimate.high for _, estimate in points),
    )


def _axis_position(curve: Curve, level: Any) -> float:
    if is_numeric(curve.levels):
        try:
            return float(level)
        except (TypeError, ValueError) as error:
            raise StudyError(f"{curve.over} {level!r} is not a number, as the levels of the curve are") from error
    if level not in curve.levels:
        raise StudyError(f"{curve.over} {level!r} is not on the curve: {nearest(level, curve.levels)}")
    return float(curve.levels.index(level))


def _is_spread(levels: Sequence[float]) -> bool:
    """Return whether a logarithmic axis separates the levels better; a level of zero may precede the others."""
    positive = [level for level in levels if level > 0]
    return min(levels) >= 0 and len(positive) > 1 and max(positive) >= 8 * min(positive)


def _value(share: Share | None) -> float | None:
    return share.value if share is not None and math.isfinite(share.value) else None


def _ends(share: Share | None) -> tuple[float, float] | None:
    return (share.low, share.high) if share is not None and math.isfinite(share.low) else None
