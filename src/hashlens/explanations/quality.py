"""hl.compare_explanations: metrics of explanations, compared with controls that do not use the network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import torch

from hashlens.arguments import excerpt
from hashlens.codes.reading import Reading, ReadingOptions, check_names
from hashlens.data.frames import labels_of, names_of_columns
from hashlens.errors import ExplainError
from hashlens.explanations.comparison import ExplanationComparison, means
from hashlens.explanations.controls import CONTROLS
from hashlens.explanations.evaluation_set import Candidate, EvaluationSet, explainer
from hashlens.explanations.explain import notes_on
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.methods import find_method
from hashlens.explanations.metrics import METRICS, find_metrics
from hashlens.explanations.request import (
    Model,
    background_of,
    classes_of,
    inputs_of,
    kind_of,
    more_inputs,
    names_of,
)
from hashlens.explanations.subject import READING_FIELDS, reading_of, subject_of
from hashlens.nets.class_names import declared_classes
from hashlens.progress import bar


def compare_explanations(
    model: Model,
    x: Any,
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("gradient", "integrated_gradients", "smooth_grad"),
    metrics: str | Sequence[str] = "standard",
    *,
    target: Any = None,
    reading: Reading | None = None,
    **options: Any,
) -> ExplanationComparison:
    """Compare explanations of the same examples by metrics, with controls that do not use the network.

    The metrics:

    - Deletion and insertion (Petsiuk et al., 2018): the area under the probability of the class while positions are
      removed or added, most important first. Removed positions become the mean, or a blurred image. A single score of
      two classes is converted to the probability of the explained class. For a regression, the value itself is used.
    - Infidelity (Yeh et al., 2019), relative to that of values of 0.
    - Sensitivity: the largest relative change of the values over inputs near the example.
    - MPRT: the rank correlation of the values with those of the same network with random weights (Adebayo et al.,
      2018). Random logit: the rank correlation with the values of another class. Near 0 is good; 1 means that the
      values do not depend on the weights, or on the class.
    - Region stability: the largest relative change of the values inside the linear region, where the network is affine.
    - Completeness gap, for methods whose values should add up to the change of the score.
    - Rank stability over 5 seeds.
    - Cost: seconds, and inputs that the network runs on, per example.

    Parameters
    ----------
    model : torch.nn.Module or callable
        Model to explain, as in :func:`hashlens.explain`.
    x : array or pandas.DataFrame
        ``(n, ...)``: images, signals or rows of a table.
    methods : sequence of str, or mapping of str to dict
        Names of methods, or names with their own options.
    metrics : "standard", "all" or sequence of str
        Names of metrics. ``standard`` leaves out rank stability and region stability, which take the most time.
    target : optional
        Class to explain, as in :func:`hashlens.explain`; by default the predicted class of each example.
    reading, **options
        How the model is run, as in :func:`hashlens.explain`, and options of every method, such as ``background``,
        ``layer`` and ``class_names``. Removed values of a table become the mean of ``background``, or else of `x`.

    Returns
    -------
    ExplanationComparison
        The result. It prints as a table.

    Raises
    ------
    ExplainError
        If a method or metric is not known, a method has no values to compare, or the examples are texts.
    """
    chosen, wanted = _methods(methods), find_metrics(metrics)
    reading, shared = reading_of(compare_explanations, reading, options)
    evaluation_set = _compare(model, x, target, reading, shared)
    controls = [name for name in CONTROLS if name != "edges" or evaluation_set.x.dim() == 4]
    read = evaluation_set.subject.output
    # The compared network already calls forward= and is on its device.
    shared_options: dict[str, Any] = {"reading": replace(reading, output=read, forward=None, device=None), **shared}
    columns = shared.get("feature_names") or names_of_columns(x)
    shared_options |= {"feature_names": columns, "background": shared.get("background")}
    with bar("comparing", 2 * (len(chosen) + len(controls))) as advance:
        candidates = []
        for name in (*chosen, *controls):
            options = shared_options | dict(chosen.get(name, {}))
            options["background"] = background_of(
                options["background"], evaluation_set.x, evaluation_set.subject, labels_of(x)
            )
            candidates.append(Candidate.compute(name, evaluation_set, explainer(name, options)))
            advance(name)
        values = []
        for candidate in candidates:
            values.append(_measure(evaluation_set, candidate, wanted))
            advance(candidate.name)
    result = np.stack(values)
    if isinstance(metrics, str):
        # Rows of a table have no blurred image: a metric without any value is left out, unless it was requested.
        is_known = ~np.isnan(result).all(axis=(0, 2))
        wanted, result = tuple(np.array(wanted)[is_known].tolist()), result[:, is_known]
    notes = tuple(dict.fromkeys((*map(_sentence, notes_on(evaluation_set.subject)), *evaluation_set.notes)))
    return ExplanationComparison((*chosen, *controls), wanted, result, len(evaluation_set.x), notes, str(read))


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def score_explanation(
    explanation: Explanation,
    model: Model,
    metrics: str | Sequence[str] = "standard",
    *,
    background: Any = None,
    reading: Reading | None = None,
    **options: Unpack[ReadingOptions],
) -> dict[str, float]:
    """Return the metrics of one explanation that do not need the method to be run again: means over its examples.

    Parameters
    ----------
    explanation : Explanation
        Explanation of images, signals or rows of a table.
    model : torch.nn.Module or callable
        The explained model.
    metrics : "standard" or sequence of str
        Names of metrics, as in :func:`hashlens.compare_explanations`.
    background
        Examples whose mean replaces removed values of a table, as in :func:`hashlens.compare_explanations`.
    reading, **options
        How the model is run, as in :func:`hashlens.explain`; by default its output is read as for the explanation.

    Returns
    -------
    dict of str to float
        Mean of each metric; NaN where it cannot be measured.

    Raises
    ------
    ExplainError
        If the explanation has no values of the inputs, or a metric needs the method to be run again.
    """
    standard = isinstance(metrics, str) and metrics == "standard"
    wanted = tuple(name for name in find_metrics(metrics) if not (standard and METRICS[name].reruns_method))
    if again := [name for name in wanted if METRICS[name].reruns_method]:
        raise ExplainError(f"{again[0]} needs the method to be run again: use compare_explanations")
    if explanation.inputs is None or explanation.image is not None:
        raise ExplainError(
            f"an explanation by {explanation.method} cannot be scored: it has no values for parts of an input"
        )
    shared = {"kind": explanation.kind, "background": background}
    check_names(score_explanation, options, READING_FIELDS)
    reading, _ = reading_of(score_explanation, reading, options)
    reading = replace(reading, output=reading.output or explanation.output.partition(" ")[0] or None)
    evaluation_set = _compare(model, explanation.inputs, explanation.target, reading, shared)
    candidate = Candidate(explanation.method, evaluation_set, lambda *_: explanation, explanation)
    result = _measure(evaluation_set, candidate, wanted)
    return {name: float(value) for name, value in zip(wanted, means(result), strict=True)}


def _methods(methods: Sequence[str] | Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the options of each method, by its name in the comparison."""
    if isinstance(methods, str) or not isinstance(methods, (Sequence, Mapping)) or not methods:
        raise ExplainError("methods must be names, at least one, such as ['gradient', 'integrated_gradients']")
    options = methods if isinstance(methods, Mapping) else {name: {} for name in methods}
    result: dict[str, Mapping[str, Any]] = {}
    for name, method_options in options.items():
        method = find_method(name)
        if not isinstance(method_options, Mapping):
            raise ExplainError(f"options of {method.name} must be a dict, received {excerpt(method_options)}")
        if method.group == "global" or method.name == "contrast":
            raise ExplainError(f"{method.name} generates an input and gives no attributions: it cannot be compared")
        if method.name in result:
            raise ExplainError(f"{method.name} is named twice: compare its options one after the other")
        result[method.name] = method_options
    return result


def _compare(model: Model, x: Any, target: Any, reading: Reading, shared: Mapping[str, Any]) -> EvaluationSet:
    subject = subject_of(model, reading)
    kind = kind_of(shared.get("kind"), x)
    if kind == "text" or x is None:
        raise ExplainError("texts are explained one by one, not compared: give x, images or rows of a table")
    inputs = inputs_of(x, kind, subject)
    background = background_of(shared.get("background"), inputs, subject, labels_of(x))
    subject.more = more_inputs(inputs, background, int(reading.seed), kind)
    with subject.evaluation_mode():
        names = shared.get("class_names")
        names = names_of(declared_classes(model) if names is None else names, "class_names")
        classes, _ = classes_of(target, subject, inputs, names)
        _ = subject.output  # decided now, while the network is in evaluation mode
    return EvaluationSet(subject, inputs, classes, background, int(reading.seed))


def _measure(evaluation_set: EvaluationSet, candidate: Candidate, wanted: Sequence[str]) -> "np.ndarray[Any, Any]":
    """Return each metric of each example, ``(metrics, n)``."""
    with evaluation_set.subject.evaluation_mode(), torch.no_grad():
        return np.stack([_metric(evaluation_set, candidate, name) for name in wanted])


def _metric(evaluation_set: EvaluationSet, candidate: Candidate, name: str) -> "np.ndarray[Any, Any]":
    """Return a metric of each example; NaN, and a note, where the method cannot be run again as the metric needs."""
    try:
        return METRICS[name].measure(evaluation_set, candidate)
    except ExplainError as error:
        if not METRICS[name].reruns_method:
            raise
        evaluation_set.notes.append(f"No {name.replace('_', ' ')} of {candidate.name}: {error}.")
        return evaluation_set.unknown
