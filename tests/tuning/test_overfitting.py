from pathlib import Path

import numpy as np
import pytest

from hashlens.errors import TuningError
from hashlens.testing.result_contract import check_result
from hashlens.tuning import Trace, overfitting_report, recorded_runs

RECORDED = Path(__file__).parents[2].parent / "shared/data/tuning"


def test_gap_onset_and_overtuning_of_a_run():
    worse = Trace([5.0, 4.0, 3.0, 3.5, 1.0], test_values=[10.0, 8.0, 6.0, 1.0, 7.0])
    best = Trace([5.0, 4.0], test_values=[3.0, 2.0])
    found = overfitting_report([worse, best])
    assert found.overfitted.tolist() == [True, False]
    assert found.gap.tolist() == [pytest.approx(1 / 6), 0.0]
    assert found.oracle.tolist() == [pytest.approx(1 / 7), 0.0]
    assert found.onset.tolist() == [0.8, 1.0]
    assert found.overtuning.tolist() == [pytest.approx(1 / 4), 0.0]


def test_choices_before_the_first_that_counts_are_left_out():
    run = Trace([5.0, 4.0, 3.0, 2.0], test_values=[1.0, 8.0, 6.0, 7.0])
    assert overfitting_report(run).gap.tolist() == [6.0]
    assert overfitting_report(run, first=2).gap.tolist() == [pytest.approx(1 / 6)]


def test_a_score_to_maximize_is_turned():
    found = overfitting_report(Trace([0.5, 0.6, 0.7], "maximize", test_values=[0.5, 0.8, 0.6]))
    assert found.gap[0] == pytest.approx(0.2 / 0.8)
    assert found.overtuning[0] == pytest.approx(0.2 / 0.3)


def test_intervals_draw_repeats_within_their_group():
    runs = [Trace([2.0, 1.0], test_values=[1.0, 1.0 + level], name=f"data{at} {seed}")
            for at, level in enumerate((0.0, 1.0)) for seed in range(10)]  # fmt: skip
    found = overfitting_report(runs)
    assert found.interval(found.gap) == (pytest.approx(0.5), pytest.approx(0.5))


def test_it_is_a_result(tmp_path):
    rng = np.random.default_rng(0)
    runs = [Trace(rng.random(30), test_values=rng.random(30), name=f"made {at}") for at in range(5)]
    check_result(overfitting_report(runs), tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: overfitting_report([]), "expected one trace or more, received none"),
        (
            lambda: overfitting_report("x.csv"),
            "expected a Trace or a sequence of them, received 'x.csv': see read_traces",
        ),
        (lambda: overfitting_report(Trace([1.0])), "the trace has no test values"),
        (lambda: overfitting_report(Trace([np.nan], name="x")), "trace 'x' has no trial with a finite value"),
        (
            lambda: overfitting_report(Trace([1.0], test_values=[1.0]), ["a", "b"]),
            "groups must be one for each of 1 runs",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(TuningError, match=message):
        make()


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded runs beside the checkout")
def test_the_recorded_runs_overfit_often_and_little():
    found = overfitting_report(recorded_runs(RECORDED), first=20)
    assert found.overfitted.mean() == pytest.approx(0.44, abs=0.005)
    assert found.gap.mean() == pytest.approx(0.016, abs=0.0005)
    assert np.quantile(found.gap, 0.9) == pytest.approx(0.054, abs=0.0005)
    assert found.oracle.mean() == pytest.approx(0.014, abs=0.0005)


def test_test_values_of_0_need_no_warning(recwarn):
    found = overfitting_report(Trace([3.0, 2.0], test_values=[0.0, 0.0]))
    assert np.isnan(found.test).all()
    assert found.gap.tolist() == [0.0]
    assert not recwarn.list
