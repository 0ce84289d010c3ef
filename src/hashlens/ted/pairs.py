"""Pairs of a label and an explanation, coded as classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.ted.explanations import NONE, unique_inverse

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of a label and an explanation that occur, in the order of labels.

    Attributes
    ----------
    labels, explanations : numpy.ndarray
        int64 ``(p,)``: indices of the label and of the explanation; -1 for no explanation.
    starts : numpy.ndarray
        int64 ``(labels + 1,)``: index of the first pair of each label; the last entry is p.
    """

    labels: Codes
    explanations: Codes
    starts: Codes

    @classmethod
    def of(cls, labels: Codes, explanations: Codes) -> tuple["Pairs", Codes]:
        """Return the distinct pairs of rows, and the index of each row's pair, int64 ``(n,)``."""
        # A key is the label and the explanation as two digits; the explanation is from -1, so the digit is one more.
        base = int(explanations.max(initial=NONE)) + 2
        keys, codes = unique_inverse(labels * base + explanations + 1)
        label_digits, explanation_digits = np.divmod(keys, base)
        starts = np.searchsorted(label_digits, np.arange(int(labels.max()) + 2))
        return cls(label_digits, explanation_digits - 1, starts.astype(np.int64)), codes

    def __len__(self) -> int:
        return len(self.labels)

    def marginal(self, joint: Floats) -> Floats:
        """Return the probability of each label, ``(n, labels)``, from that of each pair, ``(n, p)``."""
        return np.add.reduceat(joint, self.starts[:-1], axis=1)

    def with_explanation(self, label: int) -> Codes:
        """Return the indices of the pairs of a label that have an explanation."""
        places = np.arange(self.starts[label], self.starts[label + 1])
        codes: Codes = places[self.explanations[places] != NONE]
        return codes

    def likeliest(self, joint: Floats, labels: Codes, top: int) -> tuple[Codes, Floats]:
        """Return the likeliest explanations of each row, given its label.

        Parameters
        ----------
        joint : numpy.ndarray
            ``(n, p)``: probability of each pair.
        labels : numpy.ndarray
            int64 ``(n,)``: label of each row.
        top : int
            Number of explanations to return.

        Returns
        -------
        explanations : numpy.ndarray
            int64 ``(n, top)``: indices of the explanations, the likeliest first, equal ones in order; -1 if there are
            no more, or their probability is 0.
        probabilities : numpy.ndarray
            float64 ``(n, top)``: probability of the explanation given the label; the sum over all explanations of a
            label is 1.
        """
        result, shares = np.full((len(joint), top), NONE), np.zeros((len(joint), top))
        for label in np.unique(labels):
            rows, places = np.flatnonzero(labels == label), self.with_explanation(int(label))
            if not len(places):
                continue
            own = joint[np.ix_(rows, places)]
            order = own.argmax(axis=1)[:, None] if top == 1 else np.argsort(-own, axis=1, kind="stable")[:, :top]
            total = own.sum(axis=1, keepdims=True)
            best = np.take_along_axis(own, order, axis=1)
            width = order.shape[1]
            result[rows, :width] = np.where(best > 0, self.explanations[places][order], NONE)
            shares[rows, :width] = np.divide(best, total, out=np.zeros_like(best), where=total > 0)
        return result, shares


def contradictory_explanations(pairs: Pairs) -> Sequence[int]:
    """Return the indices of explanations that occur with more than one label."""
    own, counts = np.unique(pairs.explanations[pairs.explanations != NONE], return_counts=True)
    return [int(place) for place in own[counts > 1]]
