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
    seen: Values
    """``(2, n)``: 1 where it is the label."""
    moved: Values
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
    worst = min(p_values, key=p_values.__getitem__)
    return REASONS[worst] if p_values[worst] < SIZE / len(p_values) else ""


def fit_p_values(probabilities: Probabilities, labels: Labels, grid: NoiseGrid) -> dict[str, float]:
    """Return for each test how often chance makes labels look less like the fit; see the module."""
    from scipy.stats import norm

    fitted = _fitted(probabilities, labels, grid.temperature, grid.rate)
    (own, both), (_, rates) = fitted.information
    beyond = fitted.score[1] - both / max(own, LEAST) * fitted.score[0]
    deviation = np.sqrt(max(rates - both**2 / max(own, LEAST), LEAST))
    found = {
        "sure": _p_value(fitted, 0, _by_value(-fitted.expected[0], _variance(fitted, 0))),
        "class": _p_value(fitted, 0, _by_class(fitted.first, _variance(fitted, 0))),
        "even": float(norm.cdf(beyond / deviation)),
    }
    if probabilities.shape[1] > 2:
        found["second"] = _p_value(fitted, 1, _by_value(fitted.expected[1], _variance(fitted, 1)))
    return found


def _fitted(probabilities: Probabilities, labels: Labels, temperature: float, rate: float) -> _Fitted:
    parts = [
        _of_rows(probabilities[at : at + ROWS], labels[at : at + ROWS], temperature, rate)
        for at in range(0, len(labels), ROWS)
    ]
    return _Fitted(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.expected for part in parts], axis=1),
        np.concatenate([part.seen for part in parts], axis=1),
        np.concatenate([part.moved for part in parts], axis=1),
        np.sum([part.score for part in parts], axis=0),
        np.sum([part.information for part in parts], axis=0),
    )


def _of_rows(probabilities: Probabilities, labels: Labels, temperature: float, rate: float) -> _Fitted:
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    other = rate / (classes - 1)
    right = with_temperature(probabilities, temperature)
    logs = np.log(np.maximum(probabilities, LEAST)) / temperature
    mixed = np.maximum(right * (1 - classes * other) + other, LEAST)
    by_temperature = -(1 - classes * other) * right * (logs - (right * logs).sum(axis=1, keepdims=True))
    moved = np.stack([by_temperature, (1 - classes * right) / (classes - 1)], axis=-1)
    places = np.argpartition(-probabilities, 1, axis=1)[:, :2].T
    return _Fitted(
        places[0],
        mixed[rows, places],
        (labels == places).astype(np.float64),
        moved[rows, places],
        (moved[rows, labels] / mixed[rows, labels][:, None]).sum(axis=0),
        np.einsum("nci,ncj->ij", moved, moved / mixed[..., None]),
    )


def _variance(fitted: _Fitted, place: int) -> Values:
    """Return the variance of whether each label is the class at a place, ``(n,)``."""
    expected: Values = fitted.expected[place]
    return np.asarray(expected * (1 - expected))


def _by_value(values: Values, variance: Values) -> Labels:
    """Return groups of rows from low values to high ones, with a like share of the variance each."""
    groups = max(1, min(SURENESS, int(variance.sum() / LEAST_VARIANCE)))
    order = np.argsort(values, kind="stable")
    below = np.cumsum(variance[order]) - variance[order]
    found = np.empty(len(values), np.int64)
    found[order] = np.minimum(below / max(float(variance.sum()), LEAST) * groups, groups - 1).astype(np.int64)
    return found


def _by_class(classes: Labels, variance: Values) -> Labels:
    """Return groups of rows by class, neighbours together where a class has little variance."""
    each = np.bincount(classes, variance)
    step = max(LEAST_VARIANCE, float(each.sum()) / CLASSES)
    groups, filled, at = np.zeros(len(each), np.int64), 0.0, 0
    for one, amount in enumerate(each.tolist()):
        if filled >= step:
            filled, at = 0.0, at + 1
        groups[one], filled = at, filled + amount
    if filled < step and at > 0:
        groups[groups == at] = at - 1
    return groups[classes]


def _p_value(fitted: _Fitted, place: int, groups: Labels) -> float:
    """Return how often chance makes the sums of groups as unlike the fit."""
    from scipy.stats import chi2

    missed = np.bincount(groups, fitted.seen[place] - fitted.expected[place])
    moved = np.stack([np.bincount(groups, fitted.moved[place][:, at]) for at in range(2)], axis=1)
    taken = moved @ np.linalg.pinv(fitted.information)
    left = missed - taken @ fitted.score
    variance = np.diag(np.bincount(groups, _variance(fitted, place))) - taken @ moved.T
    sizes, axes = np.linalg.eigh(variance)
    kept = sizes > max(0.05 * LEAST_VARIANCE, 1e-3 * float(sizes.max()))
    if not kept.any():
        return 1.0
    return float(chi2.sf(((axes.T @ left)[kept] ** 2 / sizes[kept]).sum(), int(kept.sum())))
