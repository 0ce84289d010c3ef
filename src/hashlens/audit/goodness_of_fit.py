"""Goodness-of-fit test: whether a temperature and a share of wrong labels explain the disagreement with the labels.

The estimate of wrong labels (:mod:`hashlens.audit.noise_rate`) assumes that a network's probabilities, at one
temperature, are those of the right labels, and that wrong labels are spread evenly over the classes. Then, in any group
of examples chosen by these probabilities, observed labels match the fitted probabilities up to chance. Four sums of
observed minus fitted are tested:

- the likeliest class, in groups by confidence;
- the second likeliest class, in groups by confidence;
- the likeliest class, in groups by that class;
- the score of all labels towards a share of wrong labels below 0, which would mean that the network is underconfident.

Fitting removes part of these sums and of their variance (efficient scores). If labels are drawn from the fitted
probabilities, the first three statistics are chi-square, and the last is normal.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.audit.noise_rate import NoiseGrid
from hashlens.audit.temperature import LEAST, Probabilities, with_temperature
from hashlens.measures.classes import Labels

Values = npt.NDArray[np.float64]
SIZE = 0.05
"""Largest probability that the tests together reject a correct fit."""
CONFIDENCE_GROUPS, CLASS_GROUPS = 5, 20
"""Largest number of groups by confidence, and by class."""
MIN_VARIANCE = 5.0
"""Smallest variance of the labels in a group for which chi-square is a good approximation."""
ROWS = 20_000
"""Rows processed at a time."""
REASONS = {
    "sure": "no temperature calibrates the confidence of both unsure and sure examples",
    "second": "labels are the second likeliest class more or less often than the confidence and evenly spread "
    "wrong labels explain",
    "class": "the confidence is calibrated differently from class to class",
    "even": "the confidence is too uniform at any temperature, as after training with label smoothing",
}


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Fitted probabilities, outcomes and derivatives of the likeliest and the second likeliest class of n rows."""

    first: Labels
    expected: Values
    """``(2, n)``: fitted probability of the likeliest class and of the second."""
    observed: Values
    """``(2, n)``: 1 where that class is the label."""
    derivatives: Values
    """``(2, n, 2)``: derivatives of `expected` by log temperature and by rate."""
    score: Values
    """``(2,)``: derivatives of the log-likelihood of all labels."""
    information: Values
    """``(2, 2)``: the variance of `score` (Fisher information)."""


def misfit(probabilities: Probabilities, labels: Labels, grid: NoiseGrid) -> str:
    """Return in words how the fitted temperature and share of wrong labels fail to explain the labels; empty if not.

    A correct fit is rejected in about 5 % of cases at most.

    Parameters
    ----------
    probabilities : numpy.ndarray
        float64 ``(n, c)``: class probabilities of each example, from a source that has not seen its label.
    labels : numpy.ndarray
        int64 ``(n,)``: labels of the data set, 0 to c - 1.
    grid : NoiseGrid
        Likelihood of these labels under these probabilities.

    References
    ----------
    Neyman (1959): Optimal asymptotic tests of composite statistical hypotheses. Probability and Statistics, 213-234.
    """
    p_values = fit_p_values(probabilities, labels, grid)
    test = min(p_values, key=p_values.__getitem__)
    return REASONS[test] if p_values[test] < SIZE / len(p_values) else ""


def fit_p_values(probabilities: Probabilities, labels: Labels, grid: NoiseGrid) -> dict[str, float]:
    """Return the p-value of each of the four tests; see the module."""
    from scipy.stats import norm

    fitted = _fit(probabilities, labels, grid.temperature, grid.rate)
    (temperature_information, cross_information), (_, rate_information) = fitted.information
    residual = fitted.score[1] - cross_information / max(temperature_information, LEAST) * fitted.score[0]
    deviation = np.sqrt(max(rate_information - cross_information**2 / max(temperature_information, LEAST), LEAST))
    p_values = {
        "sure": _p_value(fitted, 0, _groups_by_value(-fitted.expected[0], _variance(fitted, 0))),
        "class": _p_value(fitted, 0, _groups_by_class(fitted.first, _variance(fitted, 0))),
        "even": float(norm.cdf(residual / deviation)),
    }
    if probabilities.shape[1] > 2:
        p_values["second"] = _p_value(fitted, 1, _groups_by_value(fitted.expected[1], _variance(fitted, 1)))
    return p_values


def _fit(probabilities: Probabilities, labels: Labels, temperature: float, rate: float) -> _Fitted:
    parts = [
        _fit_rows(probabilities[start : start + ROWS], labels[start : start + ROWS], temperature, rate)
        for start in range(0, len(labels), ROWS)
    ]
    return _Fitted(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.expected for part in parts], axis=1),
        np.concatenate([part.observed for part in parts], axis=1),
        np.concatenate([part.derivatives for part in parts], axis=1),
        np.sum([part.score for part in parts], axis=0),
        np.sum([part.information for part in parts], axis=0),
    )


def _fit_rows(probabilities: Probabilities, labels: Labels, temperature: float, rate: float) -> _Fitted:
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    other_rate = rate / (classes - 1)
    calibrated = with_temperature(probabilities, temperature)
    log_probabilities = np.log(np.maximum(probabilities, LEAST)) / temperature
    label_probabilities = np.maximum(calibrated * (1 - classes * other_rate) + other_rate, LEAST)
    by_temperature = (
        -(1 - classes * other_rate)
        * calibrated
        * (log_probabilities - (calibrated * log_probabilities).sum(axis=1, keepdims=True))
    )
    derivatives = np.stack([by_temperature, (1 - classes * calibrated) / (classes - 1)], axis=-1)
    top_two = np.argpartition(-probabilities, 1, axis=1)[:, :2].T
    return _Fitted(
        top_two[0],
        label_probabilities[rows, top_two],
        (labels == top_two).astype(np.float64),
        derivatives[rows, top_two],
        (derivatives[rows, labels] / label_probabilities[rows, labels][:, None]).sum(axis=0),
        np.einsum("nci,ncj->ij", derivatives, derivatives / label_probabilities[..., None]),
    )


def _variance(fitted: _Fitted, rank: int) -> Values:
    """Return the variance of the indicator that each label is the class of this rank, ``(n,)``."""
    expected: Values = fitted.expected[rank]
    return np.asarray(expected * (1 - expected))


def _groups_by_value(values: Values, variance: Values) -> Labels:
    """Return groups of rows ordered by value, each with about the same share of the variance."""
    count = max(1, min(CONFIDENCE_GROUPS, int(variance.sum() / MIN_VARIANCE)))
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(variance[order]) - variance[order]
    by_row = np.empty(len(values), np.int64)
    by_row[order] = np.minimum(cumulative / max(float(variance.sum()), LEAST) * count, count - 1).astype(np.int64)
    return by_row


def _groups_by_class(classes: Labels, variance: Values) -> Labels:
    """Return groups of rows by class; classes with little variance are merged with the next."""
    class_variances = np.bincount(classes, variance)
    step = max(MIN_VARIANCE, float(class_variances.sum()) / CLASS_GROUPS)
    groups, total, group = np.zeros(len(class_variances), np.int64), 0.0, 0
    for c, amount in enumerate(class_variances.tolist()):
        if total >= step:
            total, group = 0.0, group + 1
        groups[c], total = group, total + amount
    if total < step and group > 0:
        groups[groups == group] = group - 1
    return groups[classes]


def _p_value(fitted: _Fitted, rank: int, groups: Labels) -> float:
    """Return the p-value of the chi-square test of the sums of groups."""
    from scipy.stats import chi2

    residuals = np.bincount(groups, fitted.observed[rank] - fitted.expected[rank])
    derivatives = np.stack([np.bincount(groups, fitted.derivatives[rank][:, j]) for j in range(2)], axis=1)
    projection = derivatives @ np.linalg.pinv(fitted.information)
    corrected = residuals - projection @ fitted.score
    variance = np.diag(np.bincount(groups, _variance(fitted, rank))) - projection @ derivatives.T
    sizes, axes = np.linalg.eigh(variance)
    estimable = sizes > max(0.05 * MIN_VARIANCE, 1e-3 * float(sizes.max()))
    if not estimable.any():
        return 1.0
    return float(chi2.sf(((axes.T @ corrected)[estimable] ** 2 / sizes[estimable]).sum(), int(estimable.sum())))
