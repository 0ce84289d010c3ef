"""Doubt fit: whether a temperature and a share of wrong labels explain how often labels disagree with a network.

The estimate of wrong labels (:mod:`hashlens.audit.noise_rate`) takes for granted that a network's probabilities, at one
temperature, are those of the right labels, and that wrong ones are spread evenly. Then labels agree with the fitted
probabilities in any group of examples that the probabilities choose, but for chance. Four sums of what labels say less
what was fitted are held against chance:

- the likeliest class, in groups from the least sure examples to the surest;
- the second likeliest class, in such groups;
- the likeliest class, in groups of the class that it is;
- all labels, in the direction of a share of wrong ones below 0, which says that the network doubts too evenly.

Fitting takes part of such sums out, and of their variance too (efficient scores). What is left is chi-square, the last
one normal, if labels are drawn from the fitted probabilities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.audit.noise_rate import NoiseGrid
from hashlens.audit.temperature import LEAST, Probabilities, with_temperature
from hashlens.measures.classes import Labels

Values = npt.NDArray[np.float64]
SIZE = 0.05
"""How often a fit that is right is called wrong, by all tests together."""
SURENESS, CLASSES = 5, 20
"""At most so many groups by how sure a network is, and by class."""
LEAST_VARIANCE = 5.0
"""Of the labels in a group, below which chi-square is no good description of chance."""
ROWS = 20_000
"""Rows looked at a time."""
REASONS = {
    "sure": "no temperature calibrates the confidence, from the least sure examples to the surest",
    "second": "labels are the second choice more or less often than confidence and evenly spread mistakes explain",
    "class": "the confidence is calibrated differently from class to class",
    "even": "the confidence is too even for the labels at any temperature, as after training with smoothed labels",
}


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Of n rows, the likeliest class and the second: fitted probability, whether it is the label, and derivatives."""

    first: Labels
    expected: Values
    """``(2, n)``: of the likeliest class and of the second."""
    observed: Values
    """``(2, n)``: 1 where it is the label."""
    derivatives: Values
    """``(2, n, 2)``: derivatives of `expected` by log temperature and by rate."""
    score: Values
    """``(2,)``: derivatives of the log-likelihood of all labels."""
    information: Values
    """``(2, 2)``: its variance."""


def misfit(probabilities: Probabilities, labels: Labels, grid: NoiseGrid) -> str:
    """Return in words what the likeliest temperature and share of wrong labels do not explain; empty if nothing.

    Where they are right, something is found all the same in 5 % of cases.

    Parameters
    ----------
    probabilities : numpy.ndarray
        float64 ``(n, c)``, of the class of each example, from a source that has not seen its label.
    labels : numpy.ndarray
        int64 ``(n,)``, given, from 0 to c - 1.
    grid : NoiseGrid
        Of these.

    References
    ----------
    Neyman (1959): Optimal asymptotic tests of composite statistical hypotheses. Probability and Statistics, 213-234.
    """
    p_values = fit_p_values(probabilities, labels, grid)
    test = min(p_values, key=p_values.__getitem__)
    return REASONS[test] if p_values[test] < SIZE / len(p_values) else ""


def fit_p_values(probabilities: Probabilities, labels: Labels, grid: NoiseGrid) -> dict[str, float]:
    """Return for each test how often chance makes labels look less like the fit; see the module."""
    from scipy.stats import norm

    fitted = _fitted(probabilities, labels, grid.temperature, grid.rate)
    (temperature_information, cross_information), (_, rate_information) = fitted.information
    residual = fitted.score[1] - cross_information / max(temperature_information, LEAST) * fitted.score[0]
    deviation = np.sqrt(max(rate_information - cross_information**2 / max(temperature_information, LEAST), LEAST))
    p_values = {
        "sure": _p_value(fitted, 0, _by_value(-fitted.expected[0], _variance(fitted, 0))),
        "class": _p_value(fitted, 0, _by_class(fitted.first, _variance(fitted, 0))),
        "even": float(norm.cdf(residual / deviation)),
    }
    if probabilities.shape[1] > 2:
        p_values["second"] = _p_value(fitted, 1, _by_value(fitted.expected[1], _variance(fitted, 1)))
    return p_values


def _fitted(probabilities: Probabilities, labels: Labels, temperature: float, rate: float) -> _Fitted:
    parts = [
        _of_rows(probabilities[start : start + ROWS], labels[start : start + ROWS], temperature, rate)
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


def _of_rows(probabilities: Probabilities, labels: Labels, temperature: float, rate: float) -> _Fitted:
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
    """Return the variance of whether each label is the class at a place, ``(n,)``."""
    expected: Values = fitted.expected[rank]
    return np.asarray(expected * (1 - expected))


def _by_value(values: Values, variance: Values) -> Labels:
    """Return groups of rows from low values to high ones, with a like share of the variance each."""
    count = max(1, min(SURENESS, int(variance.sum() / LEAST_VARIANCE)))
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(variance[order]) - variance[order]
    by_row = np.empty(len(values), np.int64)
    by_row[order] = np.minimum(cumulative / max(float(variance.sum()), LEAST) * count, count - 1).astype(np.int64)
    return by_row


def _by_class(classes: Labels, variance: Values) -> Labels:
    """Return groups of rows by class, neighbours together where a class has little variance."""
    class_variances = np.bincount(classes, variance)
    step = max(LEAST_VARIANCE, float(class_variances.sum()) / CLASSES)
    groups, total, group = np.zeros(len(class_variances), np.int64), 0.0, 0
    for c, amount in enumerate(class_variances.tolist()):
        if total >= step:
            total, group = 0.0, group + 1
        groups[c], total = group, total + amount
    if total < step and group > 0:
        groups[groups == group] = group - 1
    return groups[classes]


def _p_value(fitted: _Fitted, rank: int, groups: Labels) -> float:
    """Return how often chance makes the sums of groups as unlike the fit."""
    from scipy.stats import chi2

    residuals = np.bincount(groups, fitted.observed[rank] - fitted.expected[rank])
    derivatives = np.stack([np.bincount(groups, fitted.derivatives[rank][:, j]) for j in range(2)], axis=1)
    projection = derivatives @ np.linalg.pinv(fitted.information)
    corrected = residuals - projection @ fitted.score
    variance = np.diag(np.bincount(groups, _variance(fitted, rank))) - projection @ derivatives.T
    sizes, axes = np.linalg.eigh(variance)
    estimable = sizes > max(0.05 * LEAST_VARIANCE, 1e-3 * float(sizes.max()))
    if not estimable.any():
        return 1.0
    return float(chi2.sf(((axes.T @ corrected)[estimable] ** 2 / sizes[estimable]).sum(), int(estimable.sum())))
