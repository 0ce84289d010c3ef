"""The figure data of a study's curves and of its effect table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hashlens.errors import StudyError, nearest
from hashlens.report.figures import Bars, Lines, Series
from hashlens.report.traces import zero_place
from hashlens.study.charts.boundaries import is_numeric
from hashlens.study.charts.curves import Curve, CurveSeries, Reference
from hashlens.study.charts.effects import EffectTable, ResponseEffects, Share
from hashlens.study.charts.grid import axis_label, level_name, measure_label
from hashlens.study.results import Results


def curve_lines(curve: Curve, reference: Reference | None = None, reference_name: str = "") -> Lines:
    """Return the figure data of a curve, with others' points beside it.

    Raises
    ------
    StudyError
        If `reference` names no line of the curve, or a level that is no number on an axis of numbers.
    """
    names = [series.name for series in curve.series]
    for name in reference or {}:
        if name not in names:
            raise StudyError(f"the curve has no line {name!r} to set a reference beside: {nearest(name, names)}")
    numeric = is_numeric(curve.levels)
    lines = tuple(_series(curve, series) for series in curve.series)
    measures = dict.fromkeys(series.measure for series in curve.series)
    points = {name: tuple(points) for name, points in (reference or {}).items()}
    return Lines(
        curve.title,
        axis_label(curve.over),
        _value_label(list(measures)),
        lines,
        log_x=numeric and _is_spread(curve.levels),
        references=tuple(
            Series(name, tuple(_place(curve, x) for x, _ in at), tuple(float(y) for _, y in at))
            for name, at in points.items()
        ),
        reference_name=reference_name,
        band_name=curve.around.translate(dict.fromkeys(map(ord, "()[]"))) if any(at.low for at in lines) else "",
        ticks=tuple((_place(curve, level), level_name(level)) for level in curve.levels),
    )


ACCURACIES = ("network_accuracy", "knn", "logistic", "kmeans_purity", "kmeans_hungarian")
SPLITS = ("train", "test", "uniform", "bytes")
LEAST = ("architecture", "label_noise", "weight_decay", "batch_norm", "dropout")
"""Axes that stand at their first level where they are not looked at: no noise, no regularization."""


@dataclass(frozen=True)
class Panel:
    """Measures of a study that are drawn together, each on every one of some splits."""

    title: str
    measures: tuple[str, ...]
    splits: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield measure and split of each line."""
        yield from product(self.measures, self.splits)

    def name(self, measure: str, split: str) -> str:
        """Return what tells a line from the others; empty when it is alone."""
        parts = [measure_label(measure)] * (len(self.measures) > 1) + [split] * (len(self.splits) > 1)
        return ", ".join(parts)


def panels(results: Results) -> tuple[Panel, ...]:
    """Return everything that a study measured on whole codes: R, the accuracies on test, then the rest."""
    whole = results.where(layer="")
    held = set(zip(whole.columns["measure"].tolist(), whole.columns["split"].tolist(), strict=True))
    on = {measure: tuple(split for split in SPLITS if (measure, split) in held) for measure in whole.levels("measure")}
    found = []
    for split in ("test", "train"):
        right = tuple(measure for measure in ACCURACIES if split in on.get(measure, ()))
        if right:
            found.append(Panel(f"accuracy on {split}", right, (split,)))
    others = sorted(set(on) - set(ACCURACIES), key=lambda measure: (measure != "redundancy_ratio", measure))
    alone = [Panel(measure_label(measure), (measure,), on[measure]) for measure in others]
    first = 1 if "redundancy_ratio" in on else 0
    return (*alone[:first], *found, *alone[first:])


def settled(axis: str, levels: Sequence[Any]) -> Any:
    """Return the level at which an axis is held while others are looked at: the last, or none of what disturbs."""
    return levels[0 if axis in LEAST else -1]


def axis_places(levels: Sequence[Any]) -> dict[str, Any]:
    """Return where levels stand on an axis, and whether it is logarithmic; zero stands a little before the rest."""
    if not is_numeric(levels):
        return {"places": list(range(len(levels))), "log": False}
    log = _is_spread(levels)
    before = zero_place(levels) if log else 0.0
    return {"places": [float(level) or before for level in levels], "log": log}


def _value_label(measures: Sequence[str]) -> str:
    if len(measures) == 1:
        return measure_label(measures[0])
    return "accuracy" if set(ACCURACIES).issuperset(measures) else "value"


def effect_bars(effects: EffectTable) -> tuple[Bars, ...]:
    """Return the figure data of an effect table: a panel of bars for each response."""
    return tuple(_response_bars(effects, response) for response in effects.responses)


def _response_bars(effects: EffectTable, response: ResponseEffects) -> Bars:
    names = (*map(effects.range_text, effects.ranges), "interactions", "repeats (other seeds)")
    first = (*(at.first for at in response.effects), response.interactions, response.residual)
    total = (*(at.total for at in response.effects), None, None)
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
    known = [(_place(curve, level), estimate) for level, estimate in pairs if estimate is not None]
    return Series(
        series.name,
        tuple(place for place, _ in known),
        tuple(estimate.mean for _, estimate in known),
        tuple(estimate.low for _, estimate in known),
        tuple(estimate.high for _, estimate in known),
    )


def _place(curve: Curve, level: Any) -> float:
    if is_numeric(curve.levels):
        return float(level)
    if level not in curve.levels:
        raise StudyError(f"{curve.over} {level!r} is not on the curve: {nearest(level, curve.levels)}")
    return float(curve.levels.index(level))


def _is_spread(levels: Sequence[float]) -> bool:
    """Whether levels are better told apart on a logarithmic axis; zero may stand before it."""
    positive = [level for level in levels if level > 0]
    return min(levels) >= 0 and len(positive) > 1 and max(positive) >= 8 * min(positive)


def _value(share: Share | None) -> float | None:
    return share.value if share is not None and math.isfinite(share.value) else None


def _ends(share: Share | None) -> tuple[float, float] | None:
    return (share.low, share.high) if share is not None and math.isfinite(share.low) else None
