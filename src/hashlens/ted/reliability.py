"""Reliability diagrams: how often predictions of label and explanation are right, by their predicted probability."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.intervals import clopper_pearson
from hashlens.report.figures import Lines, Series
from hashlens.tables import Table, number, table

BANDS = 10
"""Number of bands (the bins of the reliability diagram), of equal width."""


@dataclass(frozen=True)
class ProbabilityBand:
    """One bin of the reliability diagram: the rows whose predicted label and explanation have a probability within it.

    Attributes
    ----------
    low, high : float
        Smallest and largest probability of the band.
    rows : int
        Number of rows in it.
    probability : float
        Mean predicted probability of these rows.
    right : float
        Share of these rows whose label and explanation are both right.
    right_low, right_high : float
        Ends of the exact (Clopper-Pearson) 95 % confidence interval of `right`.
    """

    low: float
    high: float
    rows: int
    probability: float
    right: float
    right_low: float
    right_high: float


@dataclass(frozen=True)
class Reliability:
    """Reliability diagram: in each band, the mean predicted probability and the share of right predictions.

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
            float64 ``(n,)``: predicted probability of the predicted label and explanation together.
        right : numpy.ndarray
            bool ``(n,)``: whether the predicted label and explanation are both right.
        """
        band_of_row = np.minimum((probabilities * BANDS).astype(np.int64), BANDS - 1)
        bands = []
        for index in np.unique(band_of_row).tolist():
            within = band_of_row == index
            rows, hits = int(within.sum()), int(right[within].sum())
            low, high = clopper_pearson(hits, rows, 0.95)
            mean = float(probabilities[within].mean())
            bands.append(ProbabilityBand(index / BANDS, (index + 1) / BANDS, rows, mean, hits / rows, low, high))
        return cls(tuple(bands))

    @property
    def expected_calibration_error(self) -> float:
        """ECE: mean over rows of the absolute difference between mean probability and share right in the row's band."""
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
                f"{band.right_low:.3f}–{band.right_high:.3f}",
            )
            for band in self.bands
        ]
        note = (
            "A calibrated model is right as often as its probabilities say: in each row, the mean probability lies "
            f"within the interval. The expected calibration error is {self.expected_calibration_error:.3f}."
        )
        columns = ("probability of label and explanation", "rows", "mean probability", "share right", "95% interval")
        return table("Probabilities and right answers", columns, rows, note)

    def figure(self) -> Lines:
        """Return the reliability diagram."""
        probabilities = tuple(band.probability for band in self.bands)
        return Lines(
            "Reliability",
            "probability of label and explanation",
            "share right",
            (
                Series(
                    "this model",
                    probabilities,
                    tuple(band.right for band in self.bands),
                    tuple(band.right_low for band in self.bands),
                    tuple(band.right_high for band in self.bands),
                ),
                Series("calibrated", (0.0, 1.0), (0.0, 1.0)),
            ),
            band_name="95 % interval",
        )
