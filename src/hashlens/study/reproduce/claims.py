"""Claims of the paper, put to the test on the results of a study."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hashlens.result import Result
from hashlens.study.charts.curves import CurveSeries, curve
from hashlens.study.charts.effects import EffectTable
from hashlens.study.charts.grid import lay_out, level_name, measure_label
from hashlens.study.charts.intervals import mean_intervals
from hashlens.study.reproduce.preset import Check
from hashlens.study.results import Results

TOLERANCE = 0.01
"""What a mean may move against a claimed trend from one level to the next: the paper's plots are read as finely."""
SHOWN = 3
"""Lines of evidence that are printed; all are in `to_dict`."""
Means = list[tuple[Any, float]]


@dataclass(frozen=True)
class Line:
    """What one line of numbers says of a claim."""

    holds: bool
    text: str


@dataclass(frozen=True)
class Finding(Result):
    """A claim, and whether it holds here.

    Attributes
    ----------
    says : str
        The claim.
    holding, tested : int
        Lines of numbers (a measure, a split, a level of another factor) for which it holds, and all of them.
    evidence : tuple of str
        Where it does not hold, how; where it holds everywhere, one example.
    """

    says: str
    holding: int
    tested: int
    evidence: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it holds everywhere."""
        return 0 < self.tested == self.holding

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, with whether the claim holds."""
        return {**super().to_dict(), "holds": self.holds}

    def __rich__(self) -> str:
        how = "holds" if self.holds else f"holds for {self.holding} of {self.tested}, not for"
        example = "such as " if self.holds and self.tested > 1 else ""
        return f"{self.says}: {how}{' – ' if self.holds else ' '}{example}{self.shown}"

    @property
    def shown(self) -> str:
        """The first of the evidence, as one phrase."""
        more = len(self.evidence) - SHOWN
        return "; ".join((*self.evidence[:SHOWN], *([f"and {more} more"] if more > 0 else [])))


def put_to_the_test(results: Results, check: Check, effects: EffectTable | None = None) -> Finding:
    """Put a claim to the test on means over repeats.

    ``falls`` and ``rises``: from the first level to the last, and no step goes the other way by more than
    ``TOLERANCE``. ``peaks``: the largest mean is at the level given. ``less``: the most that a measure moves along one
    axis is less than the most that it moves along another. ``exceeds``: one measure is above another at every level.
    ``dominate``: the total share of variance of each factor named exceeds that of every other factor.
    """
    works: dict[str, Callable[[], Iterable[Line]]] = {
        "falls": lambda: (_trend(name, means, -1.0) for name, means in _lines(results, check)),
        "rises": lambda: (_trend(name, means, 1.0) for name, means in _lines(results, check)),
        "peaks": lambda: (_peak(name, means, check.peak) for name, means in _lines(results, check)),
        "less": lambda: _less(results, check),
        "exceeds": lambda: _exceeds(results, check),
        "dominate": lambda: _dominate(effects, check),
    }
    lines = tuple(works[check.check]())
    against = tuple(line.text for line in lines if not line.holds)
    return Finding(check.says, len(lines) - len(against), len(lines), against or tuple(at.text for at in lines[:1]))


def _lines(results: Results, check: Check) -> Iterator[tuple[str, Means]]:
    for measure in check.measures:
        found = curve(results, measure, check.over, split=check.splits, by=check.by, where=check.where)
        for series in found.series:
            pairs = zip(found.levels, series.estimates, strict=True)
            known = [(level, at.mean) for level, at in pairs if at is not None]
            yield _name(series, check), [(x, y) for x, y in known if check.since is None or x >= check.since]


def _name(series: CurveSeries, check: Check) -> str:
    by = "" if check.by is None else f", {check.by.replace('_', ' ')} {level_name(series.level)}"
    return f"{measure_label(series.measure)} {series.split}{by}"


def _trend(name: str, means: Means, sign: float) -> Line:
    if len(means) < 2:
        return Line(False, f"{name}: not measured at two levels")
    (first, begins), (last, ends) = means[0], means[-1]
    text = f"{name}: {begins:.3f} at {level_name(first)}, {ends:.3f} at {level_name(last)}"
    steps = [(sign * (after - before), at, to) for (at, before), (to, after) in pairwise(means)]
    worst, at, to = min(steps, key=lambda step: step[0])
    if worst < -TOLERANCE:
        text += f", {'rises' if sign < 0 else 'falls'} by {-worst:.3f} from {level_name(at)} to {level_name(to)}"
    return Line(sign * (ends - begins) > 0 and worst >= -TOLERANCE, text)


def _peak(name: str, means: Means, wanted: Any) -> Line:
    if not means:
        return Line(False, f"{name}: not measured")
    level, most = max(means, key=lambda pair: pair[1])
    return Line(level == wanted, f"{name}: largest at {level_name(level)}, {most:.3f}")


def _less(results: Results, check: Check) -> Iterator[Line]:
    grid = lay_out(results, (check.over, check.than), check.where)
    for measure in check.measures:
        for split in check.splits:
            means = mean_intervals(grid.values(measure, split)).mean
            # fmax and fmin pass over cells where nothing was measured.
            spans = (np.fmax.reduce(means, axis) - np.fmin.reduce(means, axis) for axis in (0, 1))
            own, other = (float(np.fmax.reduce(span)) for span in spans)
            over, than = (axis.replace("_", " ") for axis in (check.over, check.than))
            moves = f"moves by up to {own:.3f} over {over}, {other:.3f} over {than}"
            yield Line(own < other, f"{measure_label(measure)} {split}: {moves}")


def _exceeds(results: Results, check: Check) -> Iterator[Line]:
    for measure in check.measures:
        both = curve(results, (measure, check.than), check.over, split=check.splits, by=check.by, where=check.where)
        half = len(both.series) // 2
        for own, other in zip(both.series[:half], both.series[half:], strict=True):
            for level, one, two in zip(both.levels, own.estimates, other.estimates, strict=True):
                if one is not None and two is not None:
                    name = f"{_name(own, check)}, {check.over.replace('_', ' ')} {level_name(level)}"
                    text = f"{name}: {one.mean:.3f} against {two.mean:.3f} of {measure_label(check.than)}"
                    yield Line(one.mean > two.mean, text)


def _dominate(effects: EffectTable | None, check: Check) -> Iterator[Line]:
    if effects is None:
        return
    for response in effects.responses:
        if all(np.isnan(at.total.value) for at in response.effects):
            yield Line(True, f"{response.name}: does not vary")
            continue
        totals: Mapping[str, float] = {at.factor: at.total.value for at in response.effects}
        least = min((name for name in totals if name in check.factors), key=lambda name: totals[name])
        most = max((name for name in totals if name not in check.factors), key=lambda name: totals[name])
        said = (f"{name.replace('_', ' ')} {max(totals[name], 0.0):.1%}" for name in (least, most))
        yield Line(totals[least] > totals[most], f"{response.name}: {' against '.join(said)}")
