"""Label noise: which classes are given in place of which, and how likely a given label so is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.measures.classes import Labels

Probabilities = npt.NDArray[np.float64]

# Below this a probability says no more than that a class was never seen.
LEAST = 1e-12
CLEAREST_SHARE = 0.1
CLEAREST_ROWS = 1000


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """How often each class is given in place of each other.

    Attributes
    ----------
    transition : numpy.ndarray
        float64 ``(c, c)``: row t, column g holds the probability that an example of class t is given label g.
    rate : float
        Share of all labels that is expected to be wrong.
    """

    transition: Probabilities
    rate: float


def label_noise(probabilities: Probabilities, labels: Labels) -> LabelNoise:
    """Estimate the noise of labels from the examples whose class is clear.

    An example is clear when its class is more probable than that of most examples predicted like it. What labels say
    there against the prediction is noise rather than doubt. The clearer half tells which classes are given in place of
    which; each kind of mistake counts as seen once more than it was, at the overall rate, so that kinds that were
    hardly seen are judged alike. How many labels are wrong is read off the clearest tenth (of fewer than 10,000
    examples, off 1,000, though never more than half): a network has its own mistakes among the clearer half.

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
    half = _counts(probabilities, labels, 0.5)
    share = min(0.5, max(CLEAREST_SHARE, CLEAREST_ROWS / len(labels)))
    return LabelNoise(_shrunk(half, _mistakes(half)), _mistakes(_counts(probabilities, labels, share)))


def _counts(probabilities: Probabilities, labels: Labels, share: float) -> Probabilities:
    """Count the labels given, by predicted class, among the clearest share of the examples predicted alike."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    counts = np.zeros((classes, classes))
    for one in np.unique(predicted).tolist():
        rows = np.flatnonzero(predicted == one)
        certain = probabilities[rows, one]
        clear = rows[certain >= np.quantile(certain, 1 - share)]
        counts[one] = np.bincount(labels[clear], minlength=classes)
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


def probability_wrong(together: Probabilities, labels: Labels, rate: float) -> tuple[Probabilities, Probabilities]:
    """Return for each row the log odds that its label is wrong, and the probability.

    The likeliest other class is weighed against the given one: doubt that is spread over many classes is a hard
    example more often than a wrong label. Bayes' rule gives odds that rank rows well and are off by about one factor,
    since probabilities learnt from noisy labels leave every label the share that noise has. The factor is the one with
    which the probabilities add up to the number of wrong labels that is expected.

    Parameters
    ----------
    together : numpy.ndarray
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

    right = together[np.arange(len(labels)), labels]
    others = together.copy()
    others[np.arange(len(labels)), labels] = 0.0
    tiny = np.finfo(np.float64).tiny
    odds = np.log(np.maximum(others.max(axis=1), tiny)) - np.log(np.maximum(right, tiny))
    reach = float(np.abs(odds).max()) + 50.0
    shift = brentq(lambda at: float(expit(odds + at).mean()) - rate, -reach, reach)
    return odds + shift, expit(odds + shift)


def geometric_mean(parts: Sequence[Probabilities]) -> Probabilities:
    """Return the normalised geometric mean of several probabilities ``(n, c)`` of the same rows.

    What one source rules out stays unlikely, however sure another is; and there is no weight to choose.
    """
    logs = sum(np.log(np.maximum(part, LEAST)) for part in parts) / len(parts)
    return _normalised(np.asarray(logs))


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return ``softmax(log p / T)``: flatter for a temperature above 1, sharper below."""
    return _normalised(np.log(np.maximum(probabilities, LEAST)) / temperature)


def fitted_temperature(probabilities: Probabilities, labels: Labels) -> float:
    """Return the temperature, from 1/20 to 20, at which the probabilities give the labels the highest likelihood.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017): On calibration of modern neural networks. ICML.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        own = with_temperature(probabilities, float(np.exp(log_temperature)))[rows, labels]
        return -float(np.log(np.maximum(own, LEAST)).mean())

    found = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def _normalised(logs: Probabilities) -> Probabilities:
    """Return ``softmax`` of rows."""
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return shares
