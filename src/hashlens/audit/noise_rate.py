"""Noise rate: the share of wrong labels, and the accuracy if all labels were right.

A calibrated network whose predicted class has the probability p is expected to disagree with ``sum(1 - p)`` right
labels. Only disagreement beyond that is evidence of wrong labels. The likelihood of the label g of a row with
probabilities p is

    (1 - e) p_T(g) + e (1 - p_T(g)) / (c - 1),

where p_T is p at temperature T, and a share e of the labels is replaced by one of the c - 1 other classes with equal
probability. T and e are fitted together. A network with the accuracy A on right labels agrees with
``A (1 - e) + (1 - A) e / (c - 1)`` of the labels, and this equation is solved for A.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.audit.temperature import LEAST, Probabilities, with_temperature
from hashlens.measures.classes import Labels

Values = npt.NDArray[np.float64]
TEMPERATURES, RATES = 12, 32
"""Number of temperatures and of rates in the grid on which the likelihood is computed."""
MAX_TEMPERATURE = 20.0
"""Highest temperature; the lowest is its reciprocal."""
MAX_RATE_SHARE = 0.9
"""Highest rate of wrong labels, as a share of the rate at which labels carry no information."""
DROP = 8.0
"""Drop of the log-likelihood, in nats, at the edge of the grid: four standard errors."""
ZOOMS = 8
"""Largest number of grids that are computed, each finer around the maximum of the one before."""
ROWS = 20_000
"""Rows processed at a time."""


@dataclass(frozen=True, eq=False)
class NoiseGrid:
    """Log-likelihood of labels, on a grid around its maximum.

    Attributes
    ----------
    temperatures : numpy.ndarray
        float64 ``(t,)``, ascending: temperatures of the grid.
    rates : numpy.ndarray
        float64 ``(r,)``, ascending, from 0 to 1: shares of wrong labels of the grid.
    total : numpy.ndarray
        float64 ``(t, r)``: log-likelihood of all rows, in nats.
    classes : int
        Number of classes.
    """

    temperatures: Values
    rates: Values
    total: Values
    classes: int

    @property
    def temperature(self) -> float:
        """Likeliest temperature."""
        return float(self.temperatures[self.total.max(axis=1).argmax()])

    @property
    def highest_rate(self) -> float:
        """Highest rate of wrong labels that is considered."""
        return _highest_rate(self.classes)

    @property
    def rate(self) -> float:
        """Likeliest rate of wrong labels."""
        return float(self.rates[self.total.max(axis=0).argmax()])

    def log_likelihood(self, probabilities: Probabilities, labels: Labels) -> Values:
        """Return the log-likelihood of each label, ``(n, t * r)``, in nats."""
        return np.concatenate([
            _log_likelihood(probabilities[rows], labels[rows], self.temperatures, self.rates)
            for rows in (slice(start, start + ROWS) for start in range(0, len(labels), ROWS))
        ])  # fmt: skip

    def rates_of(self, totals: Values) -> Values:
        """Return the likeliest rate of each of m samples, from their log-likelihoods ``(m, t * r)``."""
        rates: Values = self.rates[totals.argmax(axis=1) % len(self.rates)]
        return rates


def noise_grid(probabilities: Probabilities, labels: Labels) -> NoiseGrid:
    """Compute the likelihood of a temperature and a share of wrong labels, on a grid around its maximum.

    Parameters
    ----------
    probabilities : numpy.ndarray
        float64 ``(n, c)``: class probabilities of each example, from a source that has not seen its label.
    labels : numpy.ndarray
        int64 ``(n,)``: labels of the data set, 0 to c - 1.
    """
    classes = probabilities.shape[1]
    most = _highest_rate(classes)
    temperatures = np.geomspace(1 / MAX_TEMPERATURE, MAX_TEMPERATURE, 2 * RATES)
    rates = np.concatenate([[0.0], np.geomspace(1e-4, most, RATES)])
    for _ in range(ZOOMS):
        total = sum(
            _log_likelihood(probabilities[start : start + ROWS], labels[start : start + ROWS], temperatures, rates).sum(
                axis=0
            )
            for start in range(0, len(labels), ROWS)
        )
        grid = NoiseGrid(temperatures, rates, np.reshape(total, (len(temperatures), -1)), classes)
        near = grid.total > grid.total.max() - DROP
        shares = [near.any(axis=1).mean(), near.any(axis=0).mean()]
        if len(temperatures) == TEMPERATURES and min(shares) > 0.5:
            break
        low, high = _adjacent_grid_values(temperatures, near.any(axis=1))
        temperatures = np.geomspace(low, high, TEMPERATURES)
        rates = np.linspace(*_adjacent_grid_values(rates, near.any(axis=0)), RATES)
    return grid


def accuracy_with_right_labels(agreement: Values, rates: Values, classes: int) -> Values:
    """Return the accuracy if all labels were right, from the share of labels predicted correctly; see the module."""
    other_rate = rates / (classes - 1)
    accuracy: Values = np.clip((agreement - other_rate) / (1 - classes * other_rate), 0.0, 1.0)
    return accuracy


def _highest_rate(classes: int) -> float:
    return MAX_RATE_SHARE * (classes - 1) / classes


def _log_likelihood(probabilities: Probabilities, labels: Labels, temperatures: Values, rates: Values) -> Values:
    """Return the log-likelihood of each label at each temperature and rate, ``(n, t * r)``."""
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    label_probabilities = np.stack(
        [with_temperature(probabilities, temperature)[rows, labels] for temperature in temperatures.tolist()], axis=1
    )
    other_rate = rates / (classes - 1)
    mixed = label_probabilities[:, :, None] * (1 - classes * other_rate) + other_rate
    return np.asarray(np.log(np.maximum(mixed, LEAST))).reshape(len(labels), -1)


def _adjacent_grid_values(values: Values, near: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the nearest grid values below and above those that are marked."""
    inside = np.flatnonzero(near)
    return float(values[max(0, inside[0] - 1)]), float(values[min(len(values) - 1, inside[-1] + 1)])
