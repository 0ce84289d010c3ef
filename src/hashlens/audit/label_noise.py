"""Label noise: which classes are given in place of which, and how likely a given label so is wrong."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from hashlens.audit.doubt_fit import misfit
from hashlens.audit.noise_rate import noise_grid
from hashlens.audit.temperature import LEAST, Probabilities
from hashlens.measures.classes import Labels

CLEARER = 0.5
"""Share of the examples predicted alike that says which classes are given in place of which."""


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """How often each class is given in place of each other.

    Attributes
    ----------
    transition : numpy.ndarray
        float64 ``(c, c)``: row t, column g holds the probability that an example of class t is given label g.
    rate : float
        Share of all labels that is expected to be wrong.
    misfit : str
        Why the rate may be wrong, as :func:`hashlens.audit.doubt_fit.misfit` finds; empty where it finds nothing.
    """

    transition: Probabilities
    rate: float
    misfit: str = ""


def label_noise(probabilities: Float64[Probabilities, "n c"], labels: Int64[Labels, " n"]) -> LabelNoise:
    """Estimate the noise of labels: how much from all examples, of which kinds from those whose class is clear.

    An example is clear when its class is more probable than that of most examples predicted like it. What labels say
    there against the prediction is noise rather than doubt. The clearer half tells which classes are given in place of
    which; each kind of mistake counts as seen once more than it was, at the overall rate, so that kinds that were
    hardly seen are judged alike. How many labels are wrong in all is what the probabilities, calibrated, do not doubt
    themselves (:mod:`hashlens.audit.noise_rate`).

    Parameters
    ----------
    probabilities : numpy.ndarray
        float64 ``(n, c)``, of the class of each example, from a source that has not seen its label.
    labels : numpy.ndarray
        int64 ``(n,)``, given, from 0 to c - 1.

    References
    ----------
    Patrini, Rozza, Menon, Nock, Qu (2017): Making deep neural networks robust to label noise: a loss correction
    approach. CVPR (anchor points).
    """
    counts = _counts(probabilities, labels, CLEARER)
    # No rate is quite 0: odds are shifted until probabilities add up to it.
    grid = noise_grid(probabilities, labels)
    return LabelNoise(_shrunk(counts, _mistakes(counts)), max(grid.rate, LEAST), misfit(probabilities, labels, grid))


def _counts(probabilities: Probabilities, labels: Labels, share: float) -> Probabilities:
    """Count the labels given, by predicted class, among the clearest share of the examples predicted alike."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((classes, classes))
    for c in np.unique(predicted).tolist():
        rows = np.flatnonzero(predicted == c)
        confidence = probabilities[rows, c]
        chosen = rows[confidence >= np.quantile(confidence, 1 - share)]
        counts[c] = np.bincount(labels[chosen], minlength=classes)
    return counts


def _mistakes(counts: Probabilities) -> float:
    """Return the share of labels other than the prediction, one more than were seen: never 0, and never 1."""
    return min(float((counts.sum() - np.trace(counts) + 1) / (counts.sum() + 1)), 1 - LEAST)


def _shrunk(counts: Probabilities, rate: float) -> Probabilities:
    """Return the rows of counts as probabilities, after one more mistake of each kind at the overall rate."""
    others = max(1, len(counts) - 1)
    mistakes = np.ones_like(counts)
    np.fill_diagonal(mistakes, others * (1 - rate) / rate)
    added = counts + mistakes
    shares: Probabilities = added / added.sum(axis=1, keepdims=True)
    return shares


def joint(probabilities: Probabilities, labels: Labels, noise: LabelNoise) -> Probabilities:
    """Return the probability of each class together with the label that was given, float64 ``(n, c)``."""
    return probabilities * noise.transition.T[labels]


def probability_wrong(
    joint_probabilities: Float64[Probabilities, "n c"], labels: Int64[Labels, " n"], rate: float
) -> tuple[Float64[Probabilities, " n"], Float64[Probabilities, " n"]]:
    """Return for each row the log odds that its label is wrong, and the probability.

    The likeliest other class is weighed against the given one: doubt that is spread over many classes is a hard
    example more often than a wrong label. Bayes' rule gives odds that rank rows well and are off by about one factor,
    since probabilities learnt from noisy labels leave every label the share that noise has. The factor is the one with
    which the probabilities add up to the number of wrong labels that is expected.

    Parameters
    ----------
    joint_probabilities : numpy.ndarray
        float64 ``(n, c)``, as :func:`joint` returns it.
    labels : numpy.ndarray
        int64 ``(n,)``.
    rate : float
        Share of labels that is expected to be wrong.

    Returns
    -------
    log_odds, probability : numpy.ndarray
        float64 ``(n,)``, in nats, and from 0 to 1.
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
