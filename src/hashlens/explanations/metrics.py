"""The metrics that explanations are compared by: what each measures, and whether higher or lower is better."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.errors import ExplainError, nearest
from hashlens.explanations.evaluation_set import Candidate, EvaluationSet
from hashlens.explanations.faithfulness import area, baseline_inputs, infidelity, removal_curve
from hashlens.explanations.stability import mprt, random_logit, rank_stability, region_stability, sensitivity

Floats = npt.NDArray[np.float64]
LOWER, HIGHER = "lower", "higher"
NO_BASELINE = "One row does not determine the replacement of removed values: give background, rows of training data."


@dataclass(frozen=True)
class Metric:
    """A metric of explanations.

    Attributes
    ----------
    better : str
        Better direction: ``lower`` or ``higher``.
    measure : callable
        Function from the evaluation set and a candidate to a value of each example, float64 ``(n,)``; NaN where there
        is none.
    reruns_method : bool
        Whether it needs to run the method again.
    standard : bool
        Whether ``metrics="standard"`` includes it.
    """

    better: str
    measure: Callable[[EvaluationSet, Candidate], Floats]
    reruns_method: bool = False
    standard: bool = True


def _removal(baseline: str, insertion: bool) -> Callable[[EvaluationSet, Candidate], Floats]:
    def measure(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
        x, values = evaluation_set.x, candidate.values
        replacement = baseline_inputs(x, baseline, evaluation_set.background)
        if replacement is None:
            if baseline == "mean":
                evaluation_set.notes.append(NO_BASELINE)
            return evaluation_set.unknown
        curve = removal_curve(evaluation_set.subject, x, evaluation_set.target, values, replacement, insertion)
        return area(curve)

    return measure


def _infidelity(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    return infidelity(
        evaluation_set.subject, evaluation_set.x, evaluation_set.target, candidate.values, evaluation_set.seed
    )


def _completeness_gap(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    gap = candidate.explanation.diagnostics.get("completeness_gap", np.nan)
    return np.broadcast_to(np.asarray(gap, np.float64), (len(evaluation_set.x),)).copy()


def _seconds(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    return np.full(len(evaluation_set.x), candidate.seconds)


def _model_calls(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    """Return the number of inputs that the network ran on per example."""
    return np.full(
        len(evaluation_set.x), candidate.explanation.diagnostics.get("rows_run", np.nan) / len(evaluation_set.x)
    )


METRICS = {
    "deletion_mean": Metric(LOWER, _removal("mean", False)),
    "insertion_mean": Metric(HIGHER, _removal("mean", True)),
    "deletion_blur": Metric(LOWER, _removal("blur", False)),
    "insertion_blur": Metric(HIGHER, _removal("blur", True)),
    "infidelity": Metric(LOWER, _infidelity),
    "sensitivity_max": Metric(LOWER, sensitivity, reruns_method=True),
    "mprt": Metric(LOWER, mprt, reruns_method=True),
    "random_logit": Metric(LOWER, random_logit, reruns_method=True),
    "region_stability": Metric(LOWER, region_stability, reruns_method=True, standard=False),
    "completeness_gap": Metric(LOWER, _completeness_gap),
    "rank_stability": Metric(HIGHER, rank_stability, reruns_method=True, standard=False),
    "seconds": Metric(LOWER, _seconds, reruns_method=True),
    "model_calls": Metric(LOWER, _model_calls, reruns_method=True),
}


def find_metrics(metrics: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of metrics: ``standard``, ``all``, or those listed; raise ExplainError for an unknown name."""
    if isinstance(metrics, str) and metrics == "all":
        return tuple(METRICS)
    if isinstance(metrics, str) and metrics == "standard":
        return tuple(name for name, metric in METRICS.items() if metric.standard)
    wanted = (metrics,) if isinstance(metrics, str) or not np.iterable(metrics) else tuple(metrics)
    for name in wanted:
        if not isinstance(name, str) or name not in METRICS:
            raise ExplainError(f"no metric {excerpt(name)}: {nearest(name, [*METRICS, 'standard', 'all'])}")
    if not wanted:
        raise ExplainError("metrics must be names, at least one, or 'standard' or 'all'")
    return wanted
