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
        float64 ``(n, k)``: of the explanation, if the label is that. Over all of a label they sum to 1.
    """

    labels: npt.NDArray[Any]
    explanations: npt.NDArray[np.object_]
    probabilities: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)
