"""How many ordinary rows have so low a ratio by chance: measured, with its own uncertainty."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows

LEVEL = 0.95
SHIFT = 1 / 12
"""Queries are none of the null's kind where the share of them in its lower quarter is larger by more than this."""
UNCHECKED = 0.6
"""The power of a curve's probability that stands for the null where nothing measured bounds it from below."""
Interval = tuple[float, float]


def least_promise(rows: int, queries: int) -> float:
    """Return how many of the queries may come so near by chance at the least that so many ordinary rows can show."""
    return 2 * queries / (rows + 2)


@dataclass(frozen=True, eq=False)
class MeasuredNull:
    """The distribution of a ratio among ordinary rows, from rows that were asked the same question.

    A further ordinary row comes at or below what c of n did with a probability of (c + 1) / (n + 1), whatever the
    distribution: all n + 1 are alike, and each place among them is as likely. Two rows that are nearest to each other
    are one pair seen twice; where all are, there are c / 2 of n / 2, and it is (c + 2) / (n + 2). So it is never less
    than 1 / (n + 1) to 2 / (n + 2), and what is rarer cannot be promised.

    Near-duplicates among the rows asked are no ordinary rows. Without those known to be copies the probability is a
    lower bound of the null; with them an upper bound. A smooth curve through the quartiles decides between the two, and
    nothing outside them: further out it takes rows for several times as rare as they are. Where there is none the upper
    bound counts, and without copies the two are one.

    Attributes
    ----------
    every : numpy.ndarray
        float64 ``(n,)``, ascending: the ratios of all rows asked.
    ordinary : numpy.ndarray
        float64, ascending: the ratios of those that are no copies.
    fitted : OrdinaryRatios or None
        The curve through the quartiles.
    power : float
        What the curve's probability is raised to, at most 1: lower is more cautious.
    further : int
        1 where the rows in question are further rows, and 0 where they are those that were asked: of these as many are
        ordinary as were seen.
    mutual : float
        Rows for each independent pair, from 1 to 2: where two rows are nearest to each other, both have a low ratio.
    """

    every: Ratios
    ordinary: Ratios
    fitted: OrdinaryRatios | None = None
    mutual: float = 1.0
    power: float = 1.0
    further: int = 1

    @classmethod
    def measure(
        cls,
        ratios: Ratios,
        copies: npt.NDArray[np.bool_] | None = None,
        fitted: OrdinaryRatios | None = None,
        pairs: tuple[Rows, Rows] | None = None,
        power: float = 1.0,
        further: int = 1,
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
        power : float
            What the curve's probability is raised to.
        further : int
            Whether the rows in question are further rows, 1, or those that were asked, 0.
        """
        ordinary = ratios if copies is None else ratios[~copies]
        mutual = 1.0
        if pairs is not None and len(ratios):
            low = np.argsort(ratios, kind="stable")[: max(20, len(ratios) // 50)]
            both = np.sort(np.stack(pairs)[:, low], axis=0)
            mutual = len(low) / np.unique(both, axis=1).shape[1]
        return cls(np.sort(ratios), np.sort(ordinary), fitted, mutual, power, further)

    def probability(self, ratios: npt.ArrayLike) -> Ratios:
        """Return the probability that an ordinary row has such a ratio or a lower one."""
        asked = np.asarray(ratios, np.float64)
        n, more = len(self.every), self.further * self.mutual
        least = (np.searchsorted(self.ordinary, asked, "right") + more) / max(1.0, n + more)
        most = np.minimum(1.0, (np.searchsorted(self.every, asked, "right") + max(1.0, more)) / (n + max(1.0, more)))
        if self.fitted is None:
            return np.asarray(most)
        return np.clip(self.fitted.probability(asked) ** self.power, least, most)

    @property
    def rarest(self) -> float:
        """The lowest probability that so many rows can show."""
        more = self.further * self.mutual
        return more / max(1.0, len(self.every) + more)

    def threshold(self, expected_false: float, queries: int, occurring: Ratios) -> float:
        """Return the largest ratio that occurs at which no more of the queries are expected by chance.

        It is 0, that of an identical code, where none that occurs is rare enough, and NaN where even that is not.

        Parameters
        ----------
        expected_false : float
            How many of the queries may be expected at or below the threshold.
        queries : int
            Rows in question.
        occurring : numpy.ndarray
            float64: the ratios of these rows, and of their further neighbours.
        """
        occurring = np.unique(np.concatenate([[0.0], occurring.ravel(), self.every]))
        allowed = occurring[queries * self.probability(occurring) <= expected_false]
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
        # The quarter of the null is measured too.
        spread = sqrt(share * (1 - share) * n * (1 + self.mutual * n / len(self.every)))
        if surplus <= max(SHIFT * n, 3 * spread, n - len(others)):
            return ""
        return f"not of one kind: {seen:.0%} of the rows in question lie as near as {share:.0%} of the training rows do"

    def interval(self, ratio: float, queries: int) -> Interval:
        """Return the 95 % interval of how many of the queries are expected by chance at or below a ratio."""
        from scipy.stats import gamma

        scale = queries / max(1, len(self.every)) * self.mutual
        # Of the pairs expected one is that in question itself.
        more = self.further * self.mutual
        seen = max(0.0, float(self.probability(ratio)) * (len(self.every) + more) - more) / self.mutual
        low, high = (1 - LEVEL) / 2, (1 + LEVEL) / 2
        return float(scale * gamma.ppf(low, seen)) if seen > 0 else 0.0, float(scale * gamma.ppf(high, seen + 1))
