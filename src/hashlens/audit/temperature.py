"""Temperature scaling of probabilities, fitted to labels, and the geometric mean of several sources."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int64

from hashlens.measures.classes import Labels

Probabilities = npt.NDArray[np.float64]

# A smaller probability only means that the class was never seen.
LEAST = 1e-12


def geometric_mean(parts: Sequence[Probabilities]) -> Probabilities:
    """Return the normalised geometric mean of several probabilities ``(n, c)`` of the same rows.

    A class that one source rules out stays unlikely, however confident another is. There are no weights to tune.
    """
    logs = sum(np.log(np.maximum(part, LEAST)) for part in parts) / len(parts)
    return _normalise(np.asarray(logs))


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return ``softmax(log p / T)``: flatter for a temperature above 1, sharper below."""
    return _normalise(np.log(np.maximum(probabilities, LEAST)) / temperature)


def fitted_temperature(probabilities: Float64[Probabilities, "n c"], labels: Int64[Labels, " n"]) -> float:
    """Return the temperature, from 1/20 to 20, at which the probabilities give the labels the highest likelihood.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017): On calibration of modern neural networks. ICML.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        label_probabilities = with_temperature(probabilities, float(np.exp(log_temperature)))[rows, labels]
        return -float(np.log(np.maximum(label_probabilities, LEAST)).mean())

    result = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(result.x))


def _normalise(logs: Probabilities) -> Probabilities:
    """Return the softmax of each row."""
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return shares
