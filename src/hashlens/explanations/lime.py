"""LIME, and CLE (LIME with interaction terms): a simple local model of the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number, is_whole, require_whole
from hashlens.errors import ExplainError
from hashlens.explanations.explanation import Explanation, Interaction
from hashlens.explanations.perturbed import (
    PerturbedExample,
    explain_parts,
    number_or_list,
    perturb,
    perturb_one,
)
from hashlens.explanations.request import Request
from hashlens.seeds import numpy_generator

Array = npt.NDArray[Any]
MAX_TERMS = 5_000
NEGLIGIBLE = 1e-12
"""Weights, and relative changes and errors of the outputs, up to this one count as 0."""
TINY = 1e-300
"""Lower limit of a sum of squares, so that nothing is divided by 0."""
CONSTANT = "the prediction is the same whatever is replaced: no part has an effect"


@dataclass(frozen=True)
class Neighbourhood:
    """Perturbed inputs near an example, and the outputs of the network for them.

    Attributes
    ----------
    regressors, like_example : numpy.ndarray
        ``(n, d)``: regressors of the linear model; and which parts are present, or (in a table) have the example's
        category or a value between the same quartiles of the background.
    outputs, weights, unchanged : numpy.ndarray
        ``(n,)``: outputs of the network, weights in the regression, and whether the input is the example itself.
    """

    regressors: Array
    like_example: Array
    outputs: Array
    weights: Array
    unchanged: Array

    @property
    def effective_samples(self) -> float:
        """Effective sample size of the perturbed inputs: ``(sum of weights)^2 / sum of squared weights``."""
        weights = self.weights[~self.unchanged]
        return float(weights.sum() ** 2 / max((weights**2).sum(), TINY)) if weights.any() else 0.0

    @property
    def is_constant(self) -> bool:
        """Whether the output is the same for all inputs whose weight is not negligible."""
        outputs = self.outputs[self.weights > NEGLIGIBLE]
        return bool(np.ptp(outputs) <= NEGLIGIBLE * np.abs(outputs).max())


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

    Random parts of the example are replaced; their share is uniformly random. A ridge regression is fitted to the
    outputs of the network, with larger weights for inputs near the example. The values are in the unit of the output.
    The value of a superpixel or word is the effect of its presence. The value of a categorical column of a table is
    the effect of having the row's category. The value of a numeric column is its coefficient times the difference of
    the row from the mean of the background; numeric columns are not binned.
    ``diagnostics["r2"]`` is the weighted share of the variance that the linear model explains.

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    samples : int
        Number of perturbed inputs for each example.
    kernel_width : float, optional
        Width of the kernel: weights are ``exp(-(distance / kernel_width)^2 / 2)``, where the distance is that
        from the example. For parts that are present or replaced, it is the cosine distance between the mask of the
        present parts and the mask of all parts, and the default width is 0.25. For tables, it is the Euclidean distance
        in standard deviations, and the default width is 0.75 times the square root of the number of columns.
    ridge : float
        Penalty on squared coefficients.
    unit : str
        Output that is explained: ``probability`` or ``score``.
    segments : int, optional
        Number of parts of an image, spectrogram or signal; by default 50, but at most one for every four positions.
    categorical : sequence of int or str, optional
        Categorical columns of a table; by default those with at most ten distinct values in the background, each
        at least twice on average.
    """
    _check(samples, kernel_width, ridge)
    values, r2_of_examples, effective_samples, notes = [], [], [], list(request.notes)
    examples = perturb(request, unit, segments, categorical)
    for example in examples:
        nearby = _neighbourhood(example, samples, kernel_width)
        coefficients, r2 = _fit(nearby.regressors, nearby, ridge)
        values.append(coefficients * example.parts.example_regressors)
        r2_of_examples.append(r2)
        effective_samples.append(nearby.effective_samples)
        notes += [note for note in _notes(nearby) if note not in notes]
    diagnostics = {
        "r2": number_or_list(r2_of_examples),
        "samples": samples,
        "effective_samples": number_or_list(effective_samples),
    }
    return explain_parts(request, "lime", examples, values, diagnostics=diagnostics, notes=tuple(notes))


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
    """Explain as LIME does, with interaction terms: products of indicators of several parts (XDeep, Yang et al., 2019).

    Forward selection chooses among the terms of one part and of several parts, until the Bayesian information criterion
    no longer improves. All other terms have the value 0. The indicator of a column of a table is 1 if it has the row's
    category, or a value between the same quartiles of the background.

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    spans : sequence of int
        Sizes of interaction terms: ``(2,)`` for pairs, ``(2, 3)`` for pairs and triples.
    terms : int
        Largest number of selected terms.
    samples, kernel_width, ridge, unit, segments, categorical
        As in :func:`lime`.
    """
    _check(samples, kernel_width, ridge)
    require_whole(ExplainError, "terms", terms)
    example = perturb_one(request, "cle", unit, segments, categorical)
    _check_spans(spans, len(example.parts.names))
    nearby = _neighbourhood(example, samples, kernel_width)
    lime_coefficients, r2_of_lime = _fit(nearby.regressors, nearby, ridge)
    interaction_terms, notes = _interaction_terms(spans, np.abs(lime_coefficients * example.parts.example_regressors))
    d = len(example.parts.names)
    indicators = [nearby.like_example[:, list(term)].all(axis=1) for term in interaction_terms]
    design = np.column_stack([nearby.regressors, *indicators])
    chosen = _select_forward(design, nearby, terms)
    coefficients, r2 = _fit(design[:, chosen], nearby, ridge)
    values = np.zeros(d)
    interactions = []
    for i, coefficient in zip(chosen, coefficients, strict=True):
        if i < d:
            values[i] = coefficient * example.parts.example_regressors[i]
        else:
            interactions.append(Interaction(interaction_terms[i - d], float(coefficient)))
    interactions.sort(key=lambda term: -abs(term.weight))
    diagnostics = {
        "r2": r2, "r2_without_interactions": r2_of_lime, "terms": len(chosen), "samples": samples,
        "effective_samples": nearby.effective_samples,
    }  # fmt: skip
    return explain_parts(
        request, "cle", [example], [values], interactions=tuple(interactions), diagnostics=diagnostics,
        notes=(*request.notes, *notes, *_notes(nearby)),
    )  # fmt: skip


def _check(samples: int, kernel_width: float | None, ridge: float) -> None:
    require_whole(ExplainError, "samples", samples)
    if kernel_width is not None and not (is_number(kernel_width) and 0 < kernel_width < np.inf):
        raise ExplainError(f"kernel_width must be a number above 0, received {excerpt(kernel_width)}")
    if not (is_number(ridge) and 0 <= ridge < np.inf):
        raise ExplainError(f"ridge must be a number, 0 or more, received {excerpt(ridge)}")


def _check_spans(spans: Sequence[int], d: int) -> None:
    if not isinstance(spans, Sequence) or not all(is_whole(span) and span >= 2 for span in spans):
        raise ExplainError(f"spans must be whole numbers, 2 or more, such as (2,) for pairs, received {excerpt(spans)}")
    if spans and max(spans) > d:
        raise ExplainError(
            f"a term of {max(spans)} parts needs as many parts, but the input has {d}: give more (segments=, "
            "features=), or use lime"
        )


def _neighbourhood(example: PerturbedExample, samples: int, kernel_width: float | None) -> Neighbourhood:
    parts = example.parts
    generator = numpy_generator(example.request.seed, "lime", example.row)
    present = generator.random((samples, len(parts.names))) < generator.random((samples, 1))
    # The example itself comes first.
    present[0] = True
    replaced_by = generator.integers(parts.replacements, size=samples)
    width = parts.kernel_width if kernel_width is None else float(kernel_width)
    weights = np.exp(-0.5 * (parts.distance(present, replaced_by) / width) ** 2)
    outputs = example.outputs(present, replaced_by)
    regressors, like_example = parts.regressors(present, replaced_by), parts.like_example(present, replaced_by)
    return Neighbourhood(regressors, like_example, outputs, weights, np.asarray(present.all(axis=1)))


def _fit(design: Array, nearby: Neighbourhood, ridge: float) -> tuple[Array, float]:
    """Return the coefficients ``(p,)`` of a weighted ridge regression with a free intercept, and its weighted R2."""
    if nearby.is_constant or design.shape[1] == 0:
        return np.zeros(design.shape[1]), float(nearby.is_constant)
    root = np.sqrt(nearby.weights)[:, None]
    columns, outputs = _centre(design, nearby) * root, _centre(nearby.outputs[:, None], nearby) * root
    # Rows that ask for coefficients of 0 make ordinary least squares a ridge regression.
    penalty = np.sqrt(ridge) * np.eye(columns.shape[1])
    penalised_columns = np.concatenate([columns, penalty])
    penalised_outputs = np.concatenate([outputs, np.zeros((len(penalty), 1))])
    coefficients = np.linalg.lstsq(penalised_columns, penalised_outputs)[0]
    total = float((outputs**2).sum())
    unexplained = float(((outputs - columns @ coefficients) ** 2).sum())
    return coefficients[:, 0], 1 - unexplained / total if total > 0 else 1.0


def _centre(columns: Array, nearby: Neighbourhood) -> Array:
    centred: Array = columns - nearby.weights @ columns / nearby.weights.sum()
    return centred


def _interaction_terms(spans: Sequence[int], effects: Array) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """Return the interaction terms; if there are too many, only those of the parts with the largest `effects`."""
    interaction_terms: list[tuple[int, ...]] = []
    notes: list[str] = []
    for span in sorted(set(spans)):
        kept = len(effects)
        while comb(kept, span) > MAX_TERMS:
            kept -= 1
        if kept < len(effects):
            notes.append(
                f"terms of {span} parts use only the {kept} of {len(effects)} parts with the largest single weights"
            )
        strongest = sorted(np.argsort(-effects, kind="stable")[:kept].tolist())
        interaction_terms += combinations(strongest, span)
    return interaction_terms, tuple(notes)


def _select_forward(design: Array, nearby: Neighbourhood, terms: int) -> list[int]:
    """Select columns by forward selection, each orthogonalised against those before it."""
    if nearby.is_constant:
        return []
    root = np.sqrt(nearby.weights)[:, None]
    columns, residual = _centre(design, nearby) * root, (_centre(nearby.outputs[:, None], nearby) * root)[:, 0]
    squared_lengths_at_start = (columns**2).sum(axis=0)
    chosen: list[int] = []
    n, total = nearby.effective_samples, float((residual**2).sum())
    unexplained = total
    while len(chosen) < min(terms, len(design) - 1) and unexplained > NEGLIGIBLE * total:
        squared_lengths = (columns**2).sum(axis=0)
        # A linear combination of the selected columns is only rounding error after orthogonalisation.
        independent = squared_lengths > 1e-9 * np.maximum(squared_lengths_at_start, TINY)
        gains = np.where(independent, (columns.T @ residual) ** 2 / np.where(independent, squared_lengths, 1), 0)
        best = int(gains.argmax())
        after = max(unexplained - float(gains[best]), 0.0)
        # The criterion n log(unexplained) + k log(n), for k terms and n effective samples, must decrease.
        if not independent[best] or n * np.log(max(after, NEGLIGIBLE * total) / unexplained) + np.log(n) >= 0:
            break
        direction = columns[:, best] / np.sqrt(squared_lengths[best])
        residual = residual - direction * (direction @ residual)
        columns = columns - np.outer(direction, direction @ columns)
        unexplained = float((residual**2).sum())
        chosen.append(best)
    return chosen


def _notes(nearby: Neighbourhood) -> tuple[str, ...]:
    d = nearby.regressors.shape[1]
    if nearby.effective_samples < 2 * d:
        return (
            f"the fit rests on {nearby.effective_samples:.0f} effective samples for {d} parts: raise samples or "
            "kernel_width",
        )
    return (CONSTANT,) if nearby.is_constant else ()
