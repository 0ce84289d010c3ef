"""The null distribution of a ratio: how often ordinary rows have so low a ratio, measured with its uncertainty."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows

LEVEL = 0.95
SHIFT = 1 / 12
"""Largest excess over 1/4 of the share of queries in the null's lowest quarter; a larger excess is a shift."""
UNCHECKED_POWER = 0.6
"""The exponent of the curve's probability where no measurement bounds the null from below."""
Interval = tuple[float, float]


def smallest_expected_false(rows: int, queries: int) -> float:
    """Return the smallest `expected_false` for these queries that a null of so many rows can support."""
    return 2 * queries / (rows + 2)


@dataclass(frozen=True, eq=False)
class MeasuredNull:
    """The distribution of a ratio among ordinary rows, estimated from n surveyed rows.

    The probability that one more ordinary row has a ratio at or below that of c of the n rows is (c + 1) / (n + 1),
    whatever the distribution, since all n + 1 rows are exchangeable. Two rows that are nearest to each other are one
    pair counted twice; if all rows are in such pairs, the probability is (c + 2) / (n + 2). So for new queries the
    smallest probability is between 1 / (n + 1) and 2 / (n + 2), and rarer events cannot be bounded.

    Near-duplicates among the surveyed rows are not ordinary. The probability without the known copies is a lower bound;
    the probability with them is an upper bound. A smooth curve, fitted to the quartiles, chooses between the two
    bounds. It is not used outside them, since its tail gives probabilities that are several times too low. Without a
    curve the upper bound is used; without copies the two bounds agree.

    Attributes
    ----------
    all_ratios : numpy.ndarray
        float64 ``(n,)``, ascending: the ratios of all surveyed rows.
    ordinary_ratios : numpy.ndarray
        float64, ascending: the ratios of those that are not copies.
    fitted : OrdinaryRatios or None
        The curve through the quartiles.
    rows_per_pair : float
        Rows for each independent pair, from 1 to 2: two rows that are nearest to each other both have a low ratio.
    power : float
        The exponent of the curve's probability, at most 1; lower is more cautious.
    new_queries : int
        1 if the queries are not among the surveyed rows; 0 if they are the surveyed rows.
    """

    all_ratios: Ratios
    ordinary_ratios: Ratios
    fitted: OrdinaryRatios | None = None
    rows_per_pair: float = 1.0
    power: float = 1.0
    new_queries: int = 1

    @classmethod
    def measure(
        cls,
        ratios: Ratios,
        copies: npt.NDArray[np.bool_] | None = None,
        fitted: OrdinaryRatios | None = None,
        pairs: tuple[Rows, Rows] | None = None,
        power: float = 1.0,
        new_queries: int = 1,
    ) -> "MeasuredNull":
        """Return the null of these ratios, which may be any statistic.

        Parameters
        ----------
        ratios : numpy.ndarray
            float64 ``(n,)``, of the surveyed rows; lower is more suspicious.
        copies : numpy.ndarray, optional
            bool ``(n,)``: whether the row is known to be a copy of its nearest row; none by default.
        fitted : OrdinaryRatios, optional
            The curve through the quartiles of these ratios.
        pairs : pair of numpy.ndarray, optional
            int64 ``(n,)`` each: the surveyed rows, and the row nearest to each. They tell how many of the low ratios
            belong to one pair, which widens the interval.
        power : float
            The exponent of the curve's probability.
        new_queries : int
            1 if the queries are not among the surveyed rows, 0 if they are.
        """
        ordinary_ratios = ratios if copies is None else ratios[~copies]
        rows_per_pair = 1.0
        if pairs is not None and len(ratios):
            lowest = np.argsort(ratios, kind="stable")[: max(20, len(ratios) // 50)]
            pair_rows = np.sort(np.stack(pairs)[:, lowest], axis=0)
            rows_per_pair = len(lowest) / np.unique(pair_rows, axis=1).shape[1]
        return cls(np.sort(ratios), np.sort(ordinary_ratios), fitted, rows_per_pair, power, new_queries)

    def probability(self, ratios: npt.ArrayLike) -> Ratios:
        """Return the probability that an ordinary row has a ratio as low."""
        values = np.asarray(ratios, np.float64)
        n, added = len(self.all_ratios), self.new_queries * self.rows_per_pair
        lower = (np.searchsorted(self.ordinary_ratios, values, "right") + added) / max(1.0, n + added)
        upper = np.minimum(
            1.0, (np.searchsorted(self.all_ratios, values, "right") + max(1.0, added)) / (n + max(1.0, added))
        )
        if self.fitted is None:
            return np.asarray(upper)
        return np.clip(self.fitted.probability(values) ** self.power, lower, upper)

    @property
    def smallest_probability(self) -> float:
        """The smallest probability that n rows can support; 0 if the queries are the surveyed rows."""
        added = self.new_queries * self.rows_per_pair
        return added / max(1.0, len(self.all_ratios) + added)

    def threshold(self, expected_false: float, queries: int, observed_ratios: Ratios) -> float:
        """Return the largest observed ratio at which at most `expected_false` queries are expected by chance.

        It is 0, the ratio of an identical code, if no other is rare enough, and NaN if not even 0 is.

        Parameters
        ----------
        expected_false : float
            How many of the queries may be expected at or below the threshold.
        queries : int
            The number of queries.
        observed_ratios : numpy.ndarray
            float64: the ratios of the queries, to all of their neighbours.
        """
        observed_ratios = np.unique(np.concatenate([[0.0], observed_ratios.ravel(), self.all_ratios]))
        allowed = observed_ratios[queries * self.probability(observed_ratios) <= expected_false]
        return float(allowed[-1]) if len(allowed) else float("nan")

    def distribution_shift(self, queries: Ratios, threshold: float) -> str:
        """Return how the queries differ in distribution from the null; empty where they do not.

        Queries at or below the threshold may be copies and are left out. A network that has memorised its training rows
        places the other queries too nearer to them than training rows lie to each other. About a quarter of the queries
        should lie at or below the lower quartile of the null. The check fails if the number above that is more than a
        twelfth of the queries, more than three standard errors, and more than the number left out.
        """
        quarter = float(np.quantile(self.all_ratios, 0.25))
        share, unsuspected = float(np.mean(self.all_ratios <= quarter)), queries[queries > threshold]
        if quarter <= threshold or not len(unsuspected):
            return ""
        observed = float(np.mean(unsuspected <= quarter))
        surplus, n = (observed - share) * len(unsuspected), len(queries)
        # The quartile is an estimate too.
        spread = sqrt(share * (1 - share) * n * (1 + self.rows_per_pair * n / len(self.all_ratios)))
        if surplus <= max(SHIFT * n, 3 * spread, n - len(unsuspected)):
            return ""
        return (
            f"the distances differ from those in train: {observed:.0%} of the queries lie as near as "
            f"{share:.0%} of the training rows"
        )

    def interval(self, ratio: float, queries: int) -> Interval:
        """Return the 95 % interval of how many of the queries are expected by chance at or below a ratio."""
        from scipy.stats import gamma

        scale = queries / max(1, len(self.all_ratios)) * self.rows_per_pair
        # One of the expected pairs is the query itself.
        added = self.new_queries * self.rows_per_pair
        count = max(0.0, float(self.probability(ratio)) * (len(self.all_ratios) + added) - added) / self.rows_per_pair
        low, high = (1 - LEVEL) / 2, (1 + LEVEL) / 2
        return float(scale * gamma.ppf(low, count)) if count > 0 else 0.0, float(scale * gamma.ppf(high, count + 1))
