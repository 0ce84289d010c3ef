"""hl.compare_explanations: how good explanations are, beside controls that know nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import torch

from hashlens.arguments import shortly
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
from hashlens.explanations.subject import EXPLAINED, reading_of, subject_of
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
    """Compare explanations of the same examples by what they are good for, beside controls that know nothing.

    Deletion and insertion: the probability of the class (of one score that tells two classes apart, that of the class
    explained; of a regression the value itself) as places go or come, most important first (Petsiuk et al., 2018), with
    the mean and with a blurred image in their stead. Infidelity (Yeh et al., 2019), as a share of saying nothing.
    Sensitivity: the largest relative change of the values nearby. MPRT: rank correlation of the values with those of
    the same network with all weights drawn anew (Adebayo et al., 2018), and random logit: with those of another class;
    near 0 is well, 1 means that the network, or the class, plays no part. Region stability: the largest relative change
    inside the linear region, where the network is one affine map. Completeness gap, where sums are
    claimed. Rank stability over 5 seeds. Seconds, and inputs that the network ran on, for each example.

    Parameters
    ----------
    model : torch.nn.Module or callable
        As :func:`hashlens.explain` takes it.
    x : array or pandas.DataFrame
        ``(n, ...)``: images, signals or rows of a table.
    methods : sequence of str, or mapping of str to dict
        Names, or names with options of their own.
    metrics : "standard", "all" or sequence of str
        ``standard`` leaves out what takes most explanations anew: rank stability and region stability.
    target : optional
        The class of each; by default as predicted.
    reading, **options
        How the model is run, as :func:`hashlens.explain` takes it, and options of every method: ``background``,
        ``layer``, ``class_names`` ... With ``background``, removed values of a table become its mean, otherwise that
        of the rows.

    Returns
    -------
    ExplanationComparison

    Raises
    ------
    ExplainError
        If a method or metric is not known, a method gives no values to compare, or the examples are texts.
    """
    chosen, wanted = _methods(methods), find_metrics(metrics)
    how, shared = reading_of(compare_explanations, reading, options)
    evaluation_set = _compared(model, x, target, how, shared)
    controls = [name for name in CONTROLS if name != "edges" or evaluation_set.x.dim() == 4]
    read = evaluation_set.subject.output
    # The network of the comparison is called by forward=, on its device, already.
    given: dict[str, Any] = {"reading": replace(how, output=read, forward=None, device=None), **shared}
    columns = shared.get("feature_names") or names_of_columns(x)
    given |= {"feature_names": columns, "background": shared.get("background")}
    with bar("comparing", 2 * (len(chosen) + len(controls))) as advance:
        candidates = []
        for name in (*chosen, *controls):
            options = given | dict(chosen.get(name, {}))
            options["background"] = background_of(
                options["background"], evaluation_set.x, evaluation_set.subject, labels_of(x)
            )
            candidates.append(Candidate.made(name, evaluation_set, explainer(name, options)))
            advance(name)
        values = []
        for candidate in candidates:
            values.append(_measured(evaluation_set, candidate, wanted))
            advance(candidate.name)
    found = np.stack(values)
    if isinstance(metrics, str):
        # Rows of a table have no blurred image: what cannot be said of any is left out where nobody asked for it.
        said = ~np.isnan(found).all(axis=(0, 2))
        wanted, found = tuple(np.array(wanted)[said].tolist()), found[:, said]
    notes = tuple(dict.fromkeys((*map(_sentence, notes_on(evaluation_set.subject)), *evaluation_set.notes)))
    return ExplanationComparison((*chosen, *controls), wanted, found, len(evaluation_set.x), notes, str(read))


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
    """Return what can be said of one explanation without explaining anew: means over its examples by metric.

    Parameters
    ----------
    explanation : Explanation
        Of images or rows of a table.
    model : torch.nn.Module or callable
        What it explains.
    metrics : "standard" or sequence of str
        As :func:`hashlens.compare_explanations` has them.
    background
        As :func:`hashlens.compare_explanations` takes it.
    reading, **options
        How the model is run, as :func:`hashlens.explain` takes it; its output is by default read as it was for the
        explanation.

    Returns
    -------
    dict of str to float
        NaN where nothing can be measured.

    Raises
    ------
    ExplainError
        If it says nothing of the inputs, or a metric needs the method to be run again.
    """
    standard = isinstance(metrics, str) and metrics == "standard"
    wanted = tuple(name for name in find_metrics(metrics) if not (standard and METRICS[name].again))
    if again := [name for name in wanted if METRICS[name].again]:
        raise ExplainError(f"{again[0]} needs the method to be run again: use compare_explanations")
    if explanation.inputs is None or explanation.image is not None:
        raise ExplainError(f"an explanation by {explanation.method} cannot be scored: it names no parts of an input")
    shared = {"kind": explanation.kind, "background": background}
    check_names(score_explanation, options, EXPLAINED)
    how, _ = reading_of(score_explanation, reading, options)
    how = replace(how, output=how.output or explanation.output.partition(" ")[0] or None)
    evaluation_set = _compared(model, explanation.inputs, explanation.target, how, shared)
    candidate = Candidate(explanation.method, evaluation_set, lambda *_: explanation, explanation)
    found = _measured(evaluation_set, candidate, wanted)
    return {name: float(value) for name, value in zip(wanted, means(found), strict=True)}


def _methods(methods: Sequence[str] | Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the options of each method, by the name that it has in the table."""
    if isinstance(methods, str) or not isinstance(methods, (Sequence, Mapping)) or not methods:
        raise ExplainError("methods must be names, at least one, as ['gradient', 'integrated_gradients']")
    options = methods if isinstance(methods, Mapping) else {name: {} for name in methods}
    found: dict[str, Mapping[str, Any]] = {}
    for name, given in options.items():
        method = find_method(name)
        if not isinstance(given, Mapping):
            raise ExplainError(f"options of {method.name} must be a dict, received {shortly(given)}")
        if method.group == "global" or method.name == "contrast":
            raise ExplainError(f"{method.name} makes an input, and does not say what counts: it cannot be compared")
        if method.name in found:
            raise ExplainError(f"{method.name} is named twice: compare its options one after the other")
        found[method.name] = given
    return found


def _compared(model: Model, x: Any, target: Any, reading: Reading, shared: Mapping[str, Any]) -> EvaluationSet:
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
        _ = subject.output  # decided here, where the network is in evaluation mode
    return EvaluationSet(subject, inputs, classes, background, int(reading.seed))


def _measured(evaluation_set: EvaluationSet, candidate: Candidate, wanted: Sequence[str]) -> "np.ndarray[Any, Any]":
    """Return each metric of each example, ``(metrics, n)``."""
    with evaluation_set.subject.evaluation_mode(), torch.no_grad():
        return np.stack([_metric(evaluation_set, candidate, name) for name in wanted])


def _metric(evaluation_set: EvaluationSet, candidate: Candidate, name: str) -> "np.ndarray[Any, Any]":
    """Return a metric of each example; NaN, and a note, where the method cannot be run again as it asks."""
    try:
        return METRICS[name].measure(evaluation_set, candidate)
    except ExplainError as error:
        if not METRICS[name].again:
            raise
        evaluation_set.notes.append(f"No {name.replace('_', ' ')} of {candidate.name}: {error}.")
        return evaluation_set.unknown
