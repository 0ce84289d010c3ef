"""How many ordinary rows have so low a ratio by chance: measured, with its own uncertainty."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows

LEVEL = 0.95
SHIFT = 1 / 12
"""Queries are none of the null's kind where the share of them in its lower quarter is larger by more than this."""
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class MeasuredNull:
    """The distribution of a ratio among ordinary rows, from rows that were asked the same question.

    Near-duplicates among the rows asked are no ordinary rows. Without those known to be copies the share of rows at or
    below a ratio is a lower bound of the null; with them, and one row more, an upper bound. A smooth curve through the
    quartiles decides between the two, and nothing outside them; where there is none, the upper bound counts. Without
    copies the two bounds are one row apart, and the null is what was measured.

    Attributes
    ----------
    every : numpy.ndarray
        float64 ``(n,)``, ascending: the ratios of all rows asked.
    ordinary : numpy.ndarray
        float64, ascending: the ratios of those that are no copies.
    fitted : OrdinaryRatios or None
        The curve through the quartiles.
    mutual : float
        Rows for each independent pair, from 1 to 2: where two rows are nearest to each other, both have a low ratio.
    """

    every: Ratios
    ordinary: Ratios
    fitted: OrdinaryRatios | None = None
    mutual: float = 1.0

    @classmethod
    def measure(
        cls,
        ratios: Ratios,
        copies: npt.NDArray[np.bool_] | None = None,
        fitted: OrdinaryRatios | None = None,
        pairs: tuple[Rows, Rows] | None = None,
    ) -> "MeasuredNull":
        """Return the null of rows with these ratios, whatever the statistic.

        Parameters
        ----------
        ratios : numpy.ndarray
            float64 ``(n,)``: of each row asked; lower is more suspicious.
        copies : numpy.ndarray, optional
            bool ``(n,)``: whether the row is known to be a copy of its nearest row; none by default.
        fitted : OrdinaryRatios, optional
            The curve through the quartiles of these ratios.
        pairs : pair of numpy.ndarray, optional
            int64 ``(n,)`` each: the row number of each row asked, and of the row nearest to it. They say how many of
            the low ratios are two views of one pair, which widens the interval.
        """
        ordinary = ratios if copies is None else ratios[~copies]
        mutual = 1.0
        if pairs is not None and len(ratios):
            low = np.argsort(ratios, kind="stable")[: max(20, len(ratios) // 50)]
            both = np.sort(np.stack(pairs)[:, low], axis=0)
            mutual = len(low) / np.unique(both, axis=1).shape[1]
        return cls(np.sort(ratios), np.sort(ordinary), fitted, mutual)

    def probability(self, ratios: npt.ArrayLike) -> Ratios:
        """Return the probability that an ordinary row has such a ratio or a lower one."""
        asked = np.asarray(ratios, np.float64)
        n = len(self.every)
        most = np.minimum(1.0, (np.searchsorted(self.every, asked, "right") + 1) / (n + 1))
        if self.fitted is None:
            return np.asarray(most)
        least = np.searchsorted(self.ordinary, asked, "right") / max(1, n)
        return np.clip(self.fitted.probability(asked), least, most)

    def threshold(self, expected_false: float, queries: Ratios) -> float:
        """Return the largest ratio that occurs at which no more of the queries are expected by chance.

        It is 0, that of an identical code, where none that occurs is rare enough, and NaN where even that is not.

        Parameters
        ----------
        expected_false : float
            How many of the queries may be expected at or below the threshold.
        queries : numpy.ndarray
            float64 ``(m,)``: the ratios of the rows in question.
        """
        occurring = np.unique(np.concatenate([[0.0], queries, self.every]))
        allowed = occurring[len(queries) * self.probability(occurring) <= expected_false]
        return float(allowed[-1]) if len(allowed) else float("nan")

    def of_another_kind(self, queries: Ratios, threshold: float) -> str:
        """Return why the queries are not distributed as the null is; empty where they may be.

        Copies lie at or below the threshold, and say nothing of the others. A network that knows its training rows by
        heart has the others too lie nearer to these than they do to one another: a third of them, and more than are
        suspected, where a quarter of the null lies.
        """
        quarter = float(np.quantile(self.every, 0.25))
        share, others = float(np.mean(self.every <= quarter)), queries[queries > threshold]
        if quarter <= threshold or not len(others):
            return ""
        seen = float(np.mean(others <= quarter))
        surplus, n = (seen - share) * len(others), len(queries)
        if surplus <= max(SHIFT * n, 3 * sqrt(share * (1 - share) * n), n - len(others)):
            return ""
        return f"not of one kind: {seen:.0%} of the rows in question lie as near as {share:.0%} of the training rows do"

    def interval(self, ratio: float, queries: int) -> Interval:
        """Return the 95 % interval of how many of the queries are expected by chance at or below a ratio."""
        from scipy.stats import gamma

        scale = queries / max(1, len(self.every)) * self.mutual
        seen = float(self.probability(ratio)) * len(self.every) / self.mutual
        low, high = (1 - LEVEL) / 2, (1 + LEVEL) / 2
        return float(scale * gamma.ppf(low, seen)) if seen > 0 else 0.0, float(scale * gamma.ppf(high, seen + 1))
