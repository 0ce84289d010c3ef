"""Differences of factors: how much more of the variance one factor explains than another."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.errors import StudyError, nearest
from hashlens.study.charts.effects import DEFAULT_EXAMPLES, finite_logit
from hashlens.study.charts.grid import Grid, lay_out, select_rows
from hashlens.study.charts.intervals import Array, Estimate
from hashlens.study.charts.variance import variance_shares
from hashlens.study.claims.jackknife import MIN_REPEATS, jackknife_interval
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results

if TYPE_CHECKING:
    from hashlens.study.claims.difference import Difference


def factor_differences(
    claim: "Difference", results: Results, others: Any, claimed: ClaimedRange
) -> Iterator[PendingLine]:
    """Yield a pending line for each difference of the total shares of variance of two factors.

    Each factor of the claim is compared with each of the other factors, for each measure and split of the claim.

    Parameters
    ----------
    claim : Difference
        A claim with `factors`.
    results : Results
        Results of a study.
    others : str or tuple of str
        The other factors: one, several, or ``"others"`` for all that vary and are not in ``claim.factors``.
    claimed : ClaimedRange
        Range of each difference according to the claim.

    Raises
    ------
    StudyError
        If a factor does not vary in the results that satisfy ``claim.where``.
    """
    rows = select_rows(results, claim.where)
    varying = [axis for axis in rows.axes if len(rows.levels(axis)) > 1]
    given = others if isinstance(others, tuple) else (others,)
    other_factors = [axis for axis in varying if axis not in claim.factors] if given == ("others",) else list(given)
    for factor in (*claim.factors, *other_factors):
        if factor not in varying:
            raise StudyError(
                f"{claim.says!r}: {factor!r} does not vary in these results: {nearest(str(factor), varying)}"
            )
    grid = lay_out(results, varying, claim.where)
    for measure, split in claim.measures_and_splits(results):
        values = _complete_repeats(grid, measure, split)
        if claim.scale == "logit":
            values = finite_logit(values, claim.examples.get(split, DEFAULT_EXAMPLES))
        for factor, other in product(claim.factors, other_factors):
            name = f"{results.variables.label(measure)} {split}, {_factor_text(factor)} minus {_factor_text(other)}"
            interval = partial(_interval, values, grid.axes, results.step, factor, other)
            yield PendingLine(name, "difference of shares of variance", claimed, interval, MIN_REPEATS)


def _interval(
    values: Array, axes: tuple[str, ...], step: str | None, factor: str, other: str, confidence: float
) -> Estimate:
    """Return the share of `factor` minus that of `other`, from values ``(repeats, levels of each axis...)``."""
    step_axis = axes.index(step) if step in axes else None

    def difference(repeats: Array) -> float:
        # variance_shares takes (levels of each axis..., repeats, responses); there is one response.
        shares = variance_shares(np.moveaxis(repeats, 0, -1)[..., None], step_axis).total[:, 0]
        return float(shares[axes.index(factor)] - shares[axes.index(other)])

    if len(values) and np.ptp(values) == 0:  # nothing varies: the shares would be 0 / 0
        return Estimate(0.0, 0.0, 0.0, len(values))
    return jackknife_interval(values, difference, confidence)


def _complete_repeats(grid: Grid, measure: str, split: str) -> Array:
    """Return values ``(repeats, levels of each axis...)``, only of the repeats that have a value in every cell."""
    table = np.moveaxis(grid.values(measure, split), -1, 0)
    return np.asarray(table[np.isfinite(table).reshape(len(table), -1).all(axis=1)])


def _factor_text(factor: Any) -> str:
    return str(factor).replace("_", " ")
