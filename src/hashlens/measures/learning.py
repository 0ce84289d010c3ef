"""Learning: checks that a network has learnt at all, before its code is assigned a regime."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from hashlens.codes.codes import Codes
from hashlens.measures.clustering_accuracy import hungarian_accuracy
from hashlens.result import Result

MAX_CONSTANT = 0.5
"""Largest share of the bits that may be constant over train; a larger share is reported before the regime."""
STANDARD_ERRORS = 2.0
"""Number of standard errors by which an accuracy must differ from another to be called lower."""
MIN_MATCHED = 0.5
"""Smallest accuracy at which a matching of outputs to labels counts as evidence, since the matching is fitted."""


@dataclass(frozen=True)
class Learning(Result):
    """Evidence on whether a network has learnt.

    Attributes
    ----------
    bits, never_on, always_on : int
        Number of bits of the code, and numbers of bits that are 0, or 1, for all training examples.
    examples : int
        Number of test examples of the accuracies.
    accuracy : float or None
        Test accuracy of the network; None if it has none.
    raw_inputs : float or None
        Test accuracy of the better of K-NN and logistic regression on the raw inputs; None if it was not measured.
    chance : float or None
        Share of the most frequent class.
    matched : float or None
        Accuracy with outputs and labels matched one to one, if :func:`matched_accuracy` returns one.
    most_constant : float
        Largest share of the bits that may be constant; a threshold set by hashlens.
    """

    bits: int
    never_on: int
    always_on: int
    examples: int
    accuracy: float | None = None
    raw_inputs: float | None = None
    chance: float | None = None
    matched: float | None = None
    most_constant: float = MAX_CONSTANT

    @property
    def mostly_constant(self) -> bool:
        """Whether more bits are constant than `most_constant` allows."""
        return self.never_on + self.always_on > self.most_constant * self.bits

    @property
    def at_chance(self) -> bool:
        """Whether the accuracy is not above the share of the most frequent class by two standard errors."""
        return (
            self.accuracy is not None
            and self.chance is not None
            and not_above(self.accuracy, self.chance, self.examples)
        )

    @property
    def below_raw_inputs(self) -> bool:
        """Whether the accuracy is below that on the raw inputs by two standard errors of the difference."""
        return (
            self.accuracy is not None
            and self.raw_inputs is not None
            and clearly_less(self.accuracy, self.raw_inputs, self.examples)
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """Problems in words, those of units first; empty where there are none."""
        result = []
        if self.mostly_constant:
            constant = self.never_on + self.always_on
            result.append(
                f"{constant:,} of {self.bits:,} bits never change on train ({self.never_on:,} never on, "
                f"{self.always_on:,} always)"
            )
        if self.matched is not None:
            return (*result, numbering_problem(self.matched))
        accuracy = "" if self.accuracy is None else f"the network's accuracy is {self.accuracy:.3f}"
        if self.at_chance:
            result.append(f"{accuracy}, not clearly above the share of the most frequent class, {self.chance:.3f}")
        if self.below_raw_inputs:
            result.append(f"{accuracy}, and the raw inputs alone give {self.raw_inputs:.3f}")
        return tuple(result)

    @property
    def advice(self) -> str:
        """Advice on what to try first; empty where there are no problems."""
        if self.matched is not None:
            return "first number the labels like the outputs"
        if self.at_chance or self.below_raw_inputs:
            return (
                "first make the network learn: standardise the inputs, change the learning rate or train "
                "longer; then change the width"
            )
        if self.mostly_constant:
            return (
                "units that never switch carry no information: standardise the inputs or lower the learning "
                "rate before you add width"
            )
        return ""


def clearly_less(accuracy: float, reference: float, examples: int) -> bool:
    """Return whether an accuracy is below another by two standard errors of the difference."""
    spread = accuracy * (1 - accuracy) + reference * (1 - reference)
    return reference - accuracy > STANDARD_ERRORS * sqrt(spread / max(1, examples))


def not_above(accuracy: float, chance: float, examples: int) -> bool:
    """Return whether an accuracy is not above the share of the most frequent class, by two standard errors."""
    return not clearly_less(chance, accuracy, examples)


def majority_share(labels: npt.NDArray[np.int64]) -> float:
    """Return the share of the most frequent class: the accuracy of always predicting it."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def matched_accuracy(predictions: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> float | None:
    """Return the accuracy of a network with outputs and labels matched one to one, if that is clearly higher.

    It is if the network numbers its classes in another order than the labels.

    Parameters
    ----------
    predictions, labels : numpy.ndarray
        int64 ``(n,)``: predicted class and label of each example.

    Returns
    -------
    float or None
        The accuracy; None unless it is at least 1/2, and two standard errors above both the accuracy without matching
        and the share of the most frequent class.

    >>> matched_accuracy(np.repeat([1, 2, 0], 10), np.repeat([0, 1, 2], 10))
    1.0
    >>> matched_accuracy(np.repeat([0, 1, 2], 10), np.repeat([0, 1, 2], 10)) is None
    True
    """
    matched = hungarian_accuracy(predictions, labels)
    as_numbered = float(np.mean(predictions == labels))
    best = max(as_numbered, majority_share(labels))
    return matched if matched >= MIN_MATCHED and clearly_less(best, matched, len(labels)) else None


def numbering_problem(matched: float) -> str:
    """Return the message that outputs and labels seem to be numbered differently."""
    return (
        f"with outputs and labels matched one to one, the accuracy of the network is {matched:.2%}: the "
        "labels are numbered in another order than the outputs"
    )


def constant_bits(codes: Codes) -> tuple[int, int]:
    """Return the number of bits that are 0 in all rows, and the number that are 1 in all rows.

    >>> constant_bits(Codes.from_bits([[0, 1, 0], [0, 1, 1]]))
    (1, 1)
    """
    ever = int(np.bitwise_count(np.bitwise_or.reduce(codes.packed, axis=0)).sum())
    always = int(np.bitwise_count(np.bitwise_and.reduce(codes.packed, axis=0)).sum())
    return codes.code_bits - ever, always
