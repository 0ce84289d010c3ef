"""The likeliest explanations of each row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class TopExplanations:
    """The likeliest explanations of the label that is predicted, the likeliest first.

    Attributes
    ----------
    labels : numpy.ndarray
        ``(n,)``: the label predicted.
    explanations : numpy.ndarray
        object ``(n, k)``; None where a label has fewer, or the others have no probability at all.
    probabilities : numpy.ndarray
        float64 ``(n, k)``: P(E | Y), the probability of the explanation if the label is right. Over all explanations
        of a label they sum to 1.
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
