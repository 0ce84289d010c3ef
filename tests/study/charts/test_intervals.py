import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.errors import StudyError
from hashlens.plain import from_plain
from hashlens.study.charts.intervals import Estimate, bounds_note, estimate_means, mean_intervals

WORLDS = {
    "small R": (lambda rng, size: rng.beta(3.9, 191.1, size), 0.02, "share"),
    "R near a half": (lambda rng, size: rng.beta(50, 50, size), 0.5, "share"),
    "skewed near 1": (lambda rng, size: rng.beta(7.2, 0.8, size), 0.9, "share"),
    "retention": (lambda rng, size: rng.normal(0.9, 0.03, size), 0.9, "ratio"),
    "plain": (lambda rng, size: rng.normal(-3, 2, size), -3, "plain"),
}


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover_the_mean_as_often_as_they_say(world, n):
    draw, mean, scale = WORLDS[world]
    found = mean_intervals(draw(np.random.default_rng(n), (8000, n)), scale, 0.95)
    covered = np.mean((found.low <= mean) & (mean <= found.high))
    assert 0.925 < covered < 0.965


def test_the_plain_t_interval_misses_skewed_shares_where_this_one_does_not():
    values = np.random.default_rng(0).beta(7.2, 0.8, (8000, 3))
    plain, share = mean_intervals(values, "plain"), mean_intervals(values, "share")
    cover = [np.mean((at.low.clip(0, 1) <= 0.9) & (at.high.clip(0, 1) >= 0.9)) for at in (plain, share)]
    assert cover[0] < 0.9 < 0.94 < cover[1]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_shares_stay_in_range_around_their_mean(values):
    found = mean_intervals(values, "share").at()
    assert -1e-12 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1 + 1e-12


def test_known_values_of_the_t_distribution():
    found = mean_intervals([1.0, 2.0, 3.0]).at()
    assert (found.mean, found.repeats) == (2.0, 3)
    assert found.high - 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_missing_repeats_are_left_out_and_one_has_no_interval():
    found = mean_intervals([[0.2, np.nan, 0.4], [0.3, np.nan, np.nan], [np.nan] * 3, [0.0, 0.0, np.nan]], "share")
    assert found.repeats.tolist() == [2, 1, 0, 2]
    assert found.mean[:2].tolist() == pytest.approx([0.3, 0.3])
    assert np.isnan(found.mean[2])
    assert np.isnan(found.low[1:3]).all()
    assert found.at(1).to_dict()["low"] is None
    assert (found.low[3], found.high[3]) == (0.0, 0.0)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.1])
def test_bad_confidence(confidence):
    with pytest.raises(StudyError, match="between 0 and 1, received"):
        mean_intervals([0.1, 0.2], confidence=confidence)


@pytest.mark.parametrize("values", [[0.0, 0.0004], [0.9993, 1.0, 0.9999], [0.3, 0.7]])
def test_two_or_three_repeats_show_their_range(values):
    """Of the first, the t interval goes up to 0.64: it says nothing of two shares below 0.0005."""
    interval, shown = mean_intervals(values, "share").at(), estimate_means(values, "share").at()
    assert interval.high - interval.low > shown.high - shown.low
    assert (shown.low, shown.high, shown.bounds_kind) == (min(values), max(values), "range")
    assert shown.mean == interval.mean
    assert shown.short == f"{np.mean(values):.3f} [{min(values):.3f}–{max(values):.3f}]"


def test_four_repeats_show_the_interval_and_one_nothing():
    values = [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, np.nan, np.nan], [0.1, np.nan, np.nan, np.nan], [np.nan] * 4]
    shown, interval = estimate_means(values, "share"), mean_intervals(values, "share")
    assert (shown.low[0], shown.high[0]) == (interval.low[0], interval.high[0])
    assert [shown.at(row).bounds_kind for row in range(4)] == ["interval", "range", "interval", "interval"]
    assert (shown.low[1], shown.high[1]) == (0.1, 0.2)
    assert np.isnan(shown.low[2:]).all()
    assert [shown.at(row).short for row in (2, 3)] == ["0.100", "–"]
    assert len(shown.all()) == 3


def test_estimates_of_earlier_files_open():
    plain = {"mean": 0.2, "low": 0.1, "high": 0.3, "repeats": 2, "around": "range"}
    assert from_plain(Estimate, plain) == Estimate(0.2, 0.1, 0.3, 2, bounds_kind="range")


def test_the_note_says_what_is_around_the_means():
    interval, spread, alone = (
        Estimate(0.1, 0.0, 0.2, 5),
        Estimate(0.1, 0.0, 0.2, 2, "range"),
        Estimate(0.1, *[np.nan] * 2, 1),
    )
    assert bounds_note([alone, None], 0.95) == ""
    assert bounds_note([interval, alone], 0.9) == "(90% interval of the mean)"
    assert bounds_note([spread, alone], 0.95) == "[range of the repeats, too few for an interval]"
    assert bounds_note([spread, interval], 0.95).endswith("or [range of the repeats] where there are fewer than 4")
