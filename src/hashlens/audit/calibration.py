"""Calibration: scores of known examples, which say how likely a known example scores as high."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """m scores of known examples, each standing for as many as its weight says.

    Attributes
    ----------
    scores : numpy.ndarray
        float64 ``(m,)``, ascending.
    at_least : numpy.ndarray
        float64 ``(m + 1,)``: the weight of the scores from each on; 0 behind the last.
    own : float
        The weight of one example more: the mean of those that a weight is met with.

    References
    ----------
    Vovk, Gammerman, Shafer (2005): Algorithmic learning in a random world. Springer.
    """

    scores: Scores
    at_least: Scores
    own: float

    @classmethod
    def of(cls, parts: Sequence[Scores], rows: Sequence[int] | None = None) -> "Calibration":
        """Join scores of several kinds of examples, each of which stands for so many `rows`; by default for its own."""
        counts = [len(part) for part in parts] if rows is None else rows
        weights = np.repeat(
            [count / len(part) for part, count in zip(parts, counts, strict=True)], list(map(len, parts))
        )
        scores = np.concatenate(parts)
        order = np.argsort(scores, kind="stable")
        at_least = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
        return cls(scores[order], at_least, float((weights**2).sum() / weights.sum()))

    def threshold(self, rate: float) -> float:
        """Return the score that a known example exceeds with at most this probability; infinity where none is."""
        # A rate such as 0.07 is not quite what it says in floating point.
        allowed = rate * (self.own + self.at_least[0]) * (1 + 1e-9)
        enough = np.flatnonzero(self.own + self.at_least[1:] <= allowed)
        return float(self.scores[enough[0]]) if len(enough) else inf

    def p_values(self, scores: Scores) -> Scores:
        """Return how likely a known example scores as high."""
        reached = self.at_least[np.searchsorted(self.scores, scores, side="left")]
        found: Scores = (self.own + reached) / (self.own + self.at_least[0])
        return found
