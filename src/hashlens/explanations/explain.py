"""hl.explain: one function for all methods of explanation."""

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch

from hashlens.arguments import excerpt
from hashlens.codes.reading import Reading
from hashlens.data.frames import labels_of, names_of_columns
from hashlens.errors import ExplainError, HashlensError, ModelError, nearest
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.methods import Method, find_method
from hashlens.explanations.padding import without_padding
from hashlens.explanations.request import (
    Model,
    Request,
    background_of,
    check_columns,
    check_named,
    check_rows,
    classes_of,
    inputs_of,
    kind_of,
    more_inputs,
    names_of,
    texts_of,
)
from hashlens.explanations.subject import READING_FIELDS, Subject, reading_of, subject_of
from hashlens.nets.class_names import declared_classes
from hashlens.nets.output import output_notes

Tensor = torch.Tensor
UNITS = ("probability", "score")
DECLARED = ("as declared", "as network.json says")
ONE_SCORE = "one score is read as the logit of class 1 against class 0: for a regression give output='regression'"
NO_SLOPE = "all values are 0: the score does not change with x, or the model detaches or rounds its output"


def explain(
    model: Model,
    x: Any = None,
    method: str = "integrated_gradients",
    *,
    target: Any = None,
    kind: str | None = None,
    layer: str | None = None,
    background: Any = None,
    features: Any = None,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    tokenizer: Callable[[str], Sequence[str]] | None = None,
    reshape: Callable[[Tensor], Tensor] | None = None,
    reading: Reading | None = None,
    **options: Any,
) -> Explanation:
    """Explain the predictions of a network.

    The state of the model (mode, gradients, hooks) and the global random generators are restored afterwards.

    Parameters
    ----------
    model : torch.nn.Module or callable
        A classifier or regressor. Methods that need no gradients also take any function from inputs to scores
        ``(n, K)``.
    x : torch.Tensor, numpy.ndarray, pandas.DataFrame, str or list of str, optional
        Inputs to explain: images ``(n, c, h, w)``, rows of a table ``(n, d)``, or texts; with `kind` also signals
        ``(n, c, l)`` or ``(n, l)`` and spectrograms ``(n, h, w)``. A single example without its first axis is accepted
        where it is unambiguous: an image ``(c, h, w)``, a row ``(d,)``, a string. Global methods do not need inputs.
    method : str
        Name of the method; :func:`hashlens.explain_methods` lists them.
    target : int, str or sequence, optional
        Class to explain, by number or name: one for all examples or one for each. By default the predicted class.
    kind : str, optional
        Kind of the inputs: ``image``, ``signal``, ``spectrogram``, ``table`` or ``text``. By default images, tables and
        texts are recognised from `x`.
    layer : str, optional
        Name of the layer that CAMs and global methods explain; each method has its default.
    background : array, optional
        Examples ``(m, ...)`` from which perturbation methods take replacements, integrated gradients their baselines
        and contrast its examples of other classes. If it and `x` are data frames, columns are matched by name.
    features : array, optional
        Segments of an image or spectrogram, integers ``(h, w)``; of a signal ``(c, l)``, or ``(l,)`` for all channels.
        By default they are computed.
    feature_names, class_names : sequence of str, optional
        Names of columns, by default those of a data frame, and of classes.
    tokenizer : callable, optional
        Function from a text to a list of words.
    reshape : callable, optional
        Function from activations to ``(n, c, h, w)``, for CAMs of transformers.
    reading, **options
        How the model is run: a :class:`hashlens.Reading`, or its fields ``output``, ``forward``, ``mask``,
        ``batch_size``, ``device`` and ``seed``. The same seed gives exactly the same explanation. The fields of a
        reading that choose bits have no effect here. Other options are those of the method.

        ``forward`` receives rows of `x`, or a list of texts, as its batch. ``mask`` is a function of `x`, or a dict of
        such functions: the values of padded positions become 0. If they were not 0, because the network does not ignore
        its padding, a note reports their share of the explanation. A model with a single score for two classes is
        explained for class 1 by this score, and for class 0 by its opposite: minus the logit, or 1 minus the
        probability. With ``output="score"`` perturbation methods explain scores instead of probabilities.

    Returns
    -------
    Explanation
        The result. It prints as a table; ``to_html(path)`` writes a page.

    Raises
    ------
    ExplainError
        If the method, layer, class or option is not known, or does not fit the input.
    """
    chosen = find_method(method)
    settings, options = _reading_of(chosen, reading, options)
    _check_options(chosen, options)
    check_named(layer, tokenizer=tokenizer, reshape=reshape)
    subject = subject_of(model, settings)
    if subject.module is None and chosen.needs_module:
        raise ExplainError(
            f"{chosen.name} needs the gradients of a torch.nn.Module, received a plain function: use lime, cle, "
            "kernel_shap or anchor"
        )
    kind = kind_of(kind, x, chosen.kinds[0])
    if kind not in chosen.kinds:
        raise ExplainError(f"{chosen.name} does not explain a {kind}, only: {', '.join(chosen.kinds)}")
    if x is None and chosen.group != "global":
        raise ExplainError(f"{chosen.name} explains examples: give x, images (n, c, h, w), rows (n, d) or texts")
    names = names_of(declared_classes(model) if class_names is None else class_names, "class_names")
    started = time.perf_counter()
    with subject.evaluation_mode():
        texts = texts_of(x) if kind == "text" and x is not None else ()
        inputs, column_names = None if x is None or texts else inputs_of(x, kind, subject), names_of_columns(x)
        check_columns(columns := names_of(feature_names, "feature_names") or column_names, kind, inputs)
        background_rows = background_of(background, inputs, subject, labels_of(x))
        subject.more = more_inputs(inputs, background_rows, int(settings.seed), kind)
        try:
            classes, prediction = classes_of(target, subject, list(texts) or inputs, names)
        except HashlensError as error:
            if kind == "table" and inputs is not None:
                check_rows(inputs, subject, error)
            raise
        request = Request(
            subject=subject,
            kind=kind,
            x=inputs,
            texts=texts,
            target=classes,
            prediction=prediction,
            layer=layer,
            background=background_rows,
            features=features,
            feature_names=columns,
            class_names=names,
            tokenizer=tokenizer,
            reshape=reshape,
            seed=int(settings.seed),
        )
        explanation = chosen.run(request, **options)
    _require_finite(explanation)
    if settings.mask is not None:
        explanation = without_padding(explanation, inputs, settings)
    notes = [NO_SLOPE] if chosen.group == "gradient" and not explanation.values.any() else []
    output_kind = ""
    if subject.evidence.gives_scores:
        output_kind = str(subject.evidence.decide())
        notes += notes_on(subject)
    cost = {"model_calls": subject.calls, "rows_run": subject.rows, "seconds": time.perf_counter() - started}
    return replace(
        explanation,
        diagnostics=explanation.diagnostics | cost,
        notes=(*explanation.notes, *notes),
        output=output_kind,
    )


def _require_finite(explanation: Explanation) -> None:
    """Raise ExplainError if a value of an explanation is NaN or infinite."""
    if bad := int((~np.isfinite(explanation.values)).sum()):
        raise ExplainError(
            f"{explanation.method}: {bad:,} of {explanation.values.size:,} values are NaN or infinite, because the "
            "model has no gradient there: change x slightly, or use kernel_shap"
        )


def _reading_of(method: Method, reading: Reading | None, options: dict[str, Any]) -> tuple[Reading, dict[str, Any]]:
    """Return the reading, and the options of the method."""
    output = options.get("output")
    if isinstance(output, str) and output in UNITS:
        options = {"unit": output, **{name: value for name, value in options.items() if name != "output"}}
    try:
        return reading_of(explain, reading, options)
    except ExplainError as error:
        if method.group != "perturbation" or not isinstance(error.__cause__, ModelError):
            raise
        units = f"output must be 'probability' or 'score', received {excerpt(output)}; or how the output is read"
        raise ExplainError(f"{units}: {error}") from error


def notes_on(subject: Subject) -> list[str]:
    """Return notes on how the model's output is read."""
    output = subject.evidence.decide()
    if output.regression:
        return [*output.notes, *subject.evidence.unsteady]
    notes = output_notes(output, subject.evidence.unsteady)
    if output.kind == "binary_logit" and output.reason not in DECLARED:
        notes.insert(0, ONE_SCORE)
    return notes


def explained(request: Request, method: str, values: Tensor | np.ndarray[Any, Any], **more: Any) -> Explanation:
    """Return the explanation of a request, with the fields that all methods share."""
    array = as_array(values) if isinstance(values, Tensor) else np.asarray(values)
    # In a table each value has the name of its column.
    named = request.kind == "table" and array.ndim == 2 and array.shape[1] == len(request.feature_names)
    return Explanation(
        method=method,
        kind=request.kind,
        target=request.target.numpy(),
        values=array,
        **{
            "prediction": request.prediction.numpy(),
            "inputs": None if request.x is None else as_array(request.x),
            "texts": request.texts,
            "features": request.feature_names if named else (),
            "class_names": request.class_names,
            "notes": request.notes,
            **more,
        },
    )


def as_array(values: Tensor) -> np.ndarray[Any, Any]:
    """Return a tensor as an array; NumPy has no bfloat16."""
    array = values.detach().cpu()
    return (array.float() if array.dtype is torch.bfloat16 else array).numpy()


def list_or_value(each: Sequence[Any]) -> Any:
    """Return a diagnostic of several examples as a list, and of a single example as one value."""
    return each[0] if len(each) == 1 else list(each)


def _check_options(method: Method, options: dict[str, Any]) -> None:
    module, name = method.implementation.split(":")
    function = getattr(import_module(f"hashlens.explanations.{module}"), name)
    parameters = inspect.signature(function).parameters
    known = [option for option in parameters if option != "request"]
    shared = [
        name
        for name, parameter in inspect.signature(explain).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    shared += READING_FIELDS
    for option in options:
        if option not in known:
            raise ExplainError(f"{method.name} has no option {option!r}: {nearest(option, [*known, *shared])}")
        if parameters[option].annotation is bool and not isinstance(options[option], (bool, np.bool_)):
            raise ExplainError(f"{option} must be True or False, received {excerpt(options[option])}")
