"""Correlations: claims that two measures are correlated over the cells of a study."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from hashlens.errors import StudyError
from hashlens.study.charts.grid import lay_out, level_name, narrowed
from hashlens.study.charts.intervals import Array, Estimate
from hashlens.study.claims.claim import ON, STRICT, Claim
from hashlens.study.claims.contrast import contrast_intervals
from hashlens.study.claims.lines import ClaimedRange, PendingLine
from hashlens.study.results import Results

FEWEST_CELLS = 3
Method = Literal["pearson", "spearman"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Correlation(Claim):
    """Claim that two measures correlate over cells: Fisher's mean of the correlations in each repeat is in a range.

    Cells are all combinations of levels, including checkpoints, that `where` selects; with `by`, those of one level at
    a time. The interval is over repeats, so more cells do not make it narrower.

    Attributes
    ----------
    to : str
        The second measure; on the same split, unless it names its own.
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
        """Yield the pending line of the correlation on each split and at each level of `by`."""
        rows = narrowed(results, self.where)
        axes = [axis for axis in rows.axes if len(rows.levels(axis)) > 1]
        levels = rows.levels(self.by) if self.by else [None]
        for measure, split in self.measures_and_splits(results):
            other, _, other_split = self.to.partition(ON)
            for level in levels:
                where = {**self.where, **({self.by: level} if self.by else {})}
                grid = lay_out(results, [axis for axis in axes if axis != self.by], where)
                values = np.stack([grid.values(measure, split), grid.values(other, other_split or split)])
                pair = ((measure, split), (other, other_split or split))
                name = " with ".join(
                    f"{results.variables.label(measure_name)} {split_name}".strip() for measure_name, split_name in pair
                )
                name += f", {self.by.replace('_', ' ')} {level_name(level)}" if self.by else ""
                per_repeat = correlations(values.reshape(2, -1, values.shape[-1]), self.method, name)
                cells = int(np.isfinite(values).all(axis=(0, -1)).sum())
                interval = partial(fisher_interval, per_repeat, cells if self.method == "spearman" else 0)
                quantity = f"{self.method} correlation over {cells} cells"
                yield PendingLine(name, quantity, ClaimedRange(self.above, self.below), interval)


def correlations(values: Array, method: Method, name: str = "") -> Array:
    """Return the correlation over cells in each repeat without missing cells.

    Parameters
    ----------
    values : numpy.ndarray
        ``(2, cells, repeats)``: both measures; cells that no repeat has are left out.
    method : {"pearson", "spearman"}
        Correlation of the values, or of their ranks.
    name : str
        Name for the error message.

    Raises
    ------
    StudyError
        If there are fewer than three cells.
    """
    from scipy.stats import pearsonr, spearmanr

    complete = values[:, np.isfinite(values).any(axis=(0, 2))]
    complete = complete[:, :, np.isfinite(complete).all(axis=(0, 1))]
    if complete.shape[1] < FEWEST_CELLS:
        raise StudyError(f"{name}: a correlation needs {FEWEST_CELLS} cells, received {complete.shape[1]}")
    correlate = pearsonr if method == "pearson" else spearmanr
    varies = (np.ptp(complete, axis=1) > 0).all(axis=0)
    per_repeat = [correlate(*complete[..., i]).statistic if varies[i] else 0.0 for i in range(complete.shape[2])]
    return np.array(per_repeat, np.float64)


def fisher_interval(correlations: Array, ranked: int, confidence: float) -> Estimate:
    """Return Fisher's mean of correlations, with Student's t interval of their z.

    Parameters
    ----------
    correlations : numpy.ndarray
        ``(repeats,)``: the correlation in each repeat.
    ranked : int
        Number of cells, for rank correlations; 0 for correlations of values. Rank correlations have few possible
        values: the number of cells keeps repeats that agree by chance from giving an interval of width 0.
    confidence : float
        Confidence level of the two-sided interval.
    """
    step = 12 / (ranked * (ranked**2 - 1)) if ranked else 0.0
    limit = 1 - step / 2 if ranked else 1 - 1e-12
    z = np.arctanh(np.clip(correlations, -limit, limit))
    width = step / (1 - np.tanh(z.mean()) ** 2) if ranked and len(z) else 0.0
    estimate = contrast_intervals(z[None], (1.0,), ((None, None),), confidence, (width,)).at()
    return replace(estimate, mean=np.tanh(estimate.mean), low=np.tanh(estimate.low), high=np.tanh(estimate.high))
