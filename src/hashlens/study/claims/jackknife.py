"""Jackknife intervals over repeats, for statistics that need several repeats."""

from collections.abc import Callable

import numpy as np

from hashlens.study.charts.intervals import Array, Estimate, mean_intervals

MIN_REPEATS = 3
"""Smallest number of repeats with an interval: the jackknife leaves out one, and the statistic needs two."""


def jackknife_interval(values: Array, statistic: Callable[[Array], float], confidence: float = 0.95) -> Estimate:
    """Return a statistic of all repeats, with Student's t interval of its pseudo-values.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n, ...)``: repeats in the first axis.
    statistic : callable
        Function from such an array with two or more repeats to a number.
    confidence : float
        Confidence level of the two-sided interval.

    Returns
    -------
    Estimate
        Mean of the pseudo-values: the statistic minus its bias by the jackknife. Bounds are NaN for fewer than three
        repeats.

    References
    ----------
    Tukey (1958): Bias and confidence in not-quite large samples.
    """
    n = len(values)
    if n < MIN_REPEATS:
        estimate = statistic(values) if n == MIN_REPEATS - 1 else np.nan
        return Estimate(estimate, np.nan, np.nan, n)
    leave_one_out = np.array([statistic(np.delete(values, i, axis=0)) for i in range(n)])
    return mean_intervals(n * statistic(values) - (n - 1) * leave_one_out, "plain", confidence).at()
