"""Label noise: how often examples of one class have the label of another, and how likely each label is wrong."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from hashlens.audit.goodness_of_fit import misfit
from hashlens.audit.noise_rate import noise_grid
from hashlens.audit.temperature import LEAST, Probabilities
from hashlens.measures.classes import Labels

CLEAR_SHARE = 0.5
"""Share of the examples of each predicted class, the clearest, from which the noise matrix is estimated."""


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """Model of label noise: how often examples of one class have the label of another.

    Attributes
    ----------
    transition : numpy.ndarray
        float64 ``(c, c)``: row t, column g holds the probability that an example of class t has the label g.
    rate : float
        Expected share of wrong labels.
    misfit : str
        Why the rate may be wrong, as :func:`hashlens.audit.goodness_of_fit.misfit` finds; empty where it finds nothing.
    """

    transition: Probabilities
    rate: float
    misfit: str = ""


def label_noise(probabilities: Float64[Probabilities, "n c"], labels: Int64[Labels, " n"]) -> LabelNoise:
    """Estimate label noise: its rate from all examples, its confusions from those whose class is clear.

    An example is clear if its class is more probable than that of most examples with the same predicted class. A label
    that disagrees with a clear prediction is counted as noise. The clearer half of the examples gives the confusions.
    Each kind of mistake is counted once more than it was seen, at the overall rate, so that rare kinds get similar
    probabilities. The rate is the disagreement beyond the uncertainty of the calibrated probabilities
    (:mod:`hashlens.audit.noise_rate`).

    Parameters
    ----------
    probabilities : numpy.ndarray
        float64 ``(n, c)``: class probabilities of each example, from a source that has not seen its label.
    labels : numpy.ndarray
        int64 ``(n,)``: labels of the data set, 0 to c - 1.

    References
    ----------
    Patrini, Rozza, Menon, Nock, Qu (2017): Making deep neural networks robust to label noise: a loss correction
    approach. CVPR (anchor points).
    """
    counts = _label_counts(probabilities, labels, CLEAR_SHARE)
    # The rate is never exactly 0: odds are shifted until the mean probability equals it.
    grid = noise_grid(probabilities, labels)
    return LabelNoise(
        _smoothed_shares(counts, _mistake_rate(counts)), max(grid.rate, LEAST), misfit(probabilities, labels, grid)
    )


def _label_counts(probabilities: Probabilities, labels: Labels, share: float) -> Probabilities:
    """Count labels by predicted class, among the clearest share of the examples of each predicted class."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((classes, classes))
    for c in np.unique(predicted).tolist():
        rows = np.flatnonzero(predicted == c)
        confidence = probabilities[rows, c]
        chosen = rows[confidence >= np.quantile(confidence, 1 - share)]
        counts[c] = np.bincount(labels[chosen], minlength=classes)
    return counts


def _mistake_rate(counts: Probabilities) -> float:
    """Return the share of labels that differ from the prediction, counting one more, so that it is never 0 or 1."""
    return min(float((counts.sum() - np.trace(counts) + 1) / (counts.sum() + 1)), 1 - LEAST)


def _smoothed_shares(counts: Probabilities, rate: float) -> Probabilities:
    """Return the rows of counts as probabilities, smoothed by one mistake of each kind at the overall rate."""
    others = max(1, len(counts) - 1)
    mistakes = np.ones_like(counts)
    np.fill_diagonal(mistakes, others * (1 - rate) / rate)
    added = counts + mistakes
    shares: Probabilities = added / added.sum(axis=1, keepdims=True)
    return shares


def joint_probability(probabilities: Probabilities, labels: Labels, noise: LabelNoise) -> Probabilities:
    """Return the joint probability of each class and the observed label, float64 ``(n, c)``."""
    return probabilities * noise.transition.T[labels]


def probability_wrong(
    joint_probabilities: Float64[Probabilities, "n c"], labels: Int64[Labels, " n"], rate: float
) -> tuple[Float64[Probabilities, " n"], Float64[Probabilities, " n"]]:
    """Return for each row the log odds that its label is wrong, and the probability.

    The odds compare the likeliest other class with the label. Probability spread over many other classes does not
    count, since it marks a hard example more often than a wrong label. These odds rank rows well but are off by about
    one common factor, because probabilities learnt from noisy labels contain the noise. The factor is chosen so that
    the mean probability equals `rate`.

    Parameters
    ----------
    joint_probabilities : numpy.ndarray
        float64 ``(n, c)``, as :func:`joint_probability` returns it.
    labels : numpy.ndarray
        int64 ``(n,)``: the observed labels.
    rate : float
        Expected share of wrong labels.

    Returns
    -------
    log_odds, probability : numpy.ndarray
        float64 ``(n,)``: in nats, and from 0 to 1.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    as_labelled = joint_probabilities[np.arange(len(labels)), labels]
    others = joint_probabilities.copy()
    others[np.arange(len(labels)), labels] = 0.0
    tiny = np.finfo(np.float64).tiny
    odds = np.log(np.maximum(others.max(axis=1), tiny)) - np.log(np.maximum(as_labelled, tiny))
    bound = float(np.abs(odds).max()) + 50.0
    shift = brentq(lambda s: float(expit(odds + s).mean()) - rate, -bound, bound)
    return odds + shift, expit(odds + shift)
