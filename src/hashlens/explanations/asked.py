"""What is asked of a method: the network, the inputs and the class, checked once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hashlens.arguments import shortly
from hashlens.codes.borrow import borrowed
from hashlens.codes.model_error import model_error
from hashlens.errors import ExplainError, HashlensError

Tensor = torch.Tensor
SUMS_TO_ONE = 1e-3


@dataclass(eq=False)
class Subject:
    """A network or function to explain, counted each time that it is called.

    Attributes
    ----------
    function : callable
        Inputs to scores ``(n, K)``.
    module : torch.nn.Module or None
        The network; None for a plain function.
    batch_size : int
        Rows at a time.
    """

    function: Callable[[Any], Any]
    module: torch.nn.Module | None
    batch_size: int
    calls: int = 0
    rows: int = 0

    @property
    def like(self) -> Tensor:
        """A tensor of the network's dtype and device."""
        if self.module is not None:
            for tensor in (*self.module.parameters(), *self.module.buffers()):
                if tensor.is_floating_point():
                    return tensor
        return torch.zeros((), dtype=torch.float32)

    def borrowed(self) -> AbstractContextManager[None]:
        """Return the context in which it may be run: the network is handed back as it came."""
        return nullcontext() if self.module is None else borrowed(self.module)

    def run(self, inputs: Any) -> Tensor:
        """Return scores ``(n, K)`` of one batch, gradients and all."""
        self.calls += 1
        self.rows += len(inputs)
        try:
            output = self.function(inputs)
        except HashlensError:
            raise
        except Exception as error:
            raise model_error(error, inputs, "check the shape that it takes") from error
        return _scores_in(output, len(inputs))

    def scores(self, inputs: Any) -> Tensor:
        """Return scores ``(n, K)`` of any number of inputs, without gradients, in batches, on the CPU in float64."""
        with torch.no_grad():
            parts = [self.run(inputs[at : at + self.batch_size]).detach().cpu().double()
                     for at in range(0, len(inputs), self.batch_size)]  # fmt: skip
        return torch.cat(parts)

    def probabilities(self, inputs: Any) -> Tensor:
        """Return scores as probabilities: as they are where they add up to one, otherwise by softmax."""
        scores = self.scores(inputs)
        if scores.shape[1] == 1 or _are_probabilities(scores):
            return scores
        return scores.softmax(dim=1)


def _scores_in(output: Any, n: int) -> Tensor:
    """Return the scores ``(n, K)`` in what a model gave: alone, first of several, or named logits."""
    if isinstance(output, Mapping):
        output = output.get("logits", output)
    output = getattr(output, "logits", output)
    first = output[0] if isinstance(output, (tuple, list)) and output else None
    # A list of arrays of one axis has a row for each input; whatever else holds an array holds the scores first.
    if isinstance(first, (Tensor, np.ndarray)) and (first.ndim > 1 or isinstance(output, tuple)):
        output = first
    expected = f"the model must give a row of scores for each of {n} inputs, (n, K)"
    try:
        scores = output if isinstance(output, Tensor) else torch.as_tensor(np.asarray(output))
    except Exception as error:
        raise ExplainError(f"{expected}, received {shortly(output)}: wrap it to return the scores") from error
    scores = scores[:, None] if scores.dim() == 1 and len(scores) == n else scores
    if scores.dim() != 2 or len(scores) != n or scores.shape[1] == 0:
        raise ExplainError(f"{expected}, received {tuple(scores.shape)}")
    if scores.is_complex():
        raise ExplainError(f"{expected}, received complex ones: wrap it to return real scores")
    return scores


def _are_probabilities(scores: Tensor) -> bool:
    return bool((scores >= 0).all()) and bool(((scores.sum(dim=1) - 1).abs() < SUMS_TO_ONE).all())


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a method.

    Attributes
    ----------
    subject : Subject
        The network or function.
    kind : str
        ``image``, ``table`` or ``text``.
    x : torch.Tensor or None
        ``(n, ...)`` inputs on the network's device and in its dtype; None for text and where there is none.
    texts : tuple of str
        The inputs, of text.
    target : torch.Tensor
        ``(n,)`` int64 on the CPU: the class of each.
    prediction : torch.Tensor
        ``(n,)`` float64: its score.
    layer : str or None
        A layer by name.
    background : torch.Tensor or None
        ``(m, ...)``: examples to draw replacements from, or a baseline of one row.
    features : numpy.ndarray or None
        Segments of images ``(h, w)``, where given.
    feature_names, class_names : tuple of str
        Names, where given.
    tokenizer : callable or None
        Text to words.
    reshape : callable or None
        Activations to ``(n, c, h, w)``.
    seed : int
        Of everything that is drawn.
    """

    subject: Subject
    kind: str
    x: Tensor | None
    texts: tuple[str, ...]
    target: Tensor
    prediction: Tensor
    layer: str | None = None
    background: Tensor | None = None
    features: Any = None
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    tokenizer: Callable[[str], Sequence[str]] | None = None
    reshape: Callable[[Tensor], Tensor] | None = None
    seed: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def inputs(self) -> Tensor:
        """The inputs; ExplainError where there are none."""
        if self.x is None:
            raise ExplainError("this method explains examples: give x, (n, ...)")
        return self.x

    @property
    def module(self) -> torch.nn.Module:
        """The network; ExplainError for a plain function."""
        if self.subject.module is None:
            raise ExplainError(
                "this method needs a torch.nn.Module; for a plain function use lime, kernel_shap or anchor"
            )
        return self.subject.module

    def reshaped(self, found: Tensor) -> Tensor:
        """Return activations as `reshape` gives them; ExplainError where it gives none."""
        if self.reshape is None:
            return found
        try:
            shaped = self.reshape(found)
        except Exception as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExplainError(f"reshape fails on activations {tuple(found.shape)}: {first}") from error
        if not isinstance(shaped, Tensor) or shaped.dim() == 0 or len(shaped) != len(found):
            given = tuple(shaped.shape) if isinstance(shaped, Tensor) else shortly(shaped)
            raise ExplainError(f"reshape must give activations of all {len(found)} inputs, (n, ...), gave {given}")
        return shaped
