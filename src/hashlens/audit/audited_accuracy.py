"""Audited accuracy: what is left of a test accuracy without leaked examples, and with right labels by estimate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64, Int64

from hashlens.audit.doubt_fit import misfit
from hashlens.audit.noise_rate import NoiseGrid, accuracy_by_right_labels, noise_grid
from hashlens.audit.temperature import Probabilities
from hashlens.measures.classes import Labels
from hashlens.plain import rebuilt_fields
from hashlens.report.figures import Figure, Intervals
from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import Table, number, table

RESAMPLES = 1000
LEVEL = 0.95
CHUNK = 50
"""Resamples drawn at a time."""
CLEAREST = 0.1
"""Share of the examples, those that the network is surest of, whose labels say how many are wrong without its doubt."""
GROUPS = 5000
"""Of more examples, so many groups of them are resampled."""
Interval = tuple[float, float]
Values = npt.NDArray[np.float64]


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
    no_estimate : str
        What kept the estimate from being made, where there was what it takes; empty where nothing did.
    copies_only : bool
        Whether inputs that equal a training input are the only leaks that could be looked for.
    doubt : str
        What speaks against the accuracy meaning anything; empty where nothing does.
    """

    steps: tuple[Step, ...]
    level: float = LEVEL
    estimate: Step | None = None
    copies_only: bool = False
    doubt: str = ""
    no_estimate: str = ""

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
        doubt = f" ({self.doubt})" if self.doubt else ""
        if unleaked is None:
            return (
                f"Reported accuracy {_with_interval(reported)}{doubt}; no search for leaks was possible, and labels "
                "are taken as given"
            )
        first = f"Reported accuracy {reported.accuracy:.2%}{doubt}; without test data"
        if self.copies_only:
            return (
                f"{first} that equal training data {_with_interval(unleaked)}; no search for near-duplicates was "
                "possible, and labels are taken as given"
            )
        return f"{first} suspected as leaked {_with_interval(unleaked)}, labels taken as given"

    def __str__(self) -> str:
        return self.headline

    @classmethod
    def from_dict(cls, body: dict[str, Any], searched: bool = True) -> "AuditedAccuracy":
        """Return the accuracy that :meth:`to_dict` wrote.

        Parameters
        ----------
        body : dict
            As JSON returns it. Older files hold three steps whatever was done, the last by labels weighed in a way that
            is not used any more: it is left out, and the second with it if leaks were not looked for.
        searched : bool
            Whether leaks were looked for.
        """
        accuracy: AuditedAccuracy = rebuilt_fields(cls, body)
        return accuracy if "estimate" in body else replace(accuracy, steps=accuracy.steps[: 1 + searched])

    def __rich__(self) -> Table:
        rows = [_row(step, first=i == 0) for i, step in enumerate(self.steps)]
        note = f"Intervals: {self.level:.0%} of {RESAMPLES:,} resamples of the test examples."
        if self.estimate is not None:
            rows.append(_row(self.estimate))
            note += (
                " The last row is an estimate: wrong labels are taken to be what the network's own doubt, calibrated, "
                "does not explain, and to be spread evenly over the other classes. Its interval also holds the "
                "accuracy at the share of labels that disagree among the tenth that the network is surest of."
            )
        if self.no_estimate:
            note += f" What the accuracy is by right labels is not estimated: {self.no_estimate}."
        columns = ("test examples", "how many", "accuracy", "interval", "change", "interval of the change")
        return table(self.headline, columns, rows, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return the accuracy after each step with its interval."""
        steps = (*self.steps, *([] if self.estimate is None else [self.estimate]))
        return (
            Intervals(
                f"Accuracy, with {self.level:.0%} intervals",
                "accuracy",
                tuple(step.name for step in steps),
                tuple(step.accuracy for step in steps),
                tuple(step.interval for step in steps),
                "{:.4f}",
            ),
        )


def audited_accuracy(
    correct: Bool[npt.NDArray[np.bool_], " n"],
    leaked: Bool[npt.NDArray[np.bool_], " n"] | None = None,
    probabilities: Float64[Probabilities, "n c"] | None = None,
    labels: Int64[Labels, " n"] | None = None,
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
    probabilities : numpy.ndarray, optional
        float64 ``(n, c)``, the network's: for the estimate.
    labels : numpy.ndarray, optional
        int64 ``(n,)``, given, from 0 to c - 1: for the estimate.
    seed : int
        Draws the resamples.

    Notes
    -----
    The estimate takes wrong labels to be spread evenly over the other classes, and fits their share together with a
    temperature of the network (:mod:`hashlens.audit.noise_rate`), again for each resample. Where these do not explain
    the labels (:mod:`hashlens.audit.doubt_fit`), no estimate is made. Wrong labels that the network has learnt are part
    of its doubt, and a doubt that is wrong in a way too small to be found may pass for wrong labels. So the interval
    holds the accuracy at another share of wrong labels too: of the tenth of the examples that the network is surest of,
    those whose label disagrees. Of more than 5,000 examples, 5,000 groups drawn at random are resampled in their place.

    Examples
    --------
    >>> right, leaked = np.array([True, True, False, True]), np.array([True, False, False, False])
    >>> found = audited_accuracy(right, leaked)
    >>> [round(step.accuracy, 3) for step in found.steps]
    [0.75, 0.667]
    """
    masks: list[npt.NDArray[Any]] = [np.ones(len(correct))]
    names = ["all"]
    if leaked is not None:
        masks.append(~leaked)
        names.append("not suspected as leaked")
    weights = np.stack(masks).astype(np.float64)
    rows = np.concatenate([weights, weights * correct]).T
    generator = numpy_generator(seed, "audited_accuracy")
    if probabilities is None or labels is None:
        accuracies, resampled = (_accuracies(sums) for sums in _sums(rows, generator))
        return AuditedAccuracy(_steps(names, weights, accuracies, resampled, resampled))
    considered = weights[-1].astype(np.bool_)
    grid = noise_grid(probabilities[considered], labels[considered])
    if reason := misfit(probabilities[considered], labels[considered], grid):
        accuracies, resampled = (_accuracies(sums) for sums in _sums(rows, generator))
        return AuditedAccuracy(_steps(names, weights, accuracies, resampled, resampled), no_estimate=reason)
    likelihood = np.zeros((len(correct), grid.total.size))
    likelihood[considered] = grid.log_likelihood(probabilities[considered], labels[considered])
    surest = _clearest(probabilities, considered)
    columns = np.hstack([rows, np.stack([surest, surest & ~correct], axis=1), likelihood])
    sums, resampled_sums = _sums(columns, generator)
    accuracies = _with_estimate(sums, rows.shape[1], grid)
    lowest, highest = (_with_estimate(resampled_sums, rows.shape[1], grid, bound) for bound in (np.minimum, np.maximum))
    *steps, estimate = _steps(
        [*names, "the same, if all labels were right (an estimate)"],
        np.vstack([weights, weights[-1:]]),
        accuracies,
        lowest,
        highest,
    )
    return AuditedAccuracy(tuple(steps), estimate=estimate)


def _clearest(probabilities: Probabilities, considered: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the tenth of some of the examples that the network is surest of, bool ``(n,)``."""
    rows = np.flatnonzero(considered)
    confidence = probabilities[rows].max(axis=1)
    chosen = np.zeros(len(considered), np.bool_)
    chosen[rows[np.argsort(-confidence, kind="stable")[: max(1, round(CLEAREST * len(rows)))]]] = True
    return chosen


def _with_estimate(
    sums: Values, steps: int, grid: NoiseGrid, bound: Callable[[Values, Values], Values] | None = None
) -> Values:
    """Return the accuracies of samples, ``(m, steps + 1)``, the last by right labels.

    At the likeliest share of wrong labels; or at the lower or higher (`bound`) of it and the share of the clearest
    examples that disagree.
    """
    accuracies, rates = _accuracies(sums[:, :steps]), grid.rates_of(sums[:, steps + 2 :])
    if bound is not None:
        disagree = sums[:, steps + 1] / np.maximum(sums[:, steps], 1)
        rates = bound(rates, np.minimum(disagree, grid.highest_rate))
    return np.column_stack([accuracies, accuracy_by_right_labels(accuracies[:, -1], rates, grid.classes)])


def _sums(rows: Values, generator: np.random.Generator) -> tuple[Values, Values]:
    """Return the sum of all rows, ``(1, columns)``, and that of each resample, ``(m, columns)``."""
    if len(rows) > GROUPS:
        order = generator.permutation(len(rows))
        rows = np.add.reduceat(rows[order], np.linspace(0, len(rows), GROUPS, endpoint=False).astype(np.int64))
    even = np.full(len(rows), 1 / len(rows))
    draws = [
        generator.multinomial(len(rows), even, size=CHUNK).astype(np.float64) @ rows for _ in range(RESAMPLES // CHUNK)
    ]
    return rows.sum(axis=0)[None], np.concatenate(draws)


def _steps(
    names: Sequence[str], weights: Values, accuracies: Values, lowest: Values, highest: Values
) -> tuple[Step, ...]:
    """Return the steps from their accuracies, ``(1, steps)``, and those of resamples, ``(m, steps)``.

    Lower ends of intervals are those of `lowest`, upper ones those of `highest`.
    """
    changes, low_changes, high_changes = (
        np.diff(values, prepend=values[:, :1], axis=1) for values in (accuracies, lowest, highest)
    )
    return tuple(
        Step(name, float(weights[i].sum()), float(accuracies[0, i]), _interval(lowest[:, i], highest[:, i]),
             float(changes[0, i]), _interval(low_changes[:, i], high_changes[:, i]))
        for i, name in enumerate(names)
    )  # fmt: skip


def _accuracies(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return accuracies ``(m, steps)`` from weights and weights of correct examples, added up ``(m, 2 * steps)``."""
    total, correct = np.split(sums, 2, axis=1)
    accuracies: npt.NDArray[np.float64] = correct / np.maximum(total, np.finfo(np.float64).tiny)
    return accuracies


def _interval(lowest: Values, highest: Values) -> Interval:
    low, high = np.quantile(lowest, (1 - LEVEL) / 2), np.quantile(highest, (1 + LEVEL) / 2)
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
