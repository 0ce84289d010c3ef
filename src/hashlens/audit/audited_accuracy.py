"""Audited accuracy: what is left of a test accuracy without leaked examples and wrong labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import Table, number, table

if TYPE_CHECKING:
    from hashlens.report.figures import Figure

RESAMPLES = 1000
LEVEL = 0.95
CHUNK = 50
"""Resamples drawn at a time."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class Step(Result):
    """The accuracy on a part of the test examples.

    Attributes
    ----------
    name : str
        Which part.
    examples : float
        How many there are; expected ones where labels are weighed by the probability that they are right.
    accuracy : float
        Share of them that the network gets right.
    interval : tuple of float
        Of the accuracy.
    change : float
        Of the accuracy, from the step before.
    change_interval : tuple of float
        Of the change.
    """

    name: str
    examples: float
    accuracy: float
    interval: Interval
    change: float
    change_interval: Interval


@dataclass(frozen=True)
class AuditedAccuracy(Result):
    """Test accuracy as reported, without leaked examples, and with each label weighed by how likely it is right.

    Attributes
    ----------
    steps : tuple of Step
        All test examples; those not suspected of being leaked; the same, weighed.
    level : float
        Of the intervals: bootstrap percentiles over the test examples, all steps on the same resamples.
    """

    steps: tuple[Step, ...]
    level: float = LEVEL

    @property
    def reported(self) -> Step:
        """On all test examples."""
        return self.steps[0]

    @property
    def corrected(self) -> Step:
        """On unleaked examples, with each label weighed."""
        return self.steps[-1]

    def __str__(self) -> str:
        low, high = self.corrected.interval
        return (
            f"Reported accuracy {self.reported.accuracy:.2%}; on unleaked, correctly labelled test data "
            f"{self.corrected.accuracy:.2%} ({low:.2%} to {high:.2%})"
        )

    def __rich__(self) -> Table:
        rows = [
            (
                step.name,
                f"{step.examples:,.0f}",
                number(step.accuracy),
                f"{step.interval[0]:.4f} to {step.interval[1]:.4f}",
                "" if position == 0 else f"{step.change:+.4f}",
                "" if position == 0 else f"{step.change_interval[0]:+.4f} to {step.change_interval[1]:+.4f}",
            )
            for position, step in enumerate(self.steps)
        ]
        note = (
            f"Intervals: {self.level:.0%} of {RESAMPLES:,} resamples of the test examples. Labels are judged with the "
            "help of the network, which calls more of its own mistakes wrong labels than of its successes: the last "
            "change is rather too large than too small."
        )
        columns = ("test examples", "how many", "accuracy", "interval", "change", "interval of the change")
        return table(str(self), columns, rows, note)

    def figures(self) -> "tuple[Figure, ...]":
        """Return the accuracy after each step with its interval."""
        from hashlens.report.audit_figures import accuracy_figures

        return accuracy_figures(self)


def audited_accuracy(
    correct: npt.NDArray[np.bool_], leaked: npt.NDArray[np.bool_], wrong: npt.NDArray[np.float64], seed: int = 0
) -> AuditedAccuracy:
    """Return the accuracy with and without what is wrong with a test set.

    Parameters
    ----------
    correct : numpy.ndarray
        bool ``(n,)``: whether the network gives the label.
    leaked : numpy.ndarray
        bool ``(n,)``: whether the example is suspected of being leaked; not all of them.
    wrong : numpy.ndarray
        float64 ``(n,)``: probability that the label is wrong.
    seed : int
        Draws the resamples.

    Examples
    --------
    >>> right, leaked = np.array([True, True, False, True]), np.array([True, False, False, False])
    >>> found = audited_accuracy(right, leaked, np.array([0.0, 0.0, 1.0, 0.0]))
    >>> [round(step.accuracy, 3) for step in found.steps]
    [0.75, 0.667, 1.0]
    """
    weights = np.stack([np.ones(len(correct)), ~leaked, ~leaked * (1 - wrong)])
    names = ("all", "not suspected as leaked", "the same, labels weighed by how likely they are right")
    table = np.concatenate([weights, weights * correct]).T
    generator = numpy_generator(seed, "audited_accuracy")
    even = np.full(len(correct), 1 / len(correct))
    draws = [
        generator.multinomial(len(correct), even, size=CHUNK).astype(np.float64) @ table
        for _ in range(RESAMPLES // CHUNK)
    ]
    resampled = _accuracies(np.concatenate(draws))
    found = _accuracies(table.sum(axis=0)[None])[0]
    changes, moved = np.diff(found, prepend=found[:1]), np.diff(resampled, prepend=resampled[:, :1], axis=1)
    steps = [
        Step(name, float(weights[at].sum()), float(found[at]), _interval(resampled[:, at]), float(changes[at]),
             _interval(moved[:, at]))
        for at, name in enumerate(names)
    ]  # fmt: skip
    return AuditedAccuracy(tuple(steps))


def _accuracies(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return accuracies ``(m, steps)`` from weights and weights of correct examples, added up ``(m, 2 * steps)``."""
    total, right = np.split(sums, 2, axis=1)
    accuracies: npt.NDArray[np.float64] = right / np.maximum(total, np.finfo(np.float64).tiny)
    return accuracies


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
