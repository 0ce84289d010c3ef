"""Request: the checked arguments of :func:`hashlens.explain`, as the methods receive them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hashlens.arguments import excerpt, is_whole
from hashlens.data.frames import array_of, labels_of
from hashlens.errors import DataError, ExplainError, nearest
from hashlens.explanations.frames import order_of
from hashlens.explanations.methods import ALL
from hashlens.explanations.subject import MAX_VALUE, Subject
from hashlens.nets.output import Output
from hashlens.seeds import numpy_generator, torch_generator

Tensor = torch.Tensor
More = Callable[[int], Any]
"""Function that returns a requested number of further inputs."""
SHAPES = {
    "image": ("(n, c, h, w)", (4,)),
    "signal": ("(n, channels, time) or (n, time)", (2, 3)),
    "spectrogram": ("(n, height, width)", (3,)),
}
"""Kinds of inputs with spatial or temporal axes: their shape, as text for messages, and the allowed numbers of axes."""


class _Scoring(torch.nn.Module):
    """Wrapper that returns only the scores of a network's output."""

    def __init__(self, network: torch.nn.Module, output: Output) -> None:
        super().__init__()
        self.network, self.output = network, output

    def forward(self, x: Tensor) -> Tensor:
        scores = self.output.scores(self.network(x), len(x))
        if scores is None:
            raise ExplainError("the model gives no scores for these inputs")
        return scores


@dataclass(frozen=True, eq=False)
class Request:
    """Arguments of a method of explanation.

    Attributes
    ----------
    subject : Subject
        Network or function to explain.
    kind : str
        Kind of the inputs: ``image``, ``signal``, ``spectrogram``, ``table`` or ``text``.
    x : torch.Tensor or None
        ``(n, ...)``: inputs on the network's device and in its dtype; None for texts, or if there are no inputs.
    texts : tuple of str
        Inputs that are texts.
    target : torch.Tensor
        ``(n,)`` int64 on the CPU: class to explain for each example.
    prediction : torch.Tensor
        ``(n,)`` float64: score of that class.
    layer : str or None
        Name of the layer to explain; None for the default of the method.
    background : torch.Tensor or None
        ``(m, ...)``: examples whose values replace those of removed features, or a baseline of one row.
    features : numpy.ndarray or None
        ``(h, w)``: number of the segment of each pixel; None to compute segments.
    feature_names, class_names : tuple of str
        Names of features and classes; empty if there are none.
    tokenizer : callable or None
        Function from a text to words.
    reshape : callable or None
        Function from activations to ``(n, c, h, w)``.
    seed : int
        Seed of all random numbers.
    notes : tuple of str
        Caveats for the explanation.
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
        """The inputs; ExplainError if there are none."""
        if self.x is None:
            raise ExplainError("this method explains examples: give x, (n, ...)")
        return self.x

    @property
    def output(self) -> Output:
        """How the output of the model is read."""
        return self.subject.output

    @property
    def module(self) -> torch.nn.Module:
        """The network; ExplainError for a plain function."""
        if self.subject.module is None:
            raise ExplainError(
                "this method needs a torch.nn.Module; for a plain function use lime, kernel_shap or anchor"
            )
        return self.subject.module

    @property
    def scoring(self) -> torch.nn.Module:
        """The network, returning only its scores."""
        output = self.output
        return self.module if output.select is None and not output.part else _Scoring(self.module, output)

    def reshaped(self, activations: Tensor) -> Tensor:
        """Return activations reshaped by `reshape`; raise ExplainError if it fails or loses the axis of inputs."""
        if self.reshape is None:
            return activations
        try:
            shaped = self.reshape(activations)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExplainError(f"reshape fails on activations {tuple(activations.shape)}: {reason}") from error
        if not isinstance(shaped, Tensor) or shaped.dim() == 0 or len(shaped) != len(activations):
            received = tuple(shaped.shape) if isinstance(shaped, Tensor) else excerpt(shaped)
            raise ExplainError(
                f"reshape must return activations of all {len(activations)} inputs, (n, ...), returned {received}"
            )
        return shaped


def kind_of(kind: str | None, x: Any, default: str = "image") -> str:
    """Return the kind of the inputs: `kind`, or the kind recognised from `x`; `default` without inputs."""
    if kind is not None and (not isinstance(kind, str) or kind not in ALL):
        raise ExplainError(f"no kind {excerpt(kind)}: use {', '.join(ALL[:-1])} or {ALL[-1]}")
    if kind is not None:
        return kind
    if isinstance(x, str) or (isinstance(x, (list, tuple)) and len(x) and all(isinstance(text, str) for text in x)):
        return "text"
    if x is None:
        return default
    try:
        return "image" if np.ndim(x) >= 3 else "table"
    except ValueError as error:
        raise ExplainError(f"x must be an array of numbers, received {excerpt(x)}") from error


def texts_of(x: Any) -> tuple[str, ...]:
    """Return one or several texts as a tuple."""
    texts = (x,) if isinstance(x, str) else tuple(x)
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ExplainError("x must be texts, at least one, none of them empty")
    return texts


def inputs_of(x: Any, kind: str, subject: Subject) -> Tensor:
    """Return inputs ``(n, ...)`` in the network's dtype and on its device; a single example gets a batch axis."""
    inputs = numbers(x, "x", subject)
    if kind == "image" and inputs.dim() == 3 and _accepts(subject, inputs) and not _accepts(subject, inputs[None]):
        raise ExplainError(
            f"x {tuple(inputs.shape)} has the shape of one image (c, h, w), but the model reads it as "
            f"{len(inputs)} examples: give kind='signal' for (n, channels, time), or kind='spectrogram' for "
            "(n, height, width)"
        )
    example_axes = {"image": 3, "spectrogram": 2}.get(kind, 1)
    # One signal of several channels looks like several signals of one channel: the model decides which it accepts.
    if inputs.dim() == example_axes or (
        kind == "signal" and inputs.dim() == 2 and _accepts(subject, inputs[None]) and not _accepts(subject, inputs)
    ):
        inputs = inputs[None]
    if inputs.dim() < 2 or inputs.numel() == 0:
        raise ExplainError(f"x must hold at least one example (n, ...), received {tuple(inputs.shape)}")
    if kind in SHAPES and inputs.dim() not in SHAPES[kind][1]:
        raise ExplainError(
            f"{kind}s are {SHAPES[kind][0]}, received {tuple(inputs.shape)}: {_other_kinds(kind, inputs.dim())}"
        )
    return inputs


def check_rows(inputs: Tensor, subject: Subject, error: Exception) -> None:
    """Raise ExplainError if the model rejects the inputs as rows of a table, but accepts them as a single example."""
    if not _accepts(subject, inputs) and _accepts(subject, inputs[None]):
        raise ExplainError(
            f"x {tuple(inputs.shape)} has the shape of a table, but the model reads it as one example: give "
            "kind='signal' for (channels, time), or kind='spectrogram' for (height, width)"
        ) from error


def _other_kinds(kind: str, axes: int) -> str:
    """Return the other kinds whose examples have this number of axes."""
    fit = [
        f"kind={other!r} for {shape}, "
        for other, (shape, allowed) in SHAPES.items()
        if other != kind and axes in allowed
    ]
    return f"give {''.join(fit)}kind='table' for examples of another shape"


def _accepts(subject: Subject, inputs: Tensor) -> bool:
    """Return whether the model accepts the inputs, and returns a row for each."""
    # Two rows: a model that returns a single row for any inputs would pass with one.
    two = inputs[:2] if len(inputs) > 1 else torch.cat([inputs, inputs])
    try:
        with subject.evaluation_mode(), torch.no_grad():
            output = subject.function(two)
        # The first tensor of a dict or tuple.
        first = output if isinstance(output, Tensor) else next(iter(getattr(output, "values", lambda: output)()))
        return len(first) == len(two)
    except (torch.OutOfMemoryError, MemoryError):  # not caused by the shape
        raise
    except Exception:
        return False


def numbers(x: Any, name: str, subject: Subject) -> Tensor:
    """Return an array as a tensor in the network's dtype and on its device; raise ExplainError if it is not finite.

    For a plain function, whose dtype is not known, floating-point numbers keep their dtype.
    """
    try:
        tensor = x.detach() if isinstance(x, Tensor) else torch.as_tensor(array_of(x, name))
        if tensor.is_complex():
            raise ExplainError(f"{name} must be real numbers, received complex ones: give x.real, or its two parts")
        tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
        tensor = tensor if subject.module is None and tensor.is_floating_point() else tensor.to(subject.like)
    except ExplainError:
        raise
    except DataError as error:
        raise ExplainError(str(error)) from error
    except Exception as error:
        raise ExplainError(f"{name} must be an array of numbers, received {excerpt(x)}") from error
    if bad := int((~torch.isfinite(tensor)).sum()):
        raise ExplainError(f"{name}: {bad:,} of {tensor.numel():,} numbers are NaN or infinite")
    return tensor


def background_of(
    background: Any, inputs: Tensor | None, subject: Subject, columns: Sequence[Any] = ()
) -> Tensor | None:
    """Return the background in the form of the inputs; columns of a data frame are put in the order of `columns`."""
    if background is None:
        return None
    rows = numbers(background, "background", subject)
    if (order := order_of(labels_of(background), columns)) is not None:
        rows = rows[..., order]
    if inputs is None:
        return rows
    if tuple(rows.shape) != tuple(inputs.shape[1:]) and (rows.shape[1:] != inputs.shape[1:] or not len(rows)):
        raise ExplainError(
            f"background must be (m, {', '.join(map(str, inputs.shape[1:]))}), received {tuple(rows.shape)}"
        )
    return rows.to(inputs)


def classes_of(target: Any, subject: Subject, inputs: Any, names: Sequence[str] = ()) -> tuple[Tensor, Tensor]:
    """Return the class to explain for each example, int64 ``(n,)``, and its score.

    Parameters
    ----------
    target : int, str, sequence or None
        As in :func:`hashlens.explain`; None for the predicted class.
    subject : Subject
        Network or function to explain.
    inputs : torch.Tensor, list of str or None
        The examples; None if there are none, and `target` is used unchanged.
    names : sequence of str
        Names of the classes.
    """
    requested = None if target is None else [_class(each, names) for each in (target if _is_many(target) else [target])]
    if inputs is None:
        return torch.tensor(requested or [], dtype=torch.int64), torch.zeros(0, dtype=torch.float64)
    scores = subject.scores(inputs)
    if not bool(torch.isfinite(scores).all()):
        raise ExplainError("the model gives NaN or infinite scores for x: nothing can be explained")
    n, classes = scores.shape
    declared = subject.declared
    if names and len(names) != classes > 1 and not (declared is not None and declared.regression):
        raise ExplainError(
            f"class_names must be {classes} names, one for each output of the model in order, received {len(names)}: "
            f"{', '.join(names[:8])}"
        )
    if requested is None and classes > 1 and declared is not None and declared.regression:
        raise ExplainError(
            f"a regression with {classes} outputs needs target=, the number of an output, 0 to {classes - 1}"
        )
    if requested is None:
        wanted = scores.argmax(dim=1)
    elif len(requested) in (1, n):
        wanted = torch.tensor(requested * (n if len(requested) == 1 else 1), dtype=torch.int64)
    else:
        raise ExplainError(f"target must be one class or {n} classes, one for each example, received {len(requested)}")
    if bool((wanted < 0).any()) or bool((wanted >= classes).any()):
        wrong = int(wanted[(wanted < 0) | (wanted >= classes)][0])
        raise ExplainError(f"target {wrong} is out of range: the model gives {classes} scores; use 0 to {classes - 1}")
    return wanted, scores[torch.arange(n), wanted]


def more_inputs(inputs: Tensor | None, background: Tensor | None, seed: int, kind: str = "table") -> More | None:
    """Return a function that generates any number of inputs similar to those given; None for texts.

    Each column of a table is resampled independently from its rows and the background. Other inputs get normal noise
    with a standard deviation of a tenth of their range.
    """
    if inputs is None:
        return None
    known = inputs if background is None else torch.cat([inputs, background.reshape(-1, *inputs.shape[1:])])
    generator = numpy_generator(seed, "more")
    if kind == "table" and inputs.dim() == 2 and len(known) > 1:
        columns = np.arange(inputs.shape[1])
        return lambda count: known[generator.integers(len(known), size=(count, len(columns))), columns]

    def noisy(count: int) -> Tensor:
        rows = known[np.arange(count) % len(known)]
        drawn = torch.randn(rows.shape, generator=torch_generator(seed, "more"))
        return rows + 0.1 * (rows.max() - rows.min()) * drawn.to(rows)

    return noisy


def _is_many(target: Any) -> bool:
    return not isinstance(target, str) and np.ndim(target) > 0


def _class(target: Any, names: Sequence[str]) -> int:
    if isinstance(target, str):
        if target not in names:
            hint = nearest(target, names) if names else "give class_names, or the number of the class"
            raise ExplainError(f"no class {target!r}: {hint}")
        return list(names).index(target)
    single = isinstance(target, np.generic) or (isinstance(target, Tensor) and target.numel() == 1)
    value = target.item() if single else target
    if not is_whole(value):
        raise ExplainError(f"target must be a class by number or name, received {excerpt(target)}")
    if abs(value) >= MAX_VALUE:
        raise ExplainError(f"target {excerpt(value)} is out of range: no model gives so many scores")
    return int(value)


def names_of(names: Any, what: str) -> tuple[str, ...]:
    """Return names as text; raise ExplainError if `names` is a single text."""
    if isinstance(names, str) or (names is not None and not np.iterable(names)):
        raise ExplainError(f"{what} must be a list of names, received {excerpt(names)}")
    return () if names is None else tuple(map(str, names))


def check_columns(names: Sequence[str], kind: str, inputs: Tensor | None) -> None:
    """Raise ExplainError if the number of names differs from the number of columns."""
    if names and kind == "table" and inputs is not None and len(names) != (columns := inputs[0].numel()):
        raise ExplainError(f"feature_names must be {columns} names, one for each column, received {len(names)}")


def check_named(layer: Any, **functions: Any) -> None:
    """Raise ExplainError if `layer` is not a name, or a function is not callable; None is allowed."""
    if layer is not None and not isinstance(layer, str):
        raise ExplainError(f"layer must be a name, as model.named_modules() has it, received {excerpt(layer)}")
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise ExplainError(f"{name} must be a function, received {excerpt(function)}")


Model = torch.nn.Module | Callable[[Any], Any]
"""A model that can be explained."""
