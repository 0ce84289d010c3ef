"""The effect table: the share of the variance of each measure that each factor of a study explains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.arguments import require_whole
from hashlens.errors import StudyError
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.study.charts.grid import (
    Grid,
    as_names,
    conditions,
    is_numeric,
    lay_out,
    level_name,
    select_rows,
    usual_split,
)
from hashlens.study.charts.intervals import require_confidence
from hashlens.study.charts.variance import VarianceShares, bootstrap_shares, variance_shares
from hashlens.study.results import Results, default_variables
from hashlens.study.variables import Variables
from hashlens.tables import Table, table

DOMINANT_SHARE, NEGLIGIBLE_SHARE = 0.10, 0.05
"""Limits of the total share, set by hashlens: a factor dominates from the first, hardly matters below the
second."""
DEFAULT_EXAMPLES = 10_000
"""Default number of examples behind each share on the logit scale."""


@dataclass(frozen=True)
class Share(Result):
    """Share of the total variance, with its interval; an estimate below 0 means no effect.

    Attributes
    ----------
    value, low, high : float
        Estimate and bounds of the interval; 1 is the whole variance. NaN if the response does not vary.
    """

    value: float
    low: float
    high: float

    def __rich__(self) -> str:
        if not np.isfinite(self.value):
            return "–"
        return f"{_percent(self.value)} ({_percent(self.low)}–{_percent(self.high)})"


@dataclass(frozen=True)
class Effect(Result):
    """Effect of one factor on one response.

    Attributes
    ----------
    factor : str
        Name of the factor.
    first : Share
        First-order share: the variance between the means of the levels.
    total : Share
        Total share, including all interactions of the factor; totals of several factors overlap.
    """

    factor: str
    first: Share
    total: Share


@dataclass(frozen=True)
class ResponseEffects(Result):
    """Decomposition of the variance of one response; first-order shares, interactions and residual add up to 1.

    Attributes
    ----------
    measure, split : str
        Measure and split of the response.
    scale : str
        Scale of the response: ``logit`` or ``plain``.
    variance : float
        Total variance over all cells and repeats, on that scale.
    effects : tuple of Effect
        Effect of each factor.
    interactions : Share
        Share of all interactions together.
    residual : Share
        Share of the repeats: different seeds in the same cell.
    label : str
        Readable name of the measure.
    """

    measure: str
    split: str
    scale: str
    variance: float
    effects: tuple[Effect, ...]
    interactions: Share
    residual: Share
    label: str = ""

    @property
    def measure_label(self) -> str:
        """Readable name of the measure."""
        return self.label or _label(default_variables(), self.measure)

    @property
    def name(self) -> str:
        """Readable name of the response."""
        return f"{self.measure_label} {self.split}".rstrip()

    @property
    def verdict(self) -> str:
        """Sentence with the factors that dominate the response, and those that hardly matter, by total share."""
        if not np.isfinite(self.residual.value):
            return f"{self.name} does not vary."
        ranked = sorted(self.effects, key=lambda effect: -effect.total.value)
        large = [
            f"{_factor_text(effect)} {effect.total.value:.0%}"
            for effect in ranked
            if effect.total.value >= DOMINANT_SHARE
        ]
        small = [
            _factor_text(ranked_effect) for ranked_effect in ranked if ranked_effect.total.value < NEGLIGIBLE_SHARE
        ]
        dominating = f"{', '.join(large)} dominate{'s' * (len(large) == 1)}" if large else "no factor dominates"
        return f"{self.name}: {dominating}" + (f"; under {NEGLIGIBLE_SHARE:.0%}: {', '.join(small)}." if small else ".")


@dataclass(frozen=True)
class EffectTable(Result):
    """Shares of variance by factor and response. It prints as tables, and plots as bars.

    Attributes
    ----------
    ranges : dict of str to tuple
        Levels of each factor; shares hold for these levels only.
    responses : tuple of ResponseEffects
        Decomposition of each response.
    repeats : int
        Number of runs per cell.
    examples : dict of str to int
        Number of examples by split, for the continuity correction on the logit scale.
    bootstrap : int
        Number of bootstrap samples.
    confidence : float
        Confidence level of the intervals.
    where : dict
        Levels at which other factors are fixed.
    study : str
        Name of the study.
    """

    ranges: dict[str, tuple[Any, ...]]
    responses: tuple[ResponseEffects, ...]
    repeats: int
    examples: dict[str, int]
    bootstrap: int
    confidence: float
    where: dict[str, Any]
    study: str = ""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Verdicts in words, one line for each response."""
        return tuple(response.verdict for response in self.responses)

    def range_text(self, factor: str) -> str:
        """Return the levels of a factor as readable text, such as ``width 10–100 (6 levels)``."""
        levels = self.ranges[factor]
        span = (
            f"{level_name(levels[0])}–{level_name(levels[-1])}"
            if is_numeric(levels) and len(levels) > 2
            else ", ".join(map(level_name, levels))
        )
        return f"{factor.replace('_', ' ')} {span}" + (f" ({len(levels)} levels)" if len(levels) > 2 else "")

    def tables(self) -> tuple[Table, ...]:
        """Return the tables of first-order shares and of total shares."""
        names = [factor.replace("_", " ") for factor in self.ranges]
        fixed_levels = conditions(self.where, self.ranges)
        fixed = f", at {fixed_levels}" if fixed_levels else ""
        ranges = f"Over {'; '.join(map(self.range_text, self.ranges))}{fixed}; {self.repeats} repeats per cell."
        logit_measures = dict.fromkeys(
            response.measure_label for response in self.responses if response.scale == "logit"
        )
        logit = f" {' and '.join(logit_measures)} on the logit scale." if logit_measures else ""
        method = (
            f"{logit} Corrected for the variation between repeats; a value below 0 means no effect. "
            f"{self.confidence:.0%} intervals are for other seeds, not for other levels."
        )
        first = [
            (
                response.name,
                *(str(effect.first) for effect in response.effects),
                str(response.interactions),
                str(response.residual),
            )
            for response in self.responses
        ]
        total = [(response.name, *(str(effect.total) for effect in response.effects)) for response in self.responses]
        return (
            table("Variance explained by each factor alone, by interactions, and by repeats, in percent",
                  ("", *names, "interactions", "repeats"), first),
            table("Variance explained with all interactions, in percent (these overlap)", ("", *names), total,
                  ranges + method),
        )  # fmt: skip

    def __rich__(self) -> RenderableType:
        return Group(*self.tables(), *map(Text, self.verdicts))

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the shares as bars with intervals, one for each response."""
        from hashlens.study.charts.figures import effect_bars

        return effect_bars(self)

    def page(self) -> Page:
        """Return the page of the table, with the verdicts first."""
        from hashlens.study.page.page import effects_page

        return effects_page(self)


def effect_table(
    results: Results,
    factors: Sequence[str] | None = None,
    responses: Sequence[str | tuple[str, str]] | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    examples: int | Mapping[str, int] = DEFAULT_EXAMPLES,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> EffectTable:
    """Compute the share of the variance of each measure that each factor explains, over the levels of a study.

    It is an exact analysis of variance over the levels of the study, equally weighted. The table must be fully crossed,
    with the same number of repeats in every cell. Some measures that are shares, such as R, are analysed on the logit
    scale as logit((R n + 1/2) / (n + 1)), which is finite at 0 and 1. See
    :func:`~hashlens.study.charts.variance.variance_shares` for the correction for noise and
    :func:`~hashlens.study.charts.variance.bootstrap_shares` for the intervals.

    Parameters
    ----------
    results : Results
        Results of a study with two or more repeats.
    factors : sequence of str, optional
        Factors, including the step; by default all that vary.
    responses : sequence of str or (str, str), optional
        Measures, or pairs of measure and split. A measure without a split is analysed on test, or on its only split.
        A measure with a different meaning on each split, such as R, is analysed on train and on test. The default is
        the list of responses in the experiment's variables.
    where : mapping, optional
        Levels at which other factors are fixed, or to which these factors are restricted.
    examples : int or mapping of split to int
        Number n of examples behind each share on the logit scale; results do not store it. The default is 10,000: R = 0
        counts as half an example in ten thousand.
    bootstrap : int
        Number of bootstrap samples for the intervals.
    confidence : float
        Confidence level of the intervals.
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    StudyError
        If cells or repeats are missing, there is only one repeat, another factor varies, or a response is missing.
    """
    require_whole(StudyError, "bootstrap", bootstrap, 2)
    require_confidence(confidence)
    if factors is None:
        rows = select_rows(results, where)
        factors = [axis for axis in rows.axes if len(rows.levels(axis)) > 1]
        if not factors:
            raise StudyError("no factor varies in these results: there is nothing to compare")
    factors = as_names("factors", factors)
    grid = lay_out(results, factors, where)
    cells = math.prod(map(len, grid.levels))
    if cells > len(grid.results):
        # Checked before a table of all combinations is made, which may not fit into memory.
        raise StudyError(
            f"the levels of {', '.join(factors)} make {cells:,} cells, and there are {len(grid.results):,} numbers: an "
            "effect table needs all combinations; give factors= or where="
        )
    pairs = _response_pairs(grid, responses)
    sizes = _examples(results, examples, pairs)
    values = np.stack([_response(grid, measure, split, sizes) for measure, split in pairs], axis=-1)
    checkpoints = grid.axes.index(results.step) if results.step in grid.axes else None
    shares = variance_shares(values, checkpoints)
    low, high = bootstrap_shares(values, checkpoints, bootstrap, confidence, seed)
    effects = tuple(_effects(grid, pair, i, shares, low, high) for i, pair in enumerate(pairs))
    ranges = dict(zip(grid.axes, grid.levels, strict=True))
    return EffectTable(
        ranges, effects, len(grid.repeats), sizes, bootstrap, confidence, dict(where or {}), results.study
    )


def _response_pairs(grid: Grid, responses: Sequence[str | tuple[str, str]] | None) -> tuple[tuple[str, str], ...]:
    results = grid.results
    if responses is None:
        measured = results.levels("measure")
        usual = results.variables.responses or tuple(results.variables.measures)
        responses = [measure for measure in usual or measured if measure in measured]
        if not responses:
            raise StudyError(f"results hold none of {', '.join(usual)}; they hold {', '.join(measured)}")
    pairs: list[tuple[str, str]] = []
    for response in as_names("responses", responses):
        if isinstance(response, str):
            pairs += [(response, split) for split in _splits(results, response)]
        elif not isinstance(response, tuple | list) or len(response) != 2:
            raise StudyError(f"a response is a measure, or a pair of measure and split, received {response!r}")
        else:
            pairs.append((response[0], response[1]))
    return tuple(dict.fromkeys(pairs))


def _splits(results: Results, measure: str) -> tuple[str, ...]:
    """Return the splits of a measure as a response: train and test if it has a different meaning on each."""
    info = results.measures.get(measure)
    if info is None or not info.every_split:
        return (usual_split(results, measure),)
    splits = results.where(measure=measure).levels("split")
    return tuple(split for split in ("train", "test") if split in splits) or (usual_split(results, measure),)


def _is_logit(results: Results, measure: str) -> bool:
    return measure in results.measures and results.measures[measure].scale == "logit"


def _label(variables: Variables, measure: str) -> str:
    info = variables.measures.get(measure)
    return variables.heading(measure) if info is not None and info.every_split else variables.label(measure)


def _examples(results: Results, examples: int | Mapping[str, int], wanted: Sequence[tuple[str, str]]) -> dict[str, int]:
    splits = dict.fromkeys(split for measure, split in wanted if _is_logit(results, measure))
    sizes = {
        split: examples.get(split, DEFAULT_EXAMPLES) if isinstance(examples, Mapping) else examples for split in splits
    }
    for split, n in sizes.items():
        require_whole(StudyError, f"examples on {split}", n)
    return sizes


def _response(grid: Grid, measure: str, split: str, examples: Mapping[str, int]) -> npt.NDArray[np.float64]:
    """Return one response for every cell and repeat, on its scale; raise if values are missing."""
    values = grid.values(measure, split)
    counts = np.isfinite(values).sum(axis=-1)
    incomplete = np.argwhere(counts < len(grid.repeats))
    if len(incomplete):
        raise StudyError(
            f"{measure} on {split} is not fully crossed: {grid.cell_name(incomplete[0].tolist())} has "
            f"{counts[tuple(incomplete[0])]} of {len(grid.repeats)} repeats, and {len(incomplete)} of {counts.size} "
            "cells have too few: run the study to its end, or restrict it with where="
        )
    if len(grid.repeats) < 2:
        raise StudyError("an effect table needs two repeats or more, to separate factors from noise; received one")
    return finite_logit(values, examples[split]) if _is_logit(grid.results, measure) else values


def finite_logit(values: npt.NDArray[np.float64], examples: int) -> npt.NDArray[np.float64]:
    """Return the logit of shares of `examples` examples. Half an example is added, so it is finite at 0 and 1."""
    share = (values * examples + 0.5) / (examples + 1)
    return np.asarray(np.log(share / (1 - share)))


def _effects(
    grid: Grid, pair: tuple[str, str], column: int, shares: VarianceShares, low: VarianceShares, high: VarianceShares
) -> ResponseEffects:
    def share(name: str, *index: int) -> Share:
        return Share(*(float(getattr(part, name)[index]) for part in (shares, low, high)))

    measure, split = pair
    effects = tuple(
        Effect(factor, share("first", row, column), share("total", row, column)) for row, factor in enumerate(grid.axes)
    )
    scale = "logit" if _is_logit(grid.results, measure) else "plain"
    label = _label(grid.results.variables, measure)
    return ResponseEffects(
        measure,
        split,
        scale,
        float(shares.variance[column]),
        effects,
        share("interactions", column),
        share("residual", column),
        label,
    )


def _factor_text(effect: Effect) -> str:
    return effect.factor.replace("_", " ")


def _percent(share: float) -> str:
    return f"{100 * share:z.0f}" if abs(share) >= 0.0995 else f"{100 * share:z.1f}"
