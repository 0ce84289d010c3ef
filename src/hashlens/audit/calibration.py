"""Calibration: thresholds and p-values from the scores of known examples (conformal prediction)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """m weighted scores of known examples.

    Attributes
    ----------
    scores : numpy.ndarray
        float64 ``(m,)``, ascending: the scores.
    tail_weights : numpy.ndarray
        float64 ``(m + 1,)``: total weight of each score and all higher ones; the last entry is 0.
    query_weight : float
        Weight of one more example: the mean weight of an example drawn with probability proportional to its weight.

    References
    ----------
    Vovk, Gammerman, Shafer (2005): Algorithmic learning in a random world. Springer.
    """

    scores: Scores
    tail_weights: Scores
    query_weight: float

    @classmethod
    def from_samples(cls, samples: Sequence[Scores], rows: Sequence[int] | None = None) -> "Calibration":
        """Join samples of scores; each sample stands for so many `rows`, by default for as many as it has scores."""
        counts = [len(part) for part in samples] if rows is None else rows
        weights = np.repeat(
            [count / len(part) for part, count in zip(samples, counts, strict=True)], list(map(len, samples))
        )
        scores = np.concatenate(samples)
        order = np.argsort(scores, kind="stable")
        at_least = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
        return cls(scores[order], at_least, float((weights**2).sum() / weights.sum()))

    def threshold(self, rate: float) -> float:
        """Return the score that a known example exceeds with at most this probability; infinity if there is none."""
        # A rate such as 0.07 has no exact floating-point value.
        allowed = rate * (self.query_weight + self.tail_weights[0]) * (1 + 1e-9)
        enough = np.flatnonzero(self.query_weight + self.tail_weights[1:] <= allowed)
        return float(self.scores[enough[0]]) if len(enough) else inf

    def share_above(self, threshold: float) -> float:
        """Return the share of the weight whose scores are above a threshold."""
        above = self.tail_weights[np.searchsorted(self.scores, threshold, side="right")]
        return float(above / self.tail_weights[0])

    def p_values(self, scores: Scores) -> Scores:
        """Return the probability that a known example scores as high or higher."""
        tail = self.tail_weights[np.searchsorted(self.scores, scores, side="left")]
        p_values: Scores = (self.query_weight + tail) / (self.query_weight + self.tail_weights[0])
        return p_values
