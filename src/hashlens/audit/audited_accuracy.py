"""Audited accuracy: a test accuracy without leaked examples, and an estimate of it if all labels were right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64, Int64

from hashlens.audit.goodness_of_fit import misfit
from hashlens.audit.noise_rate import NoiseGrid, accuracy_with_right_labels, noise_grid
from hashlens.audit.temperature import Probabilities
from hashlens.intervals import clopper_pearson
from hashlens.measures.classes import Labels
from hashlens.plain import fields_from_plain
from hashlens.report.figures import Figure, Intervals
from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import Table, number, table

RESAMPLES = 1000
LEVEL = 0.95
CHUNK = 50
"""Bootstrap samples drawn at a time."""
CLEAREST = 0.1
"""Share of the examples, the most confident ones, whose disagreeing labels give a second estimate of wrong labels."""
GROUPS = 5000
"""Number of groups that the bootstrap draws from, where there are more examples than this."""
Interval = tuple[float, float]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Step(Result):
    """The accuracy on a part of the test examples.

    Attributes
    ----------
    name : str
        Name of the part.
    examples : float
        Number of its examples; the expected number where labels are weighted by the probability that they are right.
    accuracy : float
        Share of them that the network classifies correctly.
    interval : tuple of float
        Bounds of the interval of the accuracy.
    change : float
        Difference from the accuracy of the step before.
    change_interval : tuple of float
        Bounds of the interval of the change.
    """

    name: str
    examples: float
    accuracy: float
    interval: Interval
    change: float
    change_interval: Interval


@dataclass(frozen=True)
class AuditedAccuracy(Result):
    """Test accuracy as reported, without leaked examples, and an estimate of it if all labels were right.

    Attributes
    ----------
    steps : tuple of Step
        Accuracy on all test examples; then, where leaks could be searched for, on those not suspected as leaked. Both
        use the labels of the data set.
    level : float
        Confidence level of the intervals. Those of the steps are exact (Clopper, Pearson), those of changes bootstrap
        percentiles over the test examples, with the same bootstrap samples for all steps. That of the estimate is a
        bootstrap interval too, at least as wide as that of the last step.
    estimate : Step or None
        Estimate of the last step's accuracy if all labels were right; None where there is none.
    no_estimate : str
        Why the estimate failed, where it was tried; empty otherwise.
    copies_only : bool
        True if only exact copies of training inputs could be searched for, not near-duplicates.
    doubt : str
        Reason to doubt that the accuracy means anything; empty where there is none.
    """

    steps: tuple[Step, ...]
    level: float = LEVEL
    estimate: Step | None = None
    copies_only: bool = False
    doubt: str = ""
    no_estimate: str = ""

    @property
    def reported(self) -> Step:
        """Accuracy on all test examples."""
        return self.steps[0]

    @property
    def unleaked(self) -> Step | None:
        """Accuracy on the test examples not suspected as leaked; None where leaks could not be searched for."""
        return self.steps[1] if len(self.steps) > 1 else None

    @property
    def headline(self) -> str:
        """The measured accuracy in words, with the examples it is measured on and the steps that could not be done."""
        reported, unleaked = self.reported, self.unleaked
        doubt = f" ({self.doubt})" if self.doubt else ""
        if unleaked is None:
            return (
                f"Reported accuracy {_with_interval(reported)}{doubt}; no search for leaks was possible, and "
                "labels are assumed to be right"
            )
        first = f"Reported accuracy {reported.accuracy:.2%}{doubt}; without test data"
        if self.copies_only:
            return (
                f"{first} that equal training data {_with_interval(unleaked)}; no search for near-duplicates "
                "was possible, and labels are assumed to be right"
            )
        return f"{first} suspected as leaked {_with_interval(unleaked)}, labels assumed to be right"

    def __str__(self) -> str:
        return self.headline

    @classmethod
    def from_dict(cls, body: dict[str, Any], searched: bool = True) -> "AuditedAccuracy":
        """Return the accuracy that :meth:`to_dict` wrote.

        Parameters
        ----------
        body : dict
            The values as read from JSON. Older files always hold three steps. The third weighs labels in a way that is
            no longer used, and is dropped; the second is dropped too if leaks were not searched for.
        searched : bool
            Whether leaks were searched for.
        """
        accuracy: AuditedAccuracy = fields_from_plain(cls, body)
        return accuracy if "estimate" in body else replace(accuracy, steps=accuracy.steps[: 1 + searched])

    def __rich__(self) -> Table:
        rows = [_row(step, first=i == 0) for i, step in enumerate(self.steps)]
        note = (
            f"Intervals at {self.level:.0%} are exact for accuracies, and from {RESAMPLES:,} resamples of "
            "the test examples for changes."
        )
        if self.estimate is not None:
            rows.append(_row(self.estimate))
            note += (
                " The last row is an estimate. It assumes that labels are wrong where they disagree with the "
                "network more often than its calibrated confidence explains, and that wrong labels are "
                "spread evenly over the other classes. Its interval also includes a second estimate, from "
                "the share of labels that disagree among the most confident tenth of the examples."
            )
        if self.no_estimate:
            note += f" The accuracy with right labels is not estimated: {self.no_estimate}."
        columns = ("test examples", "number", "accuracy", "interval", "change", "interval of the change")
        return table(self.headline, columns, rows, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of the accuracy after each step with its interval."""
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
    """Return the accuracy on a test set, with and without the problems that an audit finds in it.

    Parameters
    ----------
    correct : numpy.ndarray
        bool ``(n,)``: whether the prediction equals the label.
    leaked : numpy.ndarray, optional
        bool ``(n,)``: whether the example is suspected as leaked; not all may be. Leave it out if leaks could not be
        searched for; an array of False says that none were found.
    probabilities : numpy.ndarray, optional
        float64 ``(n, c)``: the class probabilities of the network. The estimate needs them.
    labels : numpy.ndarray, optional
        int64 ``(n,)``: the labels of the data set, 0 to c - 1. The estimate needs them.
    seed : int
        Seed of the bootstrap samples.

    Notes
    -----
    The estimate assumes that wrong labels are spread evenly over the other classes. It fits their share together with a
    temperature of the network (:mod:`hashlens.audit.noise_rate`), again for each bootstrap sample. If this model does
    not fit the labels (:mod:`hashlens.audit.goodness_of_fit`), there is no estimate. Two errors remain: wrong labels
    that the network has learnt look like its own uncertainty, and a small miscalibration may look like wrong labels. So
    the interval also covers the accuracy at a second share of wrong labels: the share of disagreeing labels among the
    most confident tenth of the examples. It is at least as wide as the exact interval of the measured accuracy. With
    more than 5,000 examples the bootstrap draws 5,000 random groups of them.

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
    trials, hits = weights.sum(axis=1), (weights * correct).sum(axis=1)
    exact = [clopper_pearson(*counts, LEVEL) for counts in zip(hits.tolist(), trials.tolist(), strict=True)]
    if probabilities is None or labels is None:
        return AuditedAccuracy(_measured_steps(names, weights, rows, exact, generator))
    is_last_part = weights[-1].astype(np.bool_)
    grid = noise_grid(probabilities[is_last_part], labels[is_last_part])
    if reason := misfit(probabilities[is_last_part], labels[is_last_part], grid):
        return AuditedAccuracy(_measured_steps(names, weights, rows, exact, generator), no_estimate=reason)
    likelihood = np.zeros((len(correct), grid.total.size))
    likelihood[is_last_part] = grid.log_likelihood(probabilities[is_last_part], labels[is_last_part])
    most_confident = _most_confident(probabilities, is_last_part)
    columns = np.hstack([rows, np.stack([most_confident, most_confident & ~correct], axis=1), likelihood])
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
    # No estimate is surer than the accuracy that it is of, which a bootstrap is where all predictions are right.
    low, high = accuracy_with_right_labels(np.array(exact[-1]), np.array(grid.rate), grid.classes).tolist()
    estimate = replace(estimate, interval=(min(low, estimate.interval[0]), max(high, estimate.interval[1])))
    return AuditedAccuracy(_with_intervals(steps, exact), estimate=estimate)


def _measured_steps(
    names: Sequence[str], weights: Values, rows: Values, exact: Sequence[Interval], generator: np.random.Generator
) -> tuple[Step, ...]:
    """Return the steps alone, without an estimate."""
    accuracies, resampled = (_accuracies(sums) for sums in _sums(rows, generator))
    return _with_intervals(_steps(names, weights, accuracies, resampled, resampled), exact)


def _with_intervals(steps: Sequence[Step], intervals: Sequence[Interval]) -> tuple[Step, ...]:
    return tuple(replace(step, interval=interval) for step, interval in zip(steps, intervals, strict=True))


def _most_confident(probabilities: Probabilities, is_last_part: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which examples of the last part are its most confident tenth, bool ``(n,)``."""
    rows = np.flatnonzero(is_last_part)
    confidence = probabilities[rows].max(axis=1)
    chosen = np.zeros(len(is_last_part), np.bool_)
    chosen[rows[np.argsort(-confidence, kind="stable")[: max(1, round(CLEAREST * len(rows)))]]] = True
    return chosen


def _with_estimate(
    sums: Values, steps: int, grid: NoiseGrid, bound: Callable[[Values, Values], Values] | None = None
) -> Values:
    """Return the accuracies of samples, ``(m, steps + 1)``; the last column is the estimate for right labels.

    The estimate uses the likeliest share of wrong labels. With `bound`, it uses the lower or the higher of that share
    and the share of disagreeing labels among the most confident examples.
    """
    accuracies, rates = _accuracies(sums[:, :steps]), grid.rates_of(sums[:, steps + 2 :])
    if bound is not None:
        disagree = sums[:, steps + 1] / np.maximum(sums[:, steps], 1)
        rates = bound(rates, np.minimum(disagree, grid.highest_rate))
    return np.column_stack([accuracies, accuracy_with_right_labels(accuracies[:, -1], rates, grid.classes)])


def _sums(rows: Values, generator: np.random.Generator) -> tuple[Values, Values]:
    """Return the sum of all rows, ``(1, columns)``, and of each bootstrap sample, ``(m, columns)``."""
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
    """Return the steps from their accuracies, ``(1, steps)``, and those of bootstrap samples, ``(m, steps)``.

    The lower ends of intervals are percentiles of `lowest`, the upper ends of `highest`.
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
    """Return accuracies ``(m, steps)`` from the summed weights of all and of correct examples, ``(m, 2 * steps)``."""
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
    """Return the table row of a step; the first step has no change."""
    change, (low, high) = step.change, step.change_interval
    return (
        step.name,
        f"{step.examples:,.0f}",
        number(step.accuracy),
        f"{step.interval[0]:.4f} to {step.interval[1]:.4f}",
        "" if first else f"{change:+.4f}",
        "" if first else f"{low:+.4f} to {high:+.4f}",
    )
