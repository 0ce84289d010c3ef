import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.audit.local_ratio import OrdinaryRatios
from hashlens.audit.measured_null import MeasuredNull

RATIOS = st.lists(st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.5, 0.75, 1.0]), min_size=1, max_size=60).map(np.array)


@given(RATIOS, RATIOS, st.floats(0.1, 30))
def test_the_threshold_is_the_largest_ratio_that_keeps_the_promise(ordinary, queries, expected_false):
    null = MeasuredNull.measure(ordinary)
    threshold = null.threshold(expected_false, len(queries), queries)

    def expected(ratio):
        return len(queries) * min(1, (sum(ordinary <= ratio) + 1) / (len(ordinary) + 1))

    allowed = [at for at in {0.0, *ordinary, *queries} if expected(at) <= expected_false]
    assert threshold == max(allowed) if allowed else np.isnan(threshold)


@pytest.mark.slow
@given(RATIOS)
def test_without_copies_it_is_what_was_measured_whatever_the_curve(ratios):
    for curve in (OrdinaryRatios(0.1, 0.01), OrdinaryRatios(50.0, 200.0)):
        null = MeasuredNull.measure(ratios, np.zeros(len(ratios), bool), curve)
        share = np.array([(ratios <= at).mean() for at in ratios])
        assert (null.probability(ratios) >= share - 1e-12).all()
        assert (null.probability(ratios) <= share + 1 / len(ratios)).all()


def test_copies_leave_the_curve_to_decide_between_the_rows_with_and_without_them():
    ratios = np.concatenate([np.full(40, 0.1), np.linspace(0.5, 1, 960)])
    copies = np.arange(1000) < 30
    for curve, expected in (
        (OrdinaryRatios(1e6, 1.0), 11 / 1001),  # Hardly any row: but ten are near that are no copies.
        (OrdinaryRatios(1e-9, 9.0), 41 / 1001),  # Nearly all rows: but no more than are near were seen.
        (OrdinaryRatios(1.0, 0.2), 1 - 0.9**0.2),
    ):
        assert MeasuredNull.measure(ratios, copies, curve).probability(0.1) == pytest.approx(expected)


def test_an_interval_covers_the_rate_as_often_as_it_says():
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        null = MeasuredNull.measure(generator.random(2000))
        low, high = null.interval(0.003, 1000)
        inside += low <= 3 <= high
    assert inside >= 372


def test_two_views_of_one_pair_widen_the_interval():
    rows = np.arange(100)
    ratios = rows / 100 + 0.01
    each = MeasuredNull.measure(ratios, pairs=(rows, rows + 1000))
    both = MeasuredNull.measure(ratios, pairs=(rows, rows ^ 1))
    assert both.rows_per_pair == 2
    assert both.interval(0.1, 50)[1] > each.interval(0.1, 50)[1]


def test_rows_that_lie_nearer_as_a_whole_have_another_distribution_and_copies_do_not():
    generator = np.random.default_rng(0)
    null = MeasuredNull.measure(generator.random(3000))
    ordinary, nearer = generator.random(1000), generator.random(1000) ** 1.8
    assert null.distribution_shift(ordinary, 0.001) == ""
    assert null.distribution_shift(np.concatenate([np.zeros(600), ordinary[:400]]), 0.001) == ""
    assert null.distribution_shift(nearer, 0.001) == (
        "the distances differ from those in train: "
        f"{np.mean(nearer[nearer > 0.001] <= np.quantile(null.all_ratios, 0.25)):.0%} of the queries lie as near as "
        "25% of the training rows"
    )
    assert null.distribution_shift(generator.random(20), 0.001) == ""
