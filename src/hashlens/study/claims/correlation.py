"""Claims that two measures are correlated over the cells of a study."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from hashlens.errors import StudyError
from hashlens.study.charts.grid import lay_out, level_name, select_rows
from hashlens.study.charts.intervals import Array, Estimate
from hashlens.study.claims.claim import SPLIT_SEPARATOR, STRICT, Claim
from hashlens.study.claims.contrast import contrast_intervals
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results

FEWEST_CELLS = 3
"""Smallest number of cells: two points always have the correlation 1 or -1."""
Method = Literal["pearson", "spearman"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Correlation(Claim):
    """Claim that two measures correlate over cells: the mean correlation over repeats is in a range.

    A cell is a combination of levels of the factors and of the checkpoint. The claim is about the cells that `where`
    selects; with `by`, about the cells of each level of this factor separately. Each repeat gives one correlation.
    Their mean and its interval are computed on the scale of Fisher's z (see :func:`fisher_interval`). The sample size
    of the interval is the number of repeats, and not the number of cells.

    Attributes
    ----------
    to : str
        The measure that each of `measures` is correlated to; on the same split, unless it names another, as in
        ``redundancy_ratio on train``.
    above, below : float, optional
        Claimed bounds of the correlation, from -1 to 1.
    method : {"pearson", "spearman"}
        Correlation of the values, or of their ranks.
    """

    kind: Literal["correlation"]
    to: str
    above: float | None = Field(None, ge=-1, le=1)
    below: float | None = Field(None, ge=-1, le=1)
    method: Method = "pearson"

    @model_validator(mode="after")
    def _require_bound(self) -> "Correlation":
        if self.above is None and self.below is None:
            raise ValueError("must say above, below or both: a correlation from -1 to 1")
        return self

    def pending_lines(self, results: Results) -> Iterator[PendingLine]:
        """Yield a pending line for each measure, split and level of `by`: the correlation over cells."""
        rows = select_rows(results, self.where)
        axes = [axis for axis in rows.axes if len(rows.levels(axis)) > 1]
        levels = rows.levels(self.by) if self.by else [None]
        for measure, split in self.measures_and_splits(results):
            second_measure, _, named_split = self.to.partition(SPLIT_SEPARATOR)
            pair = ((measure, split), (second_measure, named_split or split))
            for level in levels:
                where = {**self.where, **({self.by: level} if self.by else {})}
                grid = lay_out(results, [axis for axis in axes if axis != self.by], where)
                values = np.stack([grid.values(measure_name, split_name) for measure_name, split_name in pair])
                values = drop_missing(values.reshape(2, -1, values.shape[-1]))
                name = " with ".join(
                    f"{results.variables.label(measure_name)} {split_name}".strip() for measure_name, split_name in pair
                )
                name += f", {self.by.replace('_', ' ')} {level_name(level)}" if self.by else ""
                per_repeat, cells = correlations(values, self.method, name), values.shape[1]
                interval = partial(fisher_interval, per_repeat, cells if self.method == "spearman" else 0)
                quantity = f"{self.method} correlation over {cells} cells"
                yield PendingLine(name, quantity, ClaimedRange(self.above, self.below), interval)


def drop_missing(values: Array) -> Array:
    """Return the values without cells that no repeat measured, and without repeats that lack one of the other cells.

    Parameters
    ----------
    values : numpy.ndarray
        ``(2, cells, repeats)``: both measures, NaN where a value is missing.
    """
    measured = values[:, np.isfinite(values).any(axis=(0, 2))]
    return np.asarray(measured[:, :, np.isfinite(measured).all(axis=(0, 1))])


def correlations(values: Array, method: Method, name: str = "") -> Array:
    """Return the correlation over cells in each repeat.

    The correlation is 0 in a repeat in which a measure has the same value in all cells.

    Parameters
    ----------
    values : numpy.ndarray
        ``(2, cells, repeats)``: both measures, without missing values (see :func:`drop_missing`).
    method : {"pearson", "spearman"}
        Correlation of the values, or of their ranks.
    name : str
        Name of the pair of measures, for the error message.

    Raises
    ------
    StudyError
        If there are fewer than three cells.
    """
    from scipy.stats import pearsonr, spearmanr

    if values.shape[1] < FEWEST_CELLS:
        raise StudyError(f"{name}: a correlation needs {FEWEST_CELLS} cells, received {values.shape[1]}")
    correlate = pearsonr if method == "pearson" else spearmanr
    varies = (np.ptp(values, axis=1) > 0).all(axis=0)
    per_repeat = [correlate(*values[..., i]).statistic if varies[i] else 0.0 for i in range(values.shape[2])]
    return np.array(per_repeat, np.float64)


def fisher_interval(per_repeat: Array, rank_cells: int, confidence: float) -> Estimate:
    """Return the mean correlation with its interval, both computed on the scale of Fisher's z.

    Each correlation r is transformed to ``z = arctanh(r)``. The mean of z and its Student t interval are transformed
    back by tanh.

    Parameters
    ----------
    per_repeat : numpy.ndarray
        ``(repeats,)``: the correlation in each repeat.
    rank_cells : int
        Number of cells, for rank correlations; 0 for correlations of values. Rank correlations of few cells have few
        possible values, so repeats may agree by chance. The number of cells gives the distance between these values,
        and the interval is then at least as wide as this distance requires; see :func:`contrast_intervals`.
    confidence : float
        Confidence level of the two-sided interval.
    """
    # Spearman's correlation is 1 - 6 D / (n (n^2 - 1)). D, the sum of squared differences of ranks, is even.
    step = 12 / (rank_cells * (rank_cells**2 - 1)) if rank_cells else 0.0
    # Correlations of 1 and -1 have an infinite z.
    limit = 1 - step / 2 if rank_cells else 1 - 1e-12
    z = np.arctanh(np.clip(per_repeat, -limit, limit))
    # The derivative of arctanh(r) is 1 / (1 - r^2).
    z_step = step / (1 - np.tanh(z.mean()) ** 2) if rank_cells and len(z) else 0.0
    estimate = contrast_intervals(
        z[None], weights=(1.0,), limits=((None, None),), confidence=confidence, steps=(z_step,)
    ).at()
    return replace(estimate, mean=np.tanh(estimate.mean), low=np.tanh(estimate.low), high=np.tanh(estimate.high))
