"""Intervals of weighted sums: the paired t test's where values are normal; near the end of a range they hold too."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_rel

from hashlens.study.claims.contrast import contrast_intervals, step_of
from hashlens.study.claims.trend import slope_weights

SHARE, PLAIN = (0.0, 1.0), (None, None)


@given(st.integers(2, 10), st.integers(0, 100))
def test_without_a_range_it_is_the_paired_t_interval(n, seed):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=n)
    other = own + rng.normal(0.3, 2.0, size=n)
    found = contrast_intervals([own, other], (1, -1), (PLAIN, PLAIN), 0.9).at()
    expected = ttest_rel(own, other).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(st.integers(3, 8), st.integers(2, 6))
def test_a_slope_is_that_of_each_repeat(levels, n):
    values = np.random.default_rng(levels * n).normal(size=(levels, n))
    found = contrast_intervals(values, slope_weights(levels), [PLAIN] * levels).at()
    slopes = np.polyfit(np.arange(levels), values, 1)[0]
    expected = ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(slopes.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@example([(0.0, 1.0), (0.0, 0.9999999999999999)])
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_with_a_range_it_is_never_narrower(values):
    table = np.array(values).T
    plain, ranged = (contrast_intervals(table, (1, -1), [within] * 2).at() for within in (PLAIN, SHARE))
    assert ranged.low <= plain.low + 1e-12
    assert ranged.high >= plain.high - 1e-12


def test_one_repeat_has_no_interval_and_none_no_mean():
    one = contrast_intervals([[0.4], [0.1]], (1, -1), [SHARE] * 2).at()
    assert one.mean == pytest.approx(0.3)
    assert np.isnan([one.low, one.high]).all()
    assert np.isnan(contrast_intervals(np.empty((2, 0)), (1, -1), [SHARE] * 2).at().mean)


def test_repeats_that_agree_do_so_to_half_a_step():
    """All three of 360 examples right but one, .9972: that the mean is above .997 is not known for it."""
    values = np.full((1, 3), 359 / 360)
    assert contrast_intervals(values, (1,), [SHARE]).at().low > 0.997
    found = contrast_intervals(values, (1,), [SHARE], 0.95, [1 / 360]).at()
    assert found.low == pytest.approx(359 / 360 - 4.302653 / 720 / 3**0.5)


@settings(max_examples=30)
@given(st.integers(2, 5000), st.lists(st.integers(0, 400), min_size=2, max_size=30, unique=True))
def test_the_step_of_counts_is_that_of_their_greatest_common_divisor(n, counts):
    expected = np.gcd.reduce(np.diff(sorted(counts))) / n
    assert step_of(np.array(counts) / n) == pytest.approx(expected)


@given(st.integers(0, 1000), st.integers(3, 60))
def test_continuous_values_have_no_step(seed, n):
    assert step_of(np.random.default_rng(seed).random(n)) == 0.0


def test_one_value_has_no_step():
    assert step_of([np.nan, 1.0]) == step_of([]) == 0.0
    assert step_of([0.1 + 0.2, 0.3]) < 1e-15


# The means are equal and the spreads are not: where most values of one lie above its mean, three often all do.
WORLDS = {
    "normal": (lambda rng, size: rng.normal(size=size), lambda rng, size: rng.normal(size=size), PLAIN),
    "skewed": (lambda rng, size: rng.beta(7.2, 0.8, size), lambda rng, size: rng.beta(7.2, 0.8, size), SHARE),
    "skewed, tight": (lambda rng, size: rng.beta(7.2, 0.8, size), lambda rng, size: rng.beta(72, 8, size), SHARE),
    "skewed, known": (lambda rng, size: rng.beta(7.2, 0.8, size), lambda _, size: np.full(size, 0.9), SHARE),
}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("world", WORLDS)
def test_equal_means_are_told_apart_no_oftener_than_they_may(world, n):
    one, other, within = WORLDS[world]
    rng = np.random.default_rng(n)
    values = np.stack([one(rng, (4000, n)), other(rng, (4000, n))], axis=1)
    found = contrast_intervals(values, (1, -1), (within, within))
    assert np.mean(found.low > 0) < 0.056
    assert np.mean(found.high < 0) < 0.056
    if world == "normal":
        assert np.mean(found.low > 0) > 0.018


def test_the_paired_t_interval_tells_them_apart_too_often():
    rng = np.random.default_rng(0)
    values = np.stack([rng.beta(7.2, 0.8, (4000, 5)), np.full((4000, 5), 0.9)], axis=1)
    assert np.mean(contrast_intervals(values, (1, -1), (PLAIN, PLAIN)).low > 0) > 0.09
