"""Audited accuracy: what is left of a test accuracy without leaked examples, and with right labels by estimate."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

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
    """Test accuracy as reported, without leaked examples where those were looked for, and an estimate beside it.

    Attributes
    ----------
    steps : tuple of Step
        All test examples; and, where a search for leaks was possible, those not suspected of being leaked. Both by the
        labels as given.
    level : float
        Of the intervals: bootstrap percentiles over the test examples, all steps on the same resamples.
    estimate : Step or None
        Of the last step, if all labels were right; None where it was not made.
    """

    steps: tuple[Step, ...]
    level: float = LEVEL
    estimate: Step | None = None

    @property
    def reported(self) -> Step:
        """On all test examples."""
        return self.steps[0]

    @property
    def unleaked(self) -> Step | None:
        """On those that are not suspected of being leaked; None where leaks could not be looked for."""
        return self.steps[1] if len(self.steps) > 1 else None

    @property
    def headline(self) -> str:
        """What was measured, and on what; what was not done is in it too."""
        reported, unleaked = self.reported, self.unleaked
        if unleaked is None:
            return (
                f"Reported accuracy {_with_interval(reported)}; no search for leaks was possible, and labels are "
                "taken as given"
            )
        return (
            f"Reported accuracy {reported.accuracy:.2%}; without test data suspected as leaked "
            f"{_with_interval(unleaked)}, labels taken as given"
        )

    def __str__(self) -> str:
        return self.headline

    @classmethod
    def from_dict(cls, known: dict[str, Any], searched: bool) -> "AuditedAccuracy":
        """Return the accuracy that :meth:`to_dict` wrote.

        Parameters
        ----------
        known : dict
            As JSON returns it. Older files hold three steps whatever was done, the last by labels weighed in a way that
            is not used any more: it is left out, and the second with it if leaks were not looked for.
        searched : bool
            Whether leaks were looked for.
        """
        steps = tuple(_step(step) for step in known["steps"])
        if "estimate" not in known:
            return cls(steps[: 1 + searched], known["level"])
        estimate = known["estimate"]
        return cls(steps, known["level"], None if estimate is None else _step(estimate))

    def __rich__(self) -> Table:
        rows = [_row(step, first=at == 0) for at, step in enumerate(self.steps)]
        note = f"Intervals: {self.level:.0%} of {RESAMPLES:,} resamples of the test examples."
        if self.estimate is not None:
            rows.append(_row(self.estimate))
            note += (
                " The last row is an estimate. Labels are judged with the help of the network, which calls more of its "
                "own mistakes wrong labels than of its successes: it is rather too large than too small."
            )
        columns = ("test examples", "how many", "accuracy", "interval", "change", "interval of the change")
        return table(self.headline, columns, rows, note)

    def figures(self) -> "tuple[Figure, ...]":
        """Return the accuracy after each step with its interval."""
        from hashlens.report.audit_figures import accuracy_figures

        return accuracy_figures(self)


def audited_accuracy(
    correct: npt.NDArray[np.bool_],
    leaked: npt.NDArray[np.bool_] | None = None,
    wrong: npt.NDArray[np.float64] | None = None,
    seed: int = 0,
) -> AuditedAccuracy:
    """Return the accuracy with and without what is wrong with a test set.

    Parameters
    ----------
    correct : numpy.ndarray
        bool ``(n,)``: whether the network gives the label.
    leaked : numpy.ndarray, optional
        bool ``(n,)``: whether the example is suspected of being leaked; not all of them. Leave it out where leaks could
        not be looked for, which is another thing than that none were found.
    wrong : numpy.ndarray, optional
        float64 ``(n,)``: probability that the label is wrong.
    seed : int
        Draws the resamples.

    Examples
    --------
    >>> right, leaked = np.array([True, True, False, True]), np.array([True, False, False, False])
    >>> found = audited_accuracy(right, leaked)
    >>> [round(step.accuracy, 3) for step in found.steps]
    [0.75, 0.667]
    """
    kept: list[npt.NDArray[Any]] = [np.ones(len(correct))]
    names = ["all"]
    if leaked is not None:
        kept.append(~leaked)
        names.append("not suspected as leaked")
    if wrong is not None:
        kept.append(kept[-1] * (1 - wrong))
        names.append("the same, if all labels were right (an estimate)")
    weights = np.stack(kept)
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
    steps = tuple(
        Step(name, float(weights[at].sum()), float(found[at]), _interval(resampled[:, at]), float(changes[at]),
             _interval(moved[:, at]))
        for at, name in enumerate(names)
    )  # fmt: skip
    return AuditedAccuracy(steps) if wrong is None else AuditedAccuracy(steps[:-1], estimate=steps[-1])


def _accuracies(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return accuracies ``(m, steps)`` from weights and weights of correct examples, added up ``(m, 2 * steps)``."""
    total, right = np.split(sums, 2, axis=1)
    accuracies: npt.NDArray[np.float64] = right / np.maximum(total, np.finfo(np.float64).tiny)
    return accuracies


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _with_interval(step: Step) -> str:
    low, high = step.interval
    return f"{step.accuracy:.2%} ({low:.2%} to {high:.2%})"


def _row(step: Step, first: bool = False) -> tuple[str, ...]:
    """Return the row of a step, with no change where it is the first."""
    change, (low, high) = step.change, step.change_interval
    return (
        step.name,
        f"{step.examples:,.0f}",
        number(step.accuracy),
        f"{step.interval[0]:.4f} to {step.interval[1]:.4f}",
        "" if first else f"{change:+.4f}",
        "" if first else f"{low:+.4f} to {high:+.4f}",
    )


def _step(known: dict[str, Any]) -> Step:
    values: dict[str, Any] = {field.name: known[field.name] for field in fields(Step)}
    intervals = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Step(**(values | intervals))
