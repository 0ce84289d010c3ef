"""Output: how what a network gives is read, as scores, classes and probabilities; decided once for a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch

from hashlens.errors import ModelError, nearest

Tensor = torch.Tensor
KINDS = (
    "logits", "probabilities", "binary_logit", "binary_probability", "multilabel_logits", "multilabel_probabilities",
    "regression",
)  # fmt: skip
BINARY = ("binary_logit", "binary_probability")
MULTILABEL = ("multilabel_logits", "multilabel_probabilities")
LEAST_PROBABILITY = 1e-30
Select = Callable[[Any], Any]
"""From what a model gives to its scores."""


@dataclass(frozen=True)
class Output:
    """How the output of a network is read.

    Attributes
    ----------
    kind : str
        ``logits`` or ``probabilities`` of classes that exclude each other, ``(n, K)``; ``binary_logit`` or
        ``binary_probability``, one score ``(n, 1)`` that tells class 1 from class 0; ``multilabel_logits`` or
        ``multilabel_probabilities``, K classes each of which an example may have or not; ``regression``, K values.
    reason : str
        What that was decided from.
    certain : bool
        Whether it was declared or seen, rather than taken for want of evidence.
    part : tuple of str or int
        Where the scores are in what the model gives; empty where it gives nothing else.
    select : callable, optional
        From what the model gives to its scores, instead of `part`.
    notes : tuple of str
        What to know of the choice.
    """

    kind: str
    reason: str
    certain: bool = True
    part: tuple[str | int, ...] = ()
    select: Select | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ModelError(f"no output {self.kind!r}: {nearest(self.kind, KINDS)}")

    def __str__(self) -> str:
        return f"{self.kind} ({self.reason})"

    @property
    def line(self) -> str:
        """How the output is read, as a line of a result."""
        return f"output read as {self}"

    @property
    def binary(self) -> bool:
        """Whether one score tells two classes apart."""
        return self.kind in BINARY

    @property
    def multilabel(self) -> bool:
        """Whether an example may have several of the classes, or none."""
        return self.kind in MULTILABEL

    @property
    def regression(self) -> bool:
        """Whether it names no classes."""
        return self.kind == "regression"

    def scores(self, raw: Any, n: int) -> Tensor | None:
        """Return the scores ``(n, K)`` in what a model gave for n examples, gradients and all; None if there are none.

        Parameters
        ----------
        raw : object
            What the model gave.
        n : int
            Examples that it was given.
        """
        if self.select is not None:
            return as_scores(selected(self.select, raw), n)
        try:
            return as_scores(reduce(_step, self.part, raw), n)
        except (KeyError, IndexError, AttributeError, TypeError):
            return None

    def class_scores(self, scores: Tensor) -> Tensor:
        """Return a score of each class, ``(n, K)`` or of one logit or probability ``(n, 2)``: class 0, then class 1."""
        if self.kind == "binary_logit":
            return torch.cat([-scores, scores], dim=1)
        if self.kind == "binary_probability":
            return torch.cat([1 - scores, scores], dim=1)
        return scores

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the probability of each class; of a regression the values themselves.

        Parameters
        ----------
        scores : torch.Tensor
            ``(n, K)``, of :meth:`scores`.
        """
        if self.kind == "logits":
            return scores.softmax(dim=1)
        if self.kind == "binary_logit":
            return self.class_scores(scores).sigmoid()
        if self.kind == "multilabel_logits":
            return scores.sigmoid()
        return self.class_scores(scores)

    def classes(self, scores: Tensor) -> Tensor | None:
        """Return the class of each example, int64 ``(n,)``, of several the likeliest; None of a regression."""
        return None if self.regression else self.class_scores(scores).argmax(dim=1)

    def logits(self, scores: Tensor) -> Tensor:
        """Return the logarithms of unnormalised probabilities, ``(n, K)`` or ``(n, 2)``, whose softmax they are."""
        if self.kind in ("logits", "multilabel_logits", "regression"):
            return scores
        if self.kind == "binary_logit":
            return torch.cat([torch.zeros_like(scores), scores], dim=1)
        return self.class_scores(scores).clamp(min=LEAST_PROBABILITY).log()


OutputLike = str | Output | Select | None


def check_output(output: OutputLike) -> None:
    """Raise ModelError unless `output` is a kind by name, a function from a model's output to its scores, or None."""
    if output is None or isinstance(output, Output) or (isinstance(output, str) and output in KINDS):
        return
    if isinstance(output, str):
        raise ModelError(f"no output {output!r}: {nearest(output, KINDS)}")
    if not callable(output):
        raise ModelError(
            f"output must be one of {', '.join(KINDS)}, or a function from what the model gives to its scores, "
            f"received {' '.join(repr(output).split()):.60}"
        )


def declare_output(model: torch.nn.Module, output: Output) -> None:
    """Let a network that was loaded or trained here say how its output is read."""
    model.hashlens_output = output  # type: ignore[assignment]


def declared_output(model: Any) -> Output | None:
    """Return how a network says that its output is read, if it does."""
    output = getattr(model, "hashlens_output", None)
    return output if isinstance(output, Output) else None


def selected(select: Select, raw: Any) -> Any:
    """Return what a user's function takes out of a model's output; ModelError if it fails."""
    try:
        return select(raw)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the function output= fails on what the model gives: {type(error).__name__}: {first}"
        ) from error


def as_scores(value: Any, n: int) -> Tensor | None:
    """Return a tensor or array as scores ``(n, K)``; None if it holds no row of real numbers for each example.

    Axes of one are dropped, and the batch axis comes back where a network squeezed a batch of one.
    """
    if isinstance(value, list) and len(value) == n and not any(isinstance(at, Tensor) and at.dim() for at in value):
        value = _as_array(value)
    if isinstance(value, np.ndarray):
        value = torch.as_tensor(value) if value.dtype.kind in "fiub" else None
    elif not isinstance(value, Tensor) and hasattr(value, "__array__"):
        return as_scores(_as_array(value), n)
    if not isinstance(value, Tensor) or value.is_complex() or value.layout is not torch.strided or not value.numel():
        return None
    if n == 1 and (value.dim() == 0 or (value.dim() == 1 and len(value) > 1)):
        return value.reshape(1, -1)
    if value.dim() == 0 or len(value) != n or sum(size > 1 for size in value.shape[1:]) > 1:
        return None
    return value if value.dim() == 2 else value.reshape(n, -1)


def _as_array(value: Any) -> Any:
    try:
        return np.asarray(value)
    except Exception:  # of whatever a model gives
        return None


def _step(value: Any, key: str | int) -> Any:
    return value[key] if isinstance(key, int) or isinstance(value, Mapping) else getattr(value, key)


def parts_of(raw: Any, n: int) -> dict[tuple[str | int, ...], Tensor]:
    """Return everything in a model's output that may be scores, by where it is."""
    found: dict[tuple[str | int, ...], Tensor] = {}

    def collect(value: Any, path: tuple[str | int, ...]) -> None:
        scores = as_scores(value, n)
        if scores is not None:
            found[path] = scores
        elif isinstance(value, Mapping):
            for name, part in value.items():
                collect(part, (*path, name))
        elif isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            for at, part in enumerate(value):
                collect(part, (*path, at))
        elif (names := _names(value)) and len(path) < 3:
            for name in names:
                collect(getattr(value, name), (*path, name))

    collect(raw, ())
    # Counts are no scores, nor is a loss, which is one number, as the row of a batch of one may be too.
    real = {path for path, part in found.items() if part.is_floating_point()}
    named = {path for path in found if not (path and "loss" in str(path[-1]).lower())}
    rows = {path for path in found if n > 1 or getattr(reduce(_step, path, raw), "ndim", 1) > 0}
    for candidates in (real, named, rows):
        found = {path: part for path, part in found.items() if path in candidates} or found
    return found


def _names(value: Any) -> tuple[str, ...]:
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(field.name for field in fields(value))
    if hasattr(value, "_fields"):
        return tuple(value._fields)
    return ("logits",) if hasattr(value, "logits") else ()


def first_tensor(output: Any) -> Tensor | None:
    """Return the tensor in what a network gave, of whatever shape: it itself, ``.logits``, or the first of several."""
    if isinstance(output, Tensor):
        return output.detach()
    if hasattr(output, "logits"):
        return first_tensor(output.logits)
    if isinstance(output, Mapping):
        output = [output["logits"]] if "logits" in output else list(output.values())
    if isinstance(output, (list, tuple)):
        return next((part.detach() for part in output if isinstance(part, Tensor)), None)
    return None


def output_notes(output: Output | None, unsteady: tuple[str, ...] = ()) -> list[str]:
    """Return what to know of a network's output before believing numbers; nothing where it was seen what it is."""
    if output is None:
        return list(unsteady)
    line = []
    if output.regression:
        line = [f"{output.line}: it names no classes, so that there is no accuracy"]
    elif not output.certain:
        line = [f"{output.line}; output= says otherwise"]
    elif output.multilabel:
        line = [f"{output.line}: the class of an example is the likeliest, whatever else it has"]
    return [*line, *output.notes, *unsteady]
