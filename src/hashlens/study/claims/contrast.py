"""Intervals of contrasts: weighted sums of the means of several cells or measures, over paired repeats."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hashlens.study.charts.intervals import Array, Estimates, Limits, mean_intervals

EQUALITY_TOLERANCE, SMALLEST_STEP = 1e-9, 1e-5
"""Tolerances, as shares of the span of the values: smaller differences count as none, and a smaller step as none."""


def contrast_intervals(
    values: npt.ArrayLike,
    weights: Sequence[float],
    limits: Sequence[Limits],
    confidence: float = 0.95,
    steps: Sequence[float] | None = None,
) -> Estimates:
    """Return intervals of weighted sums of means over repeats.

    Each repeat gives one weighted sum, and Student's t interval of these sums is computed: with weights 1 and -1 it is
    that of the paired t test. Its coverage is too low near the limits of a term, where values are skewed. So a second
    interval is computed (MOVER): it combines the distances from each mean to the bounds of its own interval, which
    stays within the limits, with the correlation of the repeats. The wider of the two is used on each side. Both are
    the same without limits.

    Repeats of a measure with few possible values may agree by chance. Their spread is assumed to be at least half a
    step.

    Parameters
    ----------
    values : array of float
        ``(..., terms, n)``: the repeats of each term in the last axis, without missing values.
    weights : sequence of float
        Weight of each term.
    limits : sequence of (float or None, float or None)
        Limits of each term: its smallest and largest possible value.
    confidence : float
        Confidence level of the two-sided interval.
    steps : sequence of float, optional
        Step of each term: all differences of its values are multiples of it, as for counts. 0, the default, stands for
        continuous values. See :func:`step_of`.

    Returns
    -------
    Estimates
        Arrays of shape ``(...)``; bounds are NaN for fewer than two repeats.

    References
    ----------
    Zou, Donner (2008): Construction of confidence limits about effect measures: a general approach. Statistics in
    Medicine 27, for MOVER; Zou, Huang, Zhang (2009), for sums of several terms.
    """
    from scipy.special import stdtrit

    table, coefficients = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    n = table.shape[-1]
    sums = np.einsum("t,...tn->...n", coefficients, table)
    mean = sums.mean(axis=-1) if n else np.full(sums.shape[:-1], np.nan)
    repeats, flags = np.full(mean.shape, n), np.zeros(mean.shape, bool)
    if n < 2:
        return Estimates(mean, np.full(mean.shape, np.nan), np.full(mean.shape, np.nan), repeats, flags)
    minimum_spread = (
        np.linalg.norm(coefficients * np.asarray(steps if steps is not None else np.zeros(len(coefficients)))) / 2
    )
    half = stdtrit(n - 1, (1 + confidence) / 2) * np.maximum(sums.std(axis=-1, ddof=1), minimum_spread) / np.sqrt(n)
    below, above = _combine(table, coefficients, limits, confidence)
    return Estimates(mean, mean - np.maximum(half, below), mean + np.maximum(half, above), repeats, flags)


def step_of(values: npt.ArrayLike) -> float:
    """Return the largest number that divides all differences of the values, as for counts; 0 if there is none.

    >>> round(step_of([0.90, 0.98, 1.0]), 6), step_of([0.1, 0.3161, 0.7071068]), step_of([0.5, 0.5])
    (0.02, 0.0, 0.0)
    """
    numbers = np.asarray(values, np.float64)
    distinct = np.unique(numbers[np.isfinite(numbers)])
    step, span = 0.0, float(np.ptp(distinct)) if len(distinct) else 0.0
    for gap in np.diff(distinct).tolist():
        while gap > EQUALITY_TOLERANCE * span:  # Euclid's algorithm for inexact numbers
            step, gap = gap, abs(step - round(step / gap) * gap)
    return float(step) if step >= SMALLEST_STEP * span else 0.0


def _combine(table: Array, weights: Array, limits: Sequence[Limits], confidence: float) -> tuple[Array, Array]:
    """Return the distances from weighted sums to both bounds of their MOVER intervals."""
    parts = [mean_intervals(table[..., i, :], limits_of_term, confidence) for i, limits_of_term in enumerate(limits)]
    mean, low, high = (np.stack([getattr(part, name) for part in parts], axis=-1) for name in ("mean", "low", "high"))
    deviations = table - mean[..., None]
    norm = np.sqrt(np.square(deviations).sum(axis=-1, keepdims=True))
    directions = np.divide(deviations, norm, out=np.zeros_like(deviations), where=norm > 0)
    # With these unit vectors the correlations need no matrix: the sum of r_ij g_i g_j is the square of a length.
    below = weights * np.where(weights > 0, mean - low, high - mean)
    above = weights * np.where(weights > 0, high - mean, mean - low)
    lower, upper = (np.linalg.norm(np.einsum("...t,...tn->...n", ends, directions), axis=-1) for ends in (below, above))
    return lower, upper
