"""Shares of variance in a fully crossed table: exact analysis of variance, corrected for the noise of repeats."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.progress import track
from hashlens.seeds import numpy_generator

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VarianceShares:
    """Shares of the total variance of several responses.

    Attributes
    ----------
    first : numpy.ndarray
        ``(factors, responses)``: first-order shares: the variance between the means of each factor's levels.
    total : numpy.ndarray
        ``(factors, responses)``: total shares, including all interactions of the factor.
    interactions, residual : numpy.ndarray
        ``(responses,)``: shares of all interactions together, and of repeats within cells.
    variance : numpy.ndarray
        ``(responses,)``: total variance.
    """

    first: Array
    total: Array
    interactions: Array
    residual: Array
    variance: Array


def variance_shares(values: Array, checkpoints: int | None = None) -> VarianceShares:
    """Decompose the variance of a balanced, fully crossed table over its factors.

    Levels are fixed and equally weighted. The variance of means contains noise of the repeats, which would give a
    factor without an effect a positive share. Its expectation is subtracted, as in omega squared. So each variance is
    unbiased (their ratio, the share, is not exactly), and a share may be below 0. Checkpoints of one run share its
    noise. Effects of the checkpoint and its interactions are corrected by the noise within runs, all others by the
    noise between runs, as in a split-plot design. Both corrections are valid for any correlation of checkpoints and any
    differences of noise between cells.

    Parameters
    ----------
    values : numpy.ndarray
        ``(levels of each factor..., repeats, responses)``: complete values, with two or more repeats.
    checkpoints : int, optional
        Index of the factor that is measured repeatedly on the same runs.

    Returns
    -------
    VarianceShares

    References
    ----------
    Hays (1963): Statistics for psychologists, for omega squared. Sobol (1993) and Homma and Saltelli (1996), for
    first-order and total shares.
    """
    factors, repeats = values.ndim - 2, values.shape[-2]
    sizes = values.shape[:factors]
    n_checkpoints = 1 if checkpoints is None else sizes[checkpoints]
    cells = int(np.prod(sizes))
    runs, observations = cells // n_checkpoints, cells * repeats
    means = values.mean(axis=-2)
    between, within, residual = _noise_variances(values, checkpoints)
    all_factors = tuple(range(factors))
    explained = (
        means.var(axis=all_factors) - ((runs - 1) * between + runs * (n_checkpoints - 1) * within) / observations
    )
    first, total = [], []
    for factor, levels in enumerate(sizes):
        other_factors = tuple(axis for axis in all_factors if axis != factor)
        raw_first = means.mean(axis=other_factors).var(axis=0)
        raw_total = means.var(axis=factor).reshape(cells // levels, -1).mean(axis=0)
        if factor == checkpoints:
            first.append(raw_first - (n_checkpoints - 1) * within / observations)
            total.append(raw_total - runs * (n_checkpoints - 1) * within / observations)
        else:
            first.append(raw_first - (levels - 1) * between / observations)
            total.append(
                raw_total - (levels - 1) * (runs // levels) * (between + (n_checkpoints - 1) * within) / observations
            )
    variance = explained + residual
    # The mean of equal numbers may differ from them in the last bit, which must not count as variance.
    rounding = np.square(1e-12 * np.abs(values).max(axis=tuple(range(values.ndim - 1))))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(variance > rounding, 1 / variance, np.nan)
    return VarianceShares(
        np.array(first) * share,
        np.array(total) * share,
        (explained - np.sum(first, axis=0)) * share,
        residual * share,
        variance,
    )


def _noise_variances(values: Array, checkpoints: int | None) -> tuple[Array, Array, Array]:
    """Return variances of the repeats within cells, ``(responses,)`` each: between runs, within runs, and of values.

    Arguments are those of :func:`variance_shares`. The variance between runs is that of a run's mean over checkpoints,
    times their number; within runs it is 0 without checkpoints.
    """
    sizes, repeats = values.shape[:-2], values.shape[-2]
    n_checkpoints = 1 if checkpoints is None else sizes[checkpoints]
    cells = int(np.prod(sizes))
    runs = cells // n_checkpoints
    deviations = values - values.mean(axis=-2, keepdims=True)
    squares = np.square(deviations).reshape(cells * repeats, -1).sum(axis=0)
    residual = squares / (cells * (repeats - 1))
    if checkpoints is None:
        return residual, np.zeros_like(residual), residual
    run_squares = np.square(deviations.mean(axis=checkpoints)).reshape(runs * repeats, -1).sum(axis=0)
    between_squares = n_checkpoints * run_squares
    between = between_squares / (runs * (repeats - 1))
    within = (squares - between_squares) / (runs * (repeats - 1) * (n_checkpoints - 1))
    return between, within, residual


def bootstrap_shares(
    values: Array, checkpoints: int | None, draws: int, confidence: float, seed: int
) -> tuple[VarianceShares, VarianceShares]:
    """Return the bounds of the intervals of :func:`variance_shares`, by resampling repeats within cells.

    A repeat is drawn with all its checkpoints. Its deviation from the cell mean is scaled by sqrt(n / (n - 1)), since n
    resampled repeats vary too little otherwise. Resampling adds noise to means that contain noise already. So the
    deviations of the draws from their own mean are added to the estimate. The intervals are for other seeds, not for
    other levels. They covered the true share in 86 to 100 % of simulations with 2 to 5 repeats, at a level of 95 %.
    """
    factors, repeats = values.ndim - 2, values.shape[-2]
    rng = numpy_generator(seed, "effects")
    means = values.mean(axis=-2, keepdims=True)
    deviations = (values - means) * np.sqrt(repeats / (repeats - 1))
    shape = list(values.shape[:factors])
    if checkpoints is not None:
        shape[checkpoints] = 1
    drawn = []
    for _ in track(range(draws), "resampling repeats", draws):
        chosen = rng.integers(repeats, size=(*shape, repeats, 1))
        resampled = np.broadcast_to(chosen, (*values.shape[:-1], 1))
        drawn.append(variance_shares(means + np.take_along_axis(deviations, resampled, axis=-2), checkpoints))
    estimate = variance_shares(values, checkpoints)
    return (
        _bootstrap_bound(estimate, drawn, (1 - confidence) / 2),
        _bootstrap_bound(estimate, drawn, (1 + confidence) / 2),
    )


def _bootstrap_bound(estimate: VarianceShares, drawn: Sequence[VarianceShares], quantile: float) -> VarianceShares:
    ends = {}
    for name in ("first", "total", "interactions", "residual", "variance"):
        table = np.array([getattr(one, name) for one in drawn])
        ends[name] = getattr(estimate, name) + np.quantile(table, quantile, axis=0) - table.mean(axis=0)
    return VarianceShares(**ends)
