"""KernelSHAP: Shapley values, shares of the prediction that add up to it."""

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.errors import ExplainError
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import completeness_gap
from hashlens.explanations.perturbed import PerturbedExample, explain_parts, number_or_list, perturb
from hashlens.explanations.request import Request
from hashlens.seeds import numpy_generator

Array = npt.NDArray[Any]
ALWAYS_EXACT = 12
MAX_BACKGROUND = 100


def kernel_shap(
    request: Request, samples: int = 2048, unit: str = "probability", segments: int | None = None
) -> Explanation:
    """Explain by Shapley values of the parts, estimated by weighted least squares (Lundberg, Lee, 2017).

    The value of a coalition of parts is the mean output over the background when all other parts are replaced. The
    Shapley values add up to the prediction minus ``diagnostics["base_value"]``, the mean output when all parts are
    replaced. With up to 12 parts, or if there are no more than `samples` coalitions, they are exact for that
    background. Otherwise all coalitions of the sizes with the largest weights are used, and those of other sizes are
    sampled in pairs with their complements; ``diagnostics["standard_error"]`` is the largest standard error of a value.

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    samples : int
        Number of coalitions for each example, if not all are used.
    unit : str
        Output that is explained: ``probability`` or ``score``.
    segments : int, optional
        Number of parts of an image, spectrogram or signal; by default 50, but at most one for every four positions.
    """
    require_whole(ExplainError, "samples", samples)
    examples = perturb(request, unit, segments)
    values, bases, gaps, errors, exact, used, most_parts = [], [], [], [], True, 0, 0
    for example in examples:
        d, drawn = len(example.parts.names), _background(example)
        coalitions, weights, pairs = _coalitions(d, samples, numpy_generator(request.seed, "shap", example.row))
        ends = np.array([[False] * d, [True] * d])
        coalition_values = _coalition_values(example, np.concatenate([ends, coalitions]), drawn)
        shares, error = _shapley_values(
            coalitions, coalition_values[2:], weights, pairs, coalition_values[0], coalition_values[1]
        )
        values.append(shares)
        bases.append(coalition_values[0])
        gaps.append(completeness_gap(float(shares.sum()), example.own() - coalition_values[0]))
        errors.append(error)
        exact, used, most_parts = exact and not pairs.any(), max(used, len(coalition_values)), max(most_parts, d)
    diagnostics = {
        "base_value": number_or_list(bases), "completeness_gap": max(gaps), "exact": exact,
        "standard_error": max(errors), "coalitions": used,
    }  # fmt: skip
    notes = request.notes + _notes(len(drawn), examples[0].parts.replacements, samples, exact, most_parts)
    return explain_parts(request, "kernel_shap", examples, values, diagnostics=diagnostics, notes=notes)


def _notes(drawn: int, rows: int, samples: int, exact: bool, d: int) -> tuple[str, ...]:
    notes = []
    if drawn < rows:
        notes.append(f"replacements come from {drawn} of the {rows:,} background rows, sampled at random")
    if not exact and samples < 2 * d:
        notes.append(f"{samples} coalitions do not determine the values of {d} parts: raise samples")
    return tuple(notes)


def _background(example: PerturbedExample) -> Array:
    """Return the background rows to average over: all, or a hundred of them, the same for every example."""
    rows = np.arange(example.parts.replacements)
    if len(rows) <= MAX_BACKGROUND:
        return rows
    return np.sort(numpy_generator(example.request.seed, "background").choice(rows, MAX_BACKGROUND, replace=False))


def _coalition_values(example: PerturbedExample, coalitions: Array, drawn: Array) -> Array:
    """Return the value of each coalition: the mean output over the background."""
    present = np.repeat(coalitions, len(drawn), axis=0)
    result = example.outputs(present, np.tile(drawn, len(coalitions)))
    coalition_values: Array = result.reshape(len(coalitions), len(drawn)).mean(axis=1)
    return coalition_values


def _coalitions(d: int, samples: int, generator: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return coalitions ``(n, d)`` that are neither empty nor full, their weights, and the pair that each belongs to.

    Sampled pairs are numbered from 1. The pair is 0 if all coalitions of the size are used.
    """
    sizes = np.arange(1, d // 2 + 1)
    # Total weight in the Shapley kernel of all coalitions of a size and of the complementary size.
    masses = np.array([(d - 1) / (size * (d - size)) * (1 if 2 * size == d else 2) for size in sizes])
    counts = [comb(d, int(size)) * (1 if 2 * size == d else 2) for size in sizes]
    use_all = d <= ALWAYS_EXACT or 2**d <= samples
    result, weights, budget, next_size = [], [], samples, 0
    while next_size < len(sizes) and (
        use_all or counts[next_size] <= budget * masses[next_size] / masses[next_size:].sum()
    ):
        of_size = np.array([*_all_of_size(d, int(sizes[next_size]))])
        result.append(of_size)
        weights.append(np.full(len(of_size), masses[next_size] / len(of_size)))
        budget -= counts[next_size]
        next_size += 1
    complete = sum(map(len, result))
    if next_size < len(sizes):
        drawn = _sample_coalitions(d, sizes[next_size:], masses[next_size:], max(budget // 2, 1), generator)
        result.append(drawn)
        weights.append(np.full(len(drawn), masses[next_size:].sum() / len(drawn)))
    coalitions = np.concatenate([np.zeros((0, d), dtype=bool), *result])
    pairs = np.zeros(len(coalitions), dtype=np.int64)
    pairs[complete:] = np.arange(len(coalitions) - complete) // 2 + 1
    return coalitions, np.concatenate([np.zeros(0), *weights]), pairs


def _all_of_size(d: int, size: int) -> Iterator[Array]:
    for members in combinations(range(d), size):
        coalition = np.zeros(d, dtype=bool)
        coalition[list(members)] = True
        yield coalition
        if 2 * size != d:
            yield ~coalition


def _sample_coalitions(d: int, sizes: Array, masses: Array, pairs: int, generator: np.random.Generator) -> Array:
    """Sample coalitions, each followed by its complement."""
    drawn = generator.choice(sizes, size=pairs, p=masses / masses.sum())
    # A random coalition of a size consists of the parts of the lowest ranks in a random order.
    ranks = generator.permuted(np.tile(np.arange(d), (pairs, 1)), axis=1)
    half = ranks < drawn[:, None]
    return np.stack([half, ~half], axis=1).reshape(2 * pairs, d)


def _shapley_values(
    coalitions: Array, coalition_values: Array, weights: Array, pairs: Array, base: float, full: float
) -> tuple[Array, float]:
    """Return the values that add up to ``full - base`` and fit the coalitions best, and the largest standard error.

    The constraint is substituted: the last value is ``full - base`` minus the others.
    """
    total = float(full - base)
    last = coalitions[:, -1:].astype(np.float64)
    design = coalitions[:, :-1] - last
    wanted = coalition_values - base - last[:, 0] * total
    if design.shape[1] == 0:
        return np.array([total]), 0.0
    root = np.sqrt(weights)
    others = np.linalg.lstsq(design * root[:, None], wanted * root)[0]
    shares = np.append(others, total - others.sum())
    if not pairs.any():
        return shares, 0.0
    # The sandwich estimate of the variance: only sampled pairs vary, each with its own residual.
    pulls = design * (weights * (wanted - design @ others))[:, None]
    by_pair = pulls[pairs > 0].reshape(-1, 2, design.shape[1]).sum(axis=1)
    by_pair -= by_pair.mean(axis=0)
    bread = np.linalg.pinv(design.T @ (design * weights[:, None]))
    spread = bread @ (by_pair.T @ by_pair) @ bread
    variances = np.append(np.diag(spread), spread.sum())
    return shares, float(np.sqrt(max(variances.max(), 0.0)))
