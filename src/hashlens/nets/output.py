"""Output: how a network's output is read as scores, classes and probabilities; decided once for a model."""

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
MIN_PROBABILITY = 1e-30
Select = Callable[[Any], Any]
"""Function from a model's output to its scores."""


@dataclass(frozen=True)
class Output:
    """How the output of a network is read.

    Attributes
    ----------
    kind : str
        Kind of output: ``logits`` or ``probabilities`` of mutually exclusive classes, ``(n, K)``; ``binary_logit`` or
        ``binary_probability``, a single score ``(n, 1)`` of class 1 against class 0; ``multilabel_logits`` or
        ``multilabel_probabilities``, K classes of which an example may have any number; ``regression``, K values.
    reason : str
        Reason for this decision.
    certain : bool
        True if the kind was declared or recognised, False if it is a default for lack of evidence.
    part : tuple of str or int
        Keys or indices that lead to the scores in the output; empty if the output is the scores.
    select : callable, optional
        Function from the output to the scores, used instead of `part`.
    notes : tuple of str
        Remarks on the decision.
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
    def description(self) -> str:
        """Description of how the output is read, in one line."""
        return f"output read as {self}"

    @property
    def binary(self) -> bool:
        """Whether there is a single score for two classes."""
        return self.kind in BINARY

    @property
    def multilabel(self) -> bool:
        """Whether an example may have several classes, or none."""
        return self.kind in MULTILABEL

    @property
    def regression(self) -> bool:
        """Whether the output is a regression, without classes."""
        return self.kind == "regression"

    @property
    def threshold(self) -> float:
        """Value of a single score above which an example has class 1: 1/2 for a probability, 0 for a logit."""
        return 0.5 if self.kind == "binary_probability" else 0.0

    def tensor(self, raw: Any) -> Tensor | None:
        """Return the tensor of the scores in the output, of any shape, detached; None if there is none."""
        if self.select is not None:
            return first_tensor(selected(self.select, raw))
        try:
            return first_tensor(reduce(_step, self.part, raw))
        except (KeyError, IndexError, AttributeError, TypeError):
            return None

    def scores(self, raw: Any, n: int) -> Tensor | None:
        """Return the scores ``(n, K)`` in the output for n examples, with gradients; None if there are none.

        Parameters
        ----------
        raw : object
            Output of the model.
        n : int
            Number of examples.
        """
        if self.select is not None:
            return as_scores(selected(self.select, raw), n)
        try:
            return as_scores(reduce(_step, self.part, raw), n)
        except (KeyError, IndexError, AttributeError, TypeError):
            return None

    def class_scores(self, scores: Tensor) -> Tensor:
        """Return the score of each class, ``(n, K)``; a single score becomes ``(n, 2)``, class 0 first."""
        if self.kind == "binary_logit":
            return torch.cat([-scores, scores], dim=1)
        if self.kind == "binary_probability":
            return torch.cat([1 - scores, scores], dim=1)
        return scores

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the probability of each class; for a regression the values.

        Parameters
        ----------
        scores : torch.Tensor
            ``(n, K)``: result of :meth:`scores`.
        """
        if self.kind == "logits":
            return scores.softmax(dim=1)
        if self.kind == "binary_logit":
            return self.class_scores(scores).sigmoid()
        if self.kind == "multilabel_logits":
            return scores.sigmoid()
        return self.class_scores(scores)

    def classes(self, scores: Tensor) -> Tensor | None:
        """Return the likeliest class of each example, int64 ``(n,)``; None for a regression."""
        return None if self.regression else self.class_scores(scores).argmax(dim=1)

    def logits(self, scores: Tensor) -> Tensor:
        """Return logits, ``(n, K)``, or ``(n, 2)`` for a single score; probabilities become their logarithms.

        The softmax of the logits of mutually exclusive classes is their probabilities.
        """
        if self.kind in ("logits", "multilabel_logits", "regression"):
            return scores
        if self.kind == "binary_logit":
            return torch.cat([torch.zeros_like(scores), scores], dim=1)
        return self.class_scores(scores).clamp(min=MIN_PROBABILITY).log()


OutputLike = str | Output | Select | None


def check_output(output: OutputLike) -> None:
    """Raise ModelError unless `output` is a kind by name, a function from a model's output to its scores, or None."""
    if output is None or isinstance(output, Output) or (isinstance(output, str) and output in KINDS):
        return
    if isinstance(output, str):
        raise ModelError(f"no output {output!r}: {nearest(output, KINDS)}")
    if not callable(output):
        raise ModelError(
            f"output must be one of {', '.join(KINDS)}, or a function that converts the output of the model "
            f"to scores, received {' '.join(repr(output).split()):.60}"
        )


def declare_output(model: torch.nn.Module, output: Output) -> None:
    """Store in a loaded or trained network how its output is read."""
    model.hashlens_output = output  # type: ignore[assignment]


def declared_output(model: Any) -> Output | None:
    """Return how a network's output is read, if that is stored in it."""
    output = getattr(model, "hashlens_output", None)
    return output if isinstance(output, Output) else None


def selected(select: Select, raw: Any) -> Any:
    """Return the result of a user's function for a model's output; raise ModelError if it fails."""
    try:
        return select(raw)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the function output= fails on the output of the model: {type(error).__name__}: {first}"
        ) from error


def as_scores(value: Any, n: int) -> Tensor | None:
    """Return a tensor or array as scores ``(n, K)``; None if it does not hold a row of real numbers for each example.

    Axes of length 1 are dropped. The batch axis is restored if a network squeezed a batch of one.
    """
    if (
        isinstance(value, list)
        and len(value) == n
        and not any(isinstance(item, Tensor) and item.dim() for item in value)
    ):
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
    except Exception:  # the output of a model may be any object
        return None


def _step(value: Any, key: str | int) -> Any:
    return value[key] if isinstance(key, int) or isinstance(value, Mapping) else getattr(value, key)


def parts_of(raw: Any, n: int) -> dict[tuple[str | int, ...], Tensor]:
    """Return all parts of a model's output that may be scores, by their keys."""
    parts: dict[tuple[str | int, ...], Tensor] = {}

    def collect(value: Any, path: tuple[str | int, ...]) -> None:
        scores = as_scores(value, n)
        if scores is not None:
            parts[path] = scores
        elif isinstance(value, Mapping):
            for name, part in value.items():
                collect(part, (*path, name))
        elif isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            for i, part in enumerate(value):
                collect(part, (*path, i))
        elif (names := _names(value)) and len(path) < 3:
            for name in names:
                collect(getattr(value, name), (*path, name))

    collect(raw, ())
    # Integers, parts named as losses and single numbers are dropped, each kind unless nothing else would be left.
    real = {path for path, part in parts.items() if part.is_floating_point()}
    named = {path for path in parts if not (path and "loss" in str(path[-1]).lower())}
    rows = {path for path in parts if n > 1 or getattr(reduce(_step, path, raw), "ndim", 1) > 0}
    for candidates in (real, named, rows):
        parts = {path: part for path, part in parts.items() if path in candidates} or parts
    return parts


def _names(value: Any) -> tuple[str, ...]:
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(field.name for field in fields(value))
    if hasattr(value, "_fields"):
        return tuple(value._fields)
    return ("logits",) if hasattr(value, "logits") else ()


def first_tensor(output: Any) -> Tensor | None:
    """Return the tensor in a network's output, detached: the output, its ``.logits``, or the first of several.

    The result is None if there is no tensor.
    """
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
    """Return notes on how a network's output was read.

    They are about a regression, an uncertain kind or several classes of an example, about the choice of the scores, and
    the reasons in `unsteady`. The list is empty for scores of exclusive classes whose kind is certain.
    """
    if output is None:
        return list(unsteady)
    line = []
    if output.regression:
        line = [f"{output.description}: it has no classes, so there is no accuracy"]
    elif not output.certain:
        line = [f"{output.description}; to change this, give output="]
    elif output.multilabel:
        line = [f"{output.description}: the likeliest class of an example counts as its class"]
    return [*line, *output.notes, *unsteady]
