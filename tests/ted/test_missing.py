import numpy as np
import pytest

from hashlens.ted import draw_missing, retention

TABLE = retention(20_000, seed=2)


def shares(lost, groups):
    return np.sort([lost[groups == group].mean() for group in np.unique(groups)])


@pytest.mark.parametrize("kind", ["random", "by class", "by rule"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_exactly_the_share_is_left_out(kind, share):
    assert draw_missing(TABLE.explanations, TABLE.labels, share, kind).sum() == round(share * len(TABLE))


def test_at_random_all_are_as_likely_and_by_group_some_lose_more():
    at_random = draw_missing(TABLE.explanations, TABLE.labels, 0.5)
    assert np.ptp(shares(at_random, TABLE.labels)) < 0.03
    by_class = draw_missing(TABLE.explanations, TABLE.labels, 0.5, "by class")
    assert np.ptp(shares(by_class, TABLE.labels)) > 0.3
    by_rule = draw_missing(TABLE.explanations, TABLE.labels, 0.5, "by rule")
    assert np.ptp(shares(by_rule, TABLE.explanations)) > 0.3


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_group_that_loses_most_has_nine_times_the_odds_of_the_one_that_loses_least(share):
    low, high = shares(draw_missing(TABLE.explanations, TABLE.labels, share, "by class", seed=1), TABLE.labels)
    assert 8 < high / (1 - high) / (low / (1 - low)) < 10
