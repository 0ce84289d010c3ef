"""LIME and CLE: a simple model of the network nearby."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number, is_whole, require_whole, shortly
from hashlens.errors import ExplainError
from hashlens.explanations.explanation import Explanation, Interaction
from hashlens.explanations.perturbed import (
    PerturbedExample,
    explained_parts,
    one_or_each,
    perturbed,
    perturbed_one,
)
from hashlens.explanations.request import Request
from hashlens.seeds import numpy_generator

Array = npt.NDArray[Any]
MOST_TERMS = 5_000
NO_CHANGE, SMALLEST = 1e-12, 1e-300
CONSTANT = "the prediction is the same whatever is replaced: no part counts"


@dataclass(frozen=True)
class Neighbourhood:
    """Inputs near an example, and what the network says of them.

    Attributes
    ----------
    described, alike : numpy.ndarray
        ``(n, d)``: what a linear model is fitted on, and which parts are like the example's own.
    outputs, weights, unchanged : numpy.ndarray
        ``(n,)``: what the network says, how much that counts, and whether it says it of the example itself.
    """

    described: Array
    alike: Array
    outputs: Array
    weights: Array
    unchanged: Array

    @property
    def effective(self) -> float:
        """How many changed inputs of equal weight it is worth."""
        weights = self.weights[~self.unchanged]
        return float(weights.sum() ** 2 / max((weights**2).sum(), SMALLEST)) if weights.any() else 0.0

    @property
    def constant(self) -> bool:
        """Whether the network says the same of all that count."""
        outputs = self.outputs[self.weights > NO_CHANGE]
        return bool(np.ptp(outputs) <= NO_CHANGE * np.abs(outputs).max())


def lime(
    request: Request,
    samples: int = 1000,
    kernel_width: float | None = None,
    ridge: float = 1.0,
    unit: str = "probability",
    segments: int | None = None,
    categorical: Sequence[int | str] | None = None,
) -> Explanation:
    """Explain by the weights of a linear model of the network near the example (Ribeiro, Singh, Guestrin, 2016).

    Parts of the example are replaced at random (a share of them drawn evenly from none to all), and a ridge regression
    is fitted to what the network says, inputs near the example weighing more. Values are in the unit of the output:
    what it counts for that a superpixel or word is there, that a category is the row's own, or that the value of any
    other column differs from the background's mean (slope times difference; no bins are made).
    ``diagnostics["r2"]`` is the share of the variance nearby that the linear model accounts for.

    Parameters
    ----------
    samples : int
        Perturbed inputs of each example.
    kernel_width : float, optional
        Weights are ``exp(-(distance / kernel_width)^2 / 2)``. Distances are cosine distances of masks, width .25; in
        tables standard deviations, width .75 times the square root of the number of columns.
    ridge : float
        Penalty on squared weights.
    unit : str
        ``probability`` or ``score``.
    segments : int, optional
        Parts of an image, spectrogram or signal; by default 50, or one for four places where those are fewer.
    categorical : sequence of int or str, optional
        Columns of a table that are categories; by default those of at most ten distinct values in the background.
    """
    _check(samples, kernel_width, ridge)
    values, fits, effective, notes = [], [], [], list(request.notes)
    examples = perturbed(request, unit, segments, categorical)
    for example in examples:
        nearby = _nearby(example, samples, kernel_width)
        weights, fit = _fitted(nearby.described, nearby, ridge)
        values.append(weights * example.parts.worth)
        fits.append(fit)
        effective.append(nearby.effective)
        notes += [note for note in _notes(nearby) if note not in notes]
    diagnostics = {"r2": one_or_each(fits), "samples": samples, "effective_samples": one_or_each(effective)}
    return explained_parts(request, "lime", examples, values, diagnostics=diagnostics, notes=tuple(notes))


def cle(
    request: Request,
    spans: Sequence[int] = (2,),
    terms: int = 10,
    samples: int = 1000,
    kernel_width: float | None = None,
    ridge: float = 1.0,
    unit: str = "probability",
    segments: int | None = None,
    categorical: Sequence[int | str] | None = None,
) -> Explanation:
    """Explain as LIME does, with terms that are on where several parts are as in the example (XDeep, 2019).

    Terms of one part and of several are chosen together, the one that explains most of what is left first, until the
    Bayesian information criterion gains no more; the rest weigh nothing. A column of a table is like the row's own if
    it is the same category, or a value of the same quarter of the background.

    Parameters
    ----------
    spans : sequence of int
        Numbers of parts that terms join: ``(2,)`` for pairs, ``(2, 3)`` for pairs and triples.
    terms : int
        Terms chosen at most.
    samples, kernel_width, ridge, unit, segments, categorical
        As :func:`lime` takes them.
    """
    _check(samples, kernel_width, ridge)
    require_whole(ExplainError, "terms", terms)
    example = perturbed_one(request, "cle", unit, segments, categorical)
    _check_spans(spans, len(example.parts.names))
    nearby = _nearby(example, samples, kernel_width)
    single, fit_of_lime = _fitted(nearby.described, nearby, ridge)
    joined, notes = _joined(spans, np.abs(single * example.parts.worth))
    d = len(example.parts.names)
    design = np.column_stack([nearby.described, *(nearby.alike[:, list(term)].all(axis=1) for term in joined)])
    chosen = _chosen(design, nearby, terms)
    weights, fit = _fitted(design[:, chosen], nearby, ridge)
    values = np.zeros(d)
    interactions = []
    for at, weight in zip(chosen, weights, strict=True):
        if at < d:
            values[at] = weight * example.parts.worth[at]
        else:
            interactions.append(Interaction(joined[at - d], float(weight)))
    interactions.sort(key=lambda term: -abs(term.weight))
    diagnostics = {
        "r2": fit, "r2_without_interactions": fit_of_lime, "terms": len(chosen), "samples": samples,
        "effective_samples": nearby.effective,
    }  # fmt: skip
    return explained_parts(
        request, "cle", [example], [values], interactions=tuple(interactions), diagnostics=diagnostics,
        notes=(*request.notes, *notes, *_notes(nearby)),
    )  # fmt: skip


def _check(samples: int, kernel_width: float | None, ridge: float) -> None:
    require_whole(ExplainError, "samples", samples)
    if kernel_width is not None and not (is_number(kernel_width) and 0 < kernel_width < np.inf):
        raise ExplainError(f"kernel_width must be a number above 0, received {shortly(kernel_width)}")
    if not (is_number(ridge) and 0 <= ridge < np.inf):
        raise ExplainError(f"ridge must be a number, 0 or more, received {shortly(ridge)}")


def _check_spans(spans: Sequence[int], d: int) -> None:
    if not isinstance(spans, Sequence) or not all(is_whole(span) and span >= 2 for span in spans):
        raise ExplainError(f"spans must be whole numbers, 2 or more, such as (2,) for pairs, received {shortly(spans)}")
    if spans and max(spans) > d:
        raise ExplainError(
            f"a term of {max(spans)} parts needs as many, the input has {d}: give more (segments=, features=), or "
            "use lime"
        )


def _nearby(example: PerturbedExample, samples: int, kernel_width: float | None) -> Neighbourhood:
    parts = example.parts
    generator = numpy_generator(example.request.seed, "lime", example.row)
    present = generator.random((samples, len(parts.names))) < generator.random((samples, 1))
    # The example itself comes first.
    present[0] = True
    replaced_by = generator.integers(parts.replacements, size=samples)
    width = parts.kernel_width if kernel_width is None else float(kernel_width)
    weights = np.exp(-0.5 * (parts.distance(present, replaced_by) / width) ** 2)
    outputs = example.outputs(present, replaced_by)
    described, alike = parts.described(present, replaced_by), parts.alike(present, replaced_by)
    return Neighbourhood(described, alike, outputs, weights, np.asarray(present.all(axis=1)))


def _fitted(design: Array, nearby: Neighbourhood, ridge: float) -> tuple[Array, float]:
    """Return the weights ``(p,)`` of a weighted ridge regression with a free intercept, and its weighted R2."""
    if nearby.constant or design.shape[1] == 0:
        return np.zeros(design.shape[1]), float(nearby.constant)
    root = np.sqrt(nearby.weights)[:, None]
    columns, outputs = _centred(design, nearby) * root, _centred(nearby.outputs[:, None], nearby) * root
    penalty = np.sqrt(ridge) * np.eye(columns.shape[1])
    full, wanted = np.concatenate([columns, penalty]), np.concatenate([outputs, np.zeros((len(penalty), 1))])
    weights = np.linalg.lstsq(full, wanted)[0]
    total = float((outputs**2).sum())
    left = float(((outputs - columns @ weights) ** 2).sum())
    return weights[:, 0], 1 - left / total if total > 0 else 1.0


def _centred(columns: Array, nearby: Neighbourhood) -> Array:
    centred: Array = columns - nearby.weights @ columns / nearby.weights.sum()
    return centred


def _joined(spans: Sequence[int], sizes: Array) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """Return the terms of several parts; only of the strongest parts where there were too many."""
    joined: list[tuple[int, ...]] = []
    notes: list[str] = []
    for span in sorted(set(spans)):
        kept = len(sizes)
        while comb(kept, span) > MOST_TERMS:
            kept -= 1
        if kept < len(sizes):
            notes.append(f"terms of {span} are tried among the {kept} parts of {len(sizes)} that weigh most alone")
        strongest = sorted(np.argsort(-sizes, kind="stable")[:kept].tolist())
        joined += combinations(strongest, span)
    return joined, tuple(notes)


def _chosen(design: Array, nearby: Neighbourhood, terms: int) -> list[int]:
    """Choose columns by forward selection, each orthogonal to those before it."""
    if nearby.constant:
        return []
    root = np.sqrt(nearby.weights)[:, None]
    columns, left = _centred(design, nearby) * root, (_centred(nearby.outputs[:, None], nearby) * root)[:, 0]
    start = (columns**2).sum(axis=0)
    chosen: list[int] = []
    n, total = nearby.effective, float((left**2).sum())
    remaining = total
    while len(chosen) < min(terms, len(design) - 1) and remaining > NO_CHANGE * total:
        lengths = (columns**2).sum(axis=0)
        # What is left of a column by those chosen is rounding error.
        free = lengths > 1e-9 * np.maximum(start, SMALLEST)
        gains = np.where(free, (columns.T @ left) ** 2 / np.where(free, lengths, 1), 0)
        best = int(gains.argmax())
        after = max(remaining - float(gains[best]), 0.0)
        if not free[best] or n * np.log(max(after, NO_CHANGE * total) / remaining) + np.log(n) >= 0:
            break
        direction = columns[:, best] / np.sqrt(lengths[best])
        left = left - direction * (direction @ left)
        columns = columns - np.outer(direction, direction @ columns)
        remaining = float((left**2).sum())
        chosen.append(best)
    return chosen


def _notes(nearby: Neighbourhood) -> tuple[str, ...]:
    d = nearby.described.shape[1]
    if nearby.effective < 2 * d:
        return (
            f"the fit rests on {nearby.effective:.0f} effective samples for {d} parts: raise samples or kernel_width",
        )
    return (CONSTANT,) if nearby.constant else ()
