"""Outputs of a network for an example with some of its parts replaced."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import excerpt, is_whole
from hashlens.errors import ExplainError, nearest
from hashlens.explanations.explain import explained
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.methods import POSITIONAL
from hashlens.explanations.parts import Columns, Parts, Segments, Words
from hashlens.explanations.request import Request
from hashlens.explanations.superpixels import checked_segments, superpixels, time_segments

Array = npt.NDArray[Any]
Tensor = torch.Tensor
SEGMENTS = 50
MAX_CATEGORIES = 10
WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, eq=False)
class PerturbedExample:
    """One example, its parts, and the outputs of the network when some are replaced."""

    request: Request
    row: int
    parts: Parts
    probability: bool

    @property
    def target(self) -> int:
        """The explained class."""
        return int(self.request.target[self.row])

    def outputs(self, present: Array, replaced_by: Array) -> Array:
        """Return the probability or score of the target for each perturbed input, float64 ``(n,)``."""
        subject, size = self.request.subject, self.request.subject.batch_size
        # All inputs are run before the kind of output is decided, so that it does not depend on a batch.
        raw = torch.cat([
            subject.raw(self.parts.inputs(present[start : start + size], replaced_by[start : start + size]))
            for start in range(0, len(present), size)
        ])  # fmt: skip
        result = self._finite(subject.read(raw, self.probability))
        return np.asarray(result[:, self.target])

    def answers(self, inputs: Any) -> Array:
        """Return the predicted class of each input, int64 ``(n,)``; for multi-label outputs, 1 if it has the target."""
        output = self.request.subject.declared
        if output is not None and output.multilabel:
            result = self._finite(output.probabilities(self.request.subject.raw(inputs)))
            return np.asarray(result[:, self.target] > 0.5, np.int64)
        return np.asarray(self._finite(self.request.subject.scores(inputs)).argmax(axis=1))

    def _finite(self, result: Tensor) -> Array:
        """Return scores as an array; raise ExplainError if they are not finite."""
        if not bool(torch.isfinite(result).all()):
            remedy = (
                "it must accept texts without words"
                if self.request.kind == "text"
                else "give a background= that it accepts"
            )
            raise ExplainError(f"the model gives NaN or infinite scores for inputs with replaced parts: {remedy}")
        return result.numpy()

    def own(self) -> float:
        """Return the network's output for the unchanged example."""
        return float(self.outputs(np.ones((1, len(self.parts.names)), dtype=bool), np.zeros(1, dtype=np.int64))[0])


def perturb(
    request: Request,
    unit: str = "probability",
    segments: int | None = None,
    categorical: Sequence[int | str] | None = None,
) -> list[PerturbedExample]:
    """Return each example with its parts.

    Parameters
    ----------
    request : Request
        The examples and the network to explain.
    unit : str
        Output that is explained: ``probability`` or ``score``.
    segments : int, optional
        Number of parts of an image, spectrogram or signal, if `request.features` has none; by default 50, but at most
        one for every four positions.
    categorical : sequence of int or str, optional
        Categorical columns of a table; by default those with few distinct values in the background.
    """
    if unit not in ("probability", "score"):
        raise ExplainError(f"unit must be 'probability' or 'score', received {excerpt(unit)}")
    if request.features is not None and request.kind not in POSITIONAL:
        raise ExplainError(f"features are segments of an image or signal: a {request.kind} takes none")
    parts: list[Parts]
    if request.kind in POSITIONAL:
        parts = [*_segments(request, segments)]
    elif request.kind == "table":
        parts = [*_columns(request, categorical)]
    else:
        parts = [_words(request)]
    return [PerturbedExample(request, row, each, unit == "probability") for row, each in enumerate(parts)]


def perturb_one(
    request: Request, method: str, unit: str, segments: int | None, categorical: Sequence[int | str] | None
) -> PerturbedExample:
    """Return the single example with its parts; raise ExplainError if there are several."""
    n = len(request.target)
    if n > 1:
        raise ExplainError(
            f"{method} explains one example at a time, received {n}: call it for each, x[0:1], x[1:2] ..."
        )
    return perturb(request, unit, segments, categorical)[0]


def explain_parts(
    request: Request, method: str, examples: Sequence[PerturbedExample], values: Sequence[Array], **more: Any
) -> Explanation:
    """Return the explanation of examples by their parts, ``(n, d)``; by pixel if the parts of images differ."""
    first, own = examples[0], torch.tensor([example.own() for example in examples], dtype=torch.float64)
    request = replace(request, prediction=own)
    output = request.output if first.probability else request.subject.declared
    if output is not None and output.regression:
        unit = "value" if output.certain else "score"  # a single number may be the score of a class
    else:
        unit = "probability" if first.probability else "score"
    diagnostics = {"output": unit, **more.pop("diagnostics")}
    if len(examples) > 1 and isinstance(first.parts, Segments) and not _same_segments(request):
        painted = [value[example.parts.segments] for value, example in zip(values, examples, strict=True)]  # type: ignore[attr-defined]
        notes = (
            *more.pop("notes", request.notes),
            "each image has its own superpixels: a pixel has the value of its superpixel",
        )
        return explained(request, method, np.stack(painted), diagnostics=diagnostics, notes=notes, **more)
    segments = first.parts.segments if isinstance(first.parts, Segments) else None
    return explained(
        request,
        method,
        np.stack(values),
        features=first.parts.names,
        segments=segments,
        diagnostics=diagnostics,
        **more,
    )


def number_or_list(numbers: Sequence[float]) -> float | list[float]:
    """Return a diagnostic as a number, or as a list with one for each of several examples."""
    return float(numbers[0]) if len(numbers) == 1 else [float(number) for number in numbers]


def _same_segments(request: Request) -> bool:
    """Return whether all examples have the same segments."""
    return request.features is not None or request.kind == "signal"


def _segments(request: Request, count: int | None) -> list[Segments]:
    result = []
    for example in request.inputs:
        # The colours of a pixel are one part; the channels of a signal are separate parts.
        shape = tuple(example.shape[1:] if request.kind == "image" else example.shape)
        count = max(min(SEGMENTS, prod(shape) // 4), 1) if count is None else count
        if request.features is not None:
            segments = checked_segments(request.features, shape)
        elif request.kind == "signal":
            segments = time_segments(shape, count)
        else:
            image = example if request.kind == "image" else example[None]
            segments = superpixels(image.detach().cpu().double().numpy(), count)
        names = (
            _stretch_names(segments)
            if request.kind == "signal"
            else tuple(f"segment {number}" for number in range(int(segments.max()) + 1))
        )
        result.append(Segments(example, segments, _backgrounds(request, example, segments), names))
    return result


def _stretch_names(segments: Array) -> tuple[str, ...]:
    """Return names of the parts of a signal: the channel, if there are several, and the range of time."""
    channels, names = segments.reshape(-1, segments.shape[-1]), []
    for number in range(int(segments.max()) + 1):
        affected = (channels == number).any(axis=1)
        times = np.flatnonzero((channels == number).any(axis=0))
        whose = "" if affected.all() else f"channel {', '.join(map(str, np.flatnonzero(affected)))}, "
        names.append(f"{whose}time {times[0]}" + (f" to {times[-1]}" if len(times) > 1 else ""))
    return tuple(names)


def _backgrounds(request: Request, example: Tensor, segments: Array) -> Tensor:
    """Return the replacements: the backgrounds, or the mean of each part (for images, of each channel)."""
    if request.background is not None:
        return _checked_background(request.background, example)
    flat = torch.as_tensor(segments.reshape(-1), device=example.device)
    channels = example.reshape(-1, len(flat))
    sums = torch.zeros(len(channels), int(flat.max()) + 1, dtype=example.dtype, device=example.device)
    sums.index_add_(1, flat, channels)
    return (sums / flat.bincount())[:, flat].reshape(1, *example.shape)


def _checked_background(background: Tensor, example: Tensor) -> Tensor:
    result = background[None] if background.dim() == example.dim() else background
    if result.shape[1:] != example.shape or not len(result):
        wanted = ", ".join(map(str, example.shape))
        raise ExplainError(f"background must be (m, {wanted}), received {tuple(background.shape)}")
    return result


def _columns(request: Request, categorical: Sequence[int | str] | None) -> list[Columns]:
    x = request.inputs
    if x.dim() != 2:
        raise ExplainError(f"a table has rows (n, d), received {tuple(x.shape)}")
    d = x.shape[1]
    if request.background is None:
        raise ExplainError(
            f"values of a table are replaced by others: give background=, rows (m, {d}) of training data"
        )
    background = _checked_background(request.background, x[0])
    names = request.feature_names or tuple(f"column {number}" for number in range(d))
    if len(names) != d:
        raise ExplainError(f"feature_names must be {d} names, one for each column, received {len(names)}")
    categories = _guess_categories(background) if categorical is None else _find_names(categorical, names)
    return [Columns(row, background, names, categories) for row in x]


def _guess_categories(background: Tensor) -> Array:
    distinct = np.array([len(column.unique()) for column in background.T])
    categorical: Array = (distinct == 1) | (distinct <= min(MAX_CATEGORIES, len(background) // 2))
    return categorical


def _find_names(categorical: Sequence[int | str], names: tuple[str, ...]) -> Array:
    result = np.zeros(len(names), dtype=bool)
    for column in categorical:
        number = names.index(column) if column in names else column
        if not is_whole(number) or not 0 <= int(number) < len(names):
            raise ExplainError(f"categorical: no column {column!r}: {nearest(column, names)}")
        result[int(number)] = True
    return result


def _words(request: Request) -> Words:
    if len(request.texts) > 1:
        raise ExplainError(f"words are explained one text at a time, received {len(request.texts)}: call it for each")
    if request.background is not None:
        raise ExplainError("words are left out, not replaced: a text takes no background")
    text = request.texts[0]
    places = _word_positions(text, request.tokenizer)
    if not places:
        raise ExplainError(
            f"the tokenizer gives no words for {excerpt(text)}: give tokenizer=fn, text to a list of words"
        )
    names = tuple(dict.fromkeys(word for _, _, word in places))
    numbers = {name: number for number, name in enumerate(names)}
    return Words(text, names, tuple((start, end, numbers[word]) for start, end, word in places))


def _word_positions(text: str, tokenizer: Callable[[str], Sequence[str]] | None) -> list[tuple[int, int, str]]:
    """Return the position of each word, and the word."""
    if tokenizer is None:
        return [(*match.span(), match[0]) for match in WORD.finditer(text)]
    places, offset = [], 0
    for word in tokenizer(text):
        # A whole word is tried first: the same letters may occur earlier, within a word that the tokenizer skips.
        pattern = re.escape(word) if isinstance(word, str) and word else None
        patterns = (rf"(?<!\w){pattern}(?!\w)", pattern) if pattern else ()
        match = next(filter(None, (re.compile(regex, re.IGNORECASE).search(text, offset) for regex in patterns)), None)
        if match is None:
            raise ExplainError(
                f"the tokenizer gives {excerpt(word)}, which does not follow the previous word in the text: "
                "give tokenizer=fn that splits the text and does not change the words"
            )
        places.append((*match.span(), word))
        offset = match.end()
    return places
