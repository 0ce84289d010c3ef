"""Verdicts: of one interval, and of all the lines of a claim."""

import numpy as np
import pytest

from hashlens.study.charts.intervals import Estimate
from hashlens.study.claims.contrast import contrast_intervals
from hashlens.study.claims.lines import ClaimedRange, PendingLine, computed_lines, overall_verdict

ABOVE, BELOW, WITHIN = ClaimedRange(above=0.0), ClaimedRange(below=0.0), ClaimedRange(-0.1, 0.1)


@pytest.mark.parametrize(
    ("claimed", "low", "high", "verdict"),
    [
        (ABOVE, 0.01, 0.5, "reproduced"), (ABOVE, 0.0, 0.5, "inconclusive"), (ABOVE, -0.1, 0.5, "inconclusive"),
        (ABOVE, -0.5, 0.0, "not reproduced"), (ABOVE, 0.0, 0.0, "not reproduced"),
        (BELOW, -0.5, -0.01, "reproduced"), (BELOW, 0.0, 0.4, "not reproduced"), (BELOW, -0.1, 0.1, "inconclusive"),
        (WITHIN, -0.05, 0.05, "reproduced"), (WITHIN, 0.02, 0.12, "inconclusive"), (WITHIN, -1.0, 1.0, "inconclusive"),
        (WITHIN, 0.11, 0.2, "not reproduced"), (WITHIN, -0.3, -0.1, "not reproduced"),
        (ABOVE, np.nan, np.nan, "inconclusive"),
    ],
)  # fmt: skip
def test_an_interval_decides_only_where_all_of_it_lies_on_one_side(claimed, low, high, verdict):
    (line,) = computed_lines(iter([PendingLine("", "", claimed, lambda _: Estimate(0.0, low, high, 3))]), 0.95)
    assert line.verdict == verdict


def answers(*intervals):
    return computed_lines(iter(PendingLine("", "", ABOVE, lambda level, at=at: at(level)) for at in intervals), 0.95)


def fixed(low, high):
    return lambda _: Estimate((low + high) / 2, low, high, 5)


def test_all_lines_must_be_reproduced_and_one_may_refute():
    right, wrong, open_ = fixed(1, 2), fixed(-2, -1), fixed(-1, 1)
    assert overall_verdict(answers(right, right)) == "reproduced"
    assert overall_verdict(answers(right, open_)) == "inconclusive"
    assert overall_verdict(answers(right, open_, wrong)) == "not reproduced"
    assert overall_verdict(()) == "inconclusive"


def test_what_refutes_is_the_interval_of_all_lines_at_once():
    levels = []

    def spread(level):
        levels.append(level)
        return Estimate(-1.0, -1.0 - 30 * level, -30.5 + 31 * level if level < 0.99 else 0.1, 5)

    lines = answers(*[spread] * 10)
    assert sorted(set(levels)) == pytest.approx([0.95, 0.995])
    assert all(line.high < 0 < line.wide_high for line in lines)
    assert overall_verdict(lines) == "inconclusive"
    assert overall_verdict(answers(spread)) == "not reproduced"


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("world", ["normal", "skewed"])
def test_ten_lines_err_no_oftener_than_one(world, n):
    """One false line among nine true ones is not passed by oftener; ten true ones are not refuted oftener."""
    rng = np.random.default_rng(n)
    within = (None, None) if world == "normal" else (0.0, 1.0)
    draw = (lambda size: rng.normal(size=size)) if world == "normal" else (lambda size: rng.beta(7.2, 0.8, size))
    reproduced, refuted, draws = 0, 0, 2000
    alone, together = (
        contrast_intervals(values, (1, -1), [within] * 2, level)
        for values in [draw((draws, 10, 2, n))]
        for level in (0.95, 0.995)
    )
    reproduced = np.mean(alone.low[:, 0] > 0)
    refuted = np.mean((together.high <= 0).any(axis=1))
    assert reproduced < 0.056
    assert refuted < 0.056
    if world == "normal":
        assert np.mean((alone.high <= 0).any(axis=1)) > 0.15, "without the correction many true claims were refuted"
