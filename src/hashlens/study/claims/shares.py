"""Comparison of factors by the share of the variance that each explains."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.errors import StudyError, nearest
from hashlens.study.charts.effects import EXAMPLES, finite_logit
from hashlens.study.charts.grid import Grid, lay_out, narrowed
from hashlens.study.charts.intervals import Array, Estimate
from hashlens.study.charts.variance import variance_shares
from hashlens.study.claims.jackknife import FEWEST, jackknife_interval
from hashlens.study.claims.lines import ClaimedRange, Question
from hashlens.study.results import Results

if TYPE_CHECKING:
    from hashlens.study.claims.difference import Difference


def factor_questions(claim: "Difference", results: Results, others: Any, claimed: ClaimedRange) -> Iterator[Question]:
    """Yield a question for each compared pair of factors: the difference of their total shares of variance."""
    rows = narrowed(results, claim.where)
    axes = [axis for axis in rows.axes if len(rows.levels(axis)) > 1]
    named = others if isinstance(others, tuple) else (others,)
    other_factors = [axis for axis in axes if axis not in claim.factors] if named == ("others",) else list(named)
    for factor in (*claim.factors, *other_factors):
        if factor not in axes:
            raise StudyError(f"{claim.says!r}: {factor!r} does not vary here: {nearest(str(factor), axes)}")
    grid = lay_out(results, axes, claim.where)
    for measure, split in claim.pairs(results):
        values = _repeats(grid, measure, split)
        if claim.scale == "logit":
            values = finite_logit(values, claim.examples.get(split, EXAMPLES))
        for factor, other in product(claim.factors, other_factors):
            name = f"{results.variables.label(measure)} {split}, {_factor_text(factor)} minus {_factor_text(other)}"
            interval = partial(_interval, values, grid.axes, results.step, factor, other)
            yield Question(name, "difference of shares of variance", claimed, interval, FEWEST)


def _interval(
    values: Array, axes: tuple[str, ...], step: str | None, factor: str, other: str, confidence: float
) -> Estimate:
    steps = axes.index(step) if step in axes else None

    def difference(repeats: Array) -> float:
        shares = variance_shares(np.moveaxis(repeats, 0, -1)[..., None], steps).total[:, 0]
        return float(shares[axes.index(factor)] - shares[axes.index(other)])

    if np.ptp(values) == 0:
        return Estimate(0.0, 0.0, 0.0, len(values))
    return jackknife_interval(values, difference, confidence)


def _repeats(grid: Grid, measure: str, split: str) -> Array:
    """Return the values ``(repeats, levels of each axis...)`` of a measure, without repeats that lack a cell."""
    table = np.moveaxis(grid.values(measure, split), -1, 0)
    return np.asarray(table[np.isfinite(table).reshape(len(table), -1).all(axis=1)])


def _factor_text(factor: Any) -> str:
    return str(factor).replace("_", " ")
