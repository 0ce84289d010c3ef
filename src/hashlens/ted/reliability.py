"""Reliability: how often pairs that a model gives a probability are right."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.report.figures import Lines, Series
from hashlens.tables import Table, number, table

BANDS = 10
"""Bands of probability, of equal width."""


@dataclass(frozen=True)
class ProbabilityBand:
    """Rows whose pair has a probability within a band.

    Attributes
    ----------
    low, high : float
        Ends of the band.
    rows : int
        Number of rows in it.
    probability : float
        Mean probability of these rows.
    right : float
        Share of these rows whose label and explanation are both right.
    """

    low: float
    high: float
    rows: int
    probability: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """Probabilities of pairs beside the shares that are right.

    Attributes
    ----------
    bands : tuple of ProbabilityBand
        Bands that have rows, in ascending order.

    References
    ----------
    Naeini, Cooper, Hauskrecht (2015): Obtaining well calibrated probabilities using Bayesian binning. AAAI.
    """

    bands: tuple[ProbabilityBand, ...]

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> "Reliability":
        """Return the reliability of n rows.

        Parameters
        ----------
        probabilities : numpy.ndarray
            float64 ``(n,)``: the probability of the pair that is predicted.
        right : numpy.ndarray
            bool ``(n,)``: whether label and explanation are both right.
        """
        places = np.minimum((probabilities * BANDS).astype(np.int64), BANDS - 1)
        return cls(
            tuple(
                ProbabilityBand(
                    low=place / BANDS,
                    high=(place + 1) / BANDS,
                    rows=int((places == place).sum()),
                    probability=float(probabilities[places == place].mean()),
                    right=float(right[places == place].mean()),
                )
                for place in np.unique(places).tolist()
            )
        )

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance between probability and share of right rows over the bands, weighted by rows (ECE)."""
        rows = sum(band.rows for band in self.bands)
        return sum(band.rows * abs(band.probability - band.right) for band in self.bands) / rows

    def table(self) -> Table:
        """Return the bands as a table."""
        rows = [
            (
                f"{band.low:.0%} to {band.high:.0%}",
                number(band.rows),
                number(band.probability, 3),
                number(band.right, 3),
            )
            for band in self.bands
        ]
        note = (
            "A calibrated model is right as often as it says: the last two columns agree. The expected calibration "
            f"error is {self.expected_calibration_error:.3f}."
        )
        columns = ("probability of label and explanation", "rows", "mean probability", "share right")
        return table("Probabilities and right answers", columns, rows, note)

    def figure(self) -> Lines:
        """Return the reliability diagram."""
        probabilities = tuple(band.probability for band in self.bands)
        return Lines(
            "Reliability",
            "probability of label and explanation",
            "share right",
            (
                Series("this model", probabilities, tuple(band.right for band in self.bands)),
                Series("calibrated", (0.0, 1.0), (0.0, 1.0)),
            ),
        )
