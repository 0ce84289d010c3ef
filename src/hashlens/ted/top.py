"""The likeliest explanations of each row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class TopExplanations:
    """The k likeliest explanations of the predicted label, the likeliest first.

    Attributes
    ----------
    labels : numpy.ndarray
        ``(n,)``: predicted labels.
    explanations : numpy.ndarray
        object ``(n, k)``: explanations; None if the label has fewer, or the others have the probability 0.
    probabilities : numpy.ndarray
        float64 ``(n, k)``: P(E | Y), the probability of the explanation given the label. The sum over all explanations
        of a label is 1.
    label_probabilities : numpy.ndarray
        float64 ``(n,)``: P(Y), the probability of the label.
    """

    labels: npt.NDArray[Any]
    explanations: npt.NDArray[np.object_]
    probabilities: npt.NDArray[np.float64]
    label_probabilities: npt.NDArray[np.float64]

    @property
    def pair_probabilities(self) -> npt.NDArray[np.float64]:
        """P(Y, E), float64 ``(n, k)``: the probability that label and explanation are both right."""
        return self.probabilities * self.label_probabilities[:, None]

    def __len__(self) -> int:
        return len(self.labels)
