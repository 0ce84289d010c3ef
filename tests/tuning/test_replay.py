from pathlib import Path

import numpy as np
import pytest

from hashlens.errors import TuningError
from hashlens.testing.result_contract import check_result
from hashlens.tuning import (
    CVError,
    ExpectedImprovement,
    NoImprovement,
    ProbabilityOfImprovement,
    RegretBound,
    Trace,
    recorded_runs,
    replay,
)

RECORDED = Path(__file__).parents[2].parent / "shared/data/tuning"


def test_what_a_stop_saves_and_costs():
    losses = Trace([3.0, 2.0, 2.5, 2.4, 1.0], test_values=[9.0, 4.0, 0.0, 0.0, 5.0], seconds=[1.0, 1.0, 2.0, 3.0, 3.0])
    found = losses.replay([NoImprovement(k=2, first=1), NoImprovement(k=4, first=1)])
    assert found.stops.tolist() == [[4], [5]]
    assert found.fired.tolist() == [[True], [False]]
    assert found.rtc.tolist() == [[pytest.approx(0.2)], [0.0]]
    assert found.rtc_seconds.tolist() == [[pytest.approx(0.3)], [0.0]]
    assert found.ryc.tolist() == [[pytest.approx((5 - 4) / 5)], [0.0]]


def test_a_score_to_maximize_is_turned():
    scores = Trace([0.5, 0.6, 0.6, 0.6, 0.7], "maximize", test_values=[0.5, 0.8, 0, 0, 0.6])
    found = scores.replay([NoImprovement(k=2, first=1)])
    assert found.ryc[0, 0] == pytest.approx((0.8 - 0.6) / 0.8)


def test_it_is_a_result(tmp_path):
    rng = np.random.default_rng(0)
    runs = [Trace(rng.random(30), test_values=rng.random(30), name=f"run {at}") for at in range(4)]
    check_result(replay(runs, [NoImprovement(k=3), NoImprovement(k=5)]), tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replay([], [NoImprovement()]), "expected one trace or more, received none"),
        (lambda: replay([Trace([1.0])], [NoImprovement()]), "the trace has no test values"),
        (lambda: replay([Trace([np.nan], name="x")], [NoImprovement()]), "trace 'x' has no trial with a finite value"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(TuningError, match=message):
        make()


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded runs beside the checkout")
def test_the_recorded_runs_give_the_published_numbers():
    error = CVError(ddof=0)
    found = replay(
        recorded_runs(RECORDED),
        [
            RegretBound(cv=error, fixed_error=True, recorded=True),
            RegretBound(cv=error, recorded=True),
            NoImprovement(k=10),
            NoImprovement(k=50),
            ExpectedImprovement(recorded=True),
            ProbabilityOfImprovement(recorded=True),
        ],
    )
    rtc, ryc = found.rtc.mean(axis=1), found.ryc.mean(axis=1)
    assert len(found.runs) == 190
    assert [round(float(x), 3) for x in rtc[:2]] == [0.318, 0.309]
    assert round(float(ryc[0]), 3) == -0.004
    assert round(float(ryc[1]), 4) == -0.0046
    assert rtc[2:] == pytest.approx([0.840, 0.498, 0.893, 0.893], abs=0.005)
    assert ryc[2:] == pytest.approx([-0.031, -0.015, -0.052, -0.052], abs=0.005)
    assert round(float(found.fired[0].mean()), 2) == 0.42
    assert round(float((found.ryc[0] < -0.05).mean()), 2) == 0.04


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded runs beside the checkout")
def test_a_sampled_bound_is_the_recorded_one_where_the_default_start_leads_to_another_optimum():
    """On this run, the default start alone does not stop at all; the recorded bound stops after 106 trials."""
    run = next(run for run in recorded_runs(RECORDED) if run.name == "nyc-tmdb-tmdb-movie-metadata 1")
    counts = [101, 105, 106, 110]
    ours = RegretBound(cv=CVError(ddof=0), sample_seed=1, fit_starts=13).rule_values(run, counts)
    recorded = RegretBound(cv=CVError(ddof=0), recorded=True).rule_values(run, counts)
    assert ours.bound == pytest.approx(recorded.bound, rel=1e-3)
    assert ours.fires.tolist() == recorded.fires.tolist()
