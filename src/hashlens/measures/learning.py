"""Learning: whether a network has learnt at all, which comes before the regime that its code is in."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from hashlens.codes.codes import Codes
from hashlens.result import Result

MOST_CONSTANT = 0.5
"""Share of the bits that may be constant over train; with more, it is named before the regime."""
ERRORS = 2.0
"""Standard errors by which an accuracy must differ from another to be called lower."""


@dataclass(frozen=True)
class Learning(Result):
    """What speaks against a network having learnt.

    Attributes
    ----------
    bits, never_on, always_on : int
        Bits of the code, and how many of them are off, or on, for all training examples.
    examples : int
        Test examples, of which the accuracies are.
    accuracy : float or None
        The network's own; None where it has none to compare.
    raw_inputs : float or None
        The better of K-NN and logistic regression on the raw inputs; None where that control was not measured.
    chance : float or None
        Share of the most frequent class.
    most_constant : float
        Share of the bits that may be constant; this project's.
    """

    bits: int
    never_on: int
    always_on: int
    examples: int
    accuracy: float | None = None
    raw_inputs: float | None = None
    chance: float | None = None
    most_constant: float = MOST_CONSTANT

    @property
    def mostly_constant(self) -> bool:
        """Whether more bits are constant than may be."""
        return self.never_on + self.always_on > self.most_constant * self.bits

    @property
    def at_chance(self) -> bool:
        """Whether the accuracy is not above the share of the most frequent class, by two standard errors."""
        return self.accuracy is not None and self.chance is not None and not self._less(self.chance, self.accuracy)

    @property
    def below_raw_inputs(self) -> bool:
        """Whether the accuracy is below that of the raw inputs, by two standard errors of the difference."""
        return self.accuracy is not None and self.raw_inputs is not None and self._less(self.accuracy, self.raw_inputs)

    def _less(self, one: float, other: float) -> bool:
        spread = one * (1 - one) + other * (1 - other)
        return other - one > ERRORS * sqrt(spread / max(1, self.examples))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words, the units first; nothing where nothing is."""
        found = []
        if self.mostly_constant:
            constant = self.never_on + self.always_on
            found.append(
                f"{constant:,} of {self.bits:,} bits never change on train ({self.never_on:,} never on, "
                f"{self.always_on:,} always)"
            )
        accuracy = "" if self.accuracy is None else f"the network's accuracy is {self.accuracy:.3f}"
        if self.at_chance:
            found.append(f"{accuracy}, where the most frequent class has {self.chance:.3f}")
        if self.below_raw_inputs:
            found.append(f"{accuracy}, and its raw inputs alone give {self.raw_inputs:.3f}")
        return tuple(found)

    @property
    def advice(self) -> str:
        """What to try first; empty where nothing is wrong."""
        if self.at_chance or self.below_raw_inputs:
            return (
                "see first that the network learns: standardise the inputs, change the learning rate or train longer; "
                "width comes after"
            )
        if self.mostly_constant:
            return (
                "units that never switch carry nothing: standardise the inputs or lower the learning rate, before more "
                "width"
            )
        return ""


def constant_bits(codes: Codes) -> tuple[int, int]:
    """Return how many bits are off, and how many are on, in all rows.

    >>> constant_bits(Codes.from_bits([[0, 1, 0], [0, 1, 1]]))
    (1, 1)
    """
    ever = int(np.bitwise_count(np.bitwise_or.reduce(codes.packed, axis=0)).sum())
    always = int(np.bitwise_count(np.bitwise_and.reduce(codes.packed, axis=0)).sum())
    return codes.code_bits - ever, always
