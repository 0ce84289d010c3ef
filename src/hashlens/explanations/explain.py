"""hl.explain: one call for every method."""

import inspect
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch

from hashlens.arguments import is_whole, require_whole, shortly
from hashlens.codes.borrow import borrowed, unwrap
from hashlens.errors import ExplainError, nearest
from hashlens.explanations.asked import Asked, Subject
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.methods import Method, find_method

Tensor = torch.Tensor


def explain(
    model: torch.nn.Module | Callable[[Any], Any],
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
    batch_size: int = 64,
    seed: int = 0,
    **options: Any,
) -> Explanation:
    """Explain why a network says what it says.

    The network is handed back as it came: modes, gradients, hooks, global random numbers.

    Parameters
    ----------
    model : torch.nn.Module or callable
        A classifier or regressor; or any function from inputs to ``(n, K)`` for methods that need no gradients.
    x : torch.Tensor, numpy.ndarray, str or list of str, optional
        Images ``(n, c, h, w)``, rows of a table ``(n, d)``, or texts; one example without its first axis is taken too
        where that is clear (an image ``(c, h, w)``, a row ``(d,)``, a string). Global methods may do without.
    method : str
        See :func:`hashlens.explain_methods`.
    target : int, str or sequence, optional
        The class, by number or name, one or one for each example; by default the one predicted.
    kind : str, optional
        ``image``, ``table`` or ``text``; by default told from `x`.
    layer : str, optional
        For CAMs and global methods.
    background : array, optional
        Examples ``(m, ...)`` that perturbation methods draw from; for integrated gradients and contrast too.
    features : array, optional
        Segments of an image, ``(h, w)`` integers.
    feature_names, class_names : sequence of str, optional
        Names to show.
    tokenizer : callable, optional
        Text to a list of words.
    reshape : callable, optional
        For CAMs of transformers: activations to ``(n, c, h, w)``.
    batch_size : int
        Rows at a time.
    seed : int
        Of everything that is drawn: the same seed gives the same explanation, bit for bit.
    **options
        Of the method.

    Returns
    -------
    Explanation

    Raises
    ------
    ExplainError
        If the method, layer, class or option is not known, or does not fit the input.
    """
    chosen = find_method(method)
    require_whole(ExplainError, "batch_size", batch_size)
    require_whole(ExplainError, "seed", seed, least=0)
    _check_options(chosen, options)
    network = unwrap(model) if isinstance(model, torch.nn.Module) else None
    if network is None and not callable(model):
        raise ExplainError(f"model must be a torch.nn.Module or a function, received {type(model).__name__}")
    if network is None and chosen.needs_module:
        raise ExplainError(
            f"{chosen.name} needs the gradients of a torch.nn.Module, received a plain function: use lime, cle, "
            "kernel_shap or anchor"
        )
    kind = _kind(kind, x, chosen)
    subject = Subject(model if network is None else network, network, batch_size, takes_text=kind == "text")
    started = time.perf_counter()
    with borrowed(network) if network is not None else nullcontext():
        inputs, texts = _inputs(x, kind, subject, chosen)
        numbers, prediction = _target(target, subject, inputs, texts, tuple(class_names or ()))
        asked = Asked(
            subject=subject,
            kind=kind,
            x=inputs,
            texts=texts,
            target=numbers,
            prediction=prediction,
            layer=layer,
            background=None if background is None else _numbers(background, "background", subject),
            features=features,
            feature_names=tuple(feature_names or ()),
            class_names=tuple(class_names or ()),
            tokenizer=tokenizer,
            reshape=reshape,
            seed=int(seed),
        )
        found = chosen.run(asked, **options)
    spent = {"model_calls": subject.calls, "rows_run": subject.rows, "seconds": time.perf_counter() - started}
    return replace(found, diagnostics=found.diagnostics | spent)


def explained(asked: Asked, method: str, values: Tensor | np.ndarray[Any, Any], **more: Any) -> Explanation:
    """Return an explanation of what was asked, with what all methods share filled in."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    # One value for each column of a table has the name of the column.
    named = asked.kind == "table" and array.ndim == 2 and array.shape[1] == len(asked.feature_names)
    return Explanation(
        method=method,
        kind=asked.kind,
        target=asked.target.numpy(),
        values=array,
        **{
            "prediction": asked.prediction.numpy(),
            "inputs": None if asked.x is None else asked.x.detach().cpu().numpy(),
            "texts": asked.texts,
            "features": asked.feature_names if named else (),
            "class_names": asked.class_names,
            "notes": asked.notes,
            **more,
        },
    )


def _check_options(method: Method, options: dict[str, Any]) -> None:
    module, name = method.place.split(":")
    function = getattr(import_module(f"hashlens.explanations.{module}"), name)
    known = [option for option in inspect.signature(function).parameters if option != "asked"]
    for option in options:
        if option not in known:
            raise ExplainError(
                f"{method.name} has no option {option!r}: {nearest(option, known) if known else 'it has none'}"
            )


def _kind(kind: str | None, x: Any, method: Method) -> str:
    if kind is not None and kind not in ("image", "table", "text"):
        raise ExplainError(f"no kind {kind!r}: use image, table or text")
    if kind is None:
        if isinstance(x, str) or (isinstance(x, (list, tuple)) and len(x) and all(isinstance(at, str) for at in x)):
            kind = "text"
        elif x is None:
            kind = method.kinds[0]
        else:
            kind = "image" if np.ndim(x) >= 3 else "table"
    if kind not in method.kinds:
        raise ExplainError(f"{method.name} does not explain a {kind}, only: {', '.join(method.kinds)}")
    return kind


def _inputs(x: Any, kind: str, subject: Subject, method: Method) -> tuple[Tensor | None, tuple[str, ...]]:
    if x is None:
        if method.group != "global":
            raise ExplainError(f"{method.name} explains examples: give x, images (n, c, h, w), rows (n, d) or texts")
        return None, ()
    if kind == "text":
        texts = (x,) if isinstance(x, str) else tuple(x)
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ExplainError("x must be texts, at least one, none of them empty")
        return None, texts
    inputs = _numbers(x, "x", subject)
    if inputs.dim() == (3 if kind == "image" else 1):
        inputs = inputs[None]
    if inputs.dim() < 2 or inputs.numel() == 0:
        raise ExplainError(f"x must hold at least one example (n, ...), received {tuple(inputs.shape)}")
    return inputs, ()


def _numbers(x: Any, name: str, subject: Subject) -> Tensor:
    try:
        tensor = x.detach() if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x))
        tensor = tensor.to(subject.like)
    except Exception as error:
        raise ExplainError(f"{name} must be an array of numbers, received {shortly(x)}") from error
    if bad := int((~torch.isfinite(tensor)).sum()):
        raise ExplainError(f"{name}: {bad:,} of {tensor.numel():,} numbers are NaN or infinite")
    return tensor


def _target(
    target: Any, subject: Subject, inputs: Tensor | None, texts: tuple[str, ...], names: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    """Return the class of each example, and its score."""
    given = None if target is None else [_class(at, names) for at in (target if _is_many(target) else [target])]
    if inputs is None and not texts:
        found = torch.tensor([] if given is None else given, dtype=torch.int64)
        return found, torch.zeros(0, dtype=torch.float64)
    scores = subject.scores(list(texts) if texts else inputs)
    if not bool(torch.isfinite(scores).all()):
        raise ExplainError("the model gives NaN or infinite scores for x: nothing can be explained")
    n, classes = scores.shape
    if given is None:
        numbers = scores.argmax(dim=1)
    else:
        if len(given) not in (1, n):
            raise ExplainError(f"target must be one class or {n}, one for each example, received {len(given)}")
        numbers = torch.tensor(given * (n if len(given) == 1 else 1), dtype=torch.int64)
    if bool((numbers < 0).any()) or bool((numbers >= classes).any()):
        wrong = int(numbers[(numbers < 0) | (numbers >= classes)][0])
        raise ExplainError(f"target {wrong} is out of range: the model gives {classes} scores, 0 to {classes - 1}")
    return numbers, scores[torch.arange(n), numbers]


def _is_many(target: Any) -> bool:
    return not isinstance(target, str) and np.ndim(target) > 0


def _class(target: Any, names: tuple[str, ...]) -> int:
    if isinstance(target, str):
        if target not in names:
            known = nearest(target, names) if names else "class_names were not given"
            raise ExplainError(f"no class {target!r}: {known}")
        return names.index(target)
    value = target.item() if isinstance(target, (Tensor, np.generic)) else target
    if not is_whole(value):
        raise ExplainError(f"target must be a class by number or name, received {shortly(target)}")
    return int(value)
