"""Intervals by the jackknife over repeats, of numbers that only several repeats together give."""

from collections.abc import Callable

import numpy as np

from hashlens.study.charts.intervals import Array, Estimate, mean_intervals

FEWEST = 3
"""Repeats from which on there is an interval: a number of which two are needed must be there without one."""


def jackknife_interval(values: Array, statistic: Callable[[Array], float], confidence: float = 0.95) -> Estimate:
    """Return a statistic of all repeats, with Student's t interval of its pseudo-values.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n, ...)``: repeats first.
    statistic : callable
        Takes such an array of two repeats or more, and returns a number.
    confidence : float
        Level of the two-sided interval.

    Returns
    -------
    Estimate
        The mean of the pseudo-values: the statistic, less the bias that the jackknife finds. Ends are not a number with
        fewer than three repeats.

    References
    ----------
    Tukey (1958): Bias and confidence in not-quite large samples.
    """
    n = len(values)
    if n < FEWEST:
        estimate = statistic(values) if n == FEWEST - 1 else np.nan
        return Estimate(estimate, np.nan, np.nan, n)
    leave_one_out = np.array([statistic(np.delete(values, i, axis=0)) for i in range(n)])
    return mean_intervals(n * statistic(values) - (n - 1) * leave_one_out, "plain", confidence).at()
