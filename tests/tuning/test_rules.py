import numpy as np
import pytest

from hashlens.errors import TuningError
from hashlens.testing.result_contract import check_result
from hashlens.tuning import (
    CVError,
    ExpectedImprovement,
    InterquartileRange,
    NoImprovement,
    ProbabilityOfImprovement,
    RegretBound,
    Trace,
)
from hashlens.tuning.named_rules import parse_rule

RNG = np.random.default_rng(0)
FOLDS = RNG.random((40, 5))
TRACE = Trace(FOLDS.mean(axis=1), fold_values=FOLDS, test_values=RNG.random(40), seconds=np.ones(40),
              recorded={"regret_bound": np.geomspace(1, 1e-3, 40), "expected_improvement": np.geomspace(1, 1e-30, 40),
                        "probability_of_improvement": np.geomspace(0.5, 1e-30, 40)}, name="made")  # fmt: skip
RULES = [
    NoImprovement(k=4, first=5),
    InterquartileRange(first=6),
    RegretBound(recorded=True),
    RegretBound(recorded=True, fixed_error=True, patience=3),
    RegretBound(recorded=True, threshold=0.1, patience=2),
    ExpectedImprovement(recorded=True),
    ProbabilityOfImprovement(recorded=True, first=3),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_decision_depends_on_the_trials_so_far_alone(rule):
    decisions = rule.decisions(TRACE, range(1, 41))
    stops = [n for n, decision in enumerate(decisions, 1) if decision.stop]
    assert (stops[0] if stops else None) == rule.stops_after(TRACE)
    for n in (1, 5, 20, 21, 25, 39):
        alone = rule.decide(TRACE.first(n))
        if alone.reason.startswith("no "):  # what is recorded of all trials before the next is not known at the end
            continue
        assert alone.to_dict() == decisions[n - 1].to_dict()


def slow_conv(losses, k, first):
    best, since = min(losses[:first]), first
    if int(np.argmin(losses[:first])) + 1 > first:
        since = int(np.argmin(losses[:first])) + 1
    for n in range(first + 1, len(losses) + 1):
        if losses[n - 1] < best:
            best, since = losses[n - 1], n
        elif n - since >= k:
            return n
    return None


@pytest.mark.parametrize("k", [1, 3, 8, 50])
@pytest.mark.parametrize("seed", range(5))
def test_no_improvement_counts_from_the_first_decision(k, seed):
    losses = np.random.default_rng(seed).random(60)
    assert NoImprovement(k=k, first=20).stops_after(Trace(losses)) == slow_conv(losses, k, 20)


def test_the_interquartile_range_is_that_of_ax():
    values = np.random.default_rng(1).random(30) + np.linspace(2, 0, 30)
    rule = InterquartileRange(window=5, bar=0.5)
    for n in range(20, 31):
        best = np.minimum.accumulate(values[:n])
        high, low = np.percentile(values[:n], [75, 25])
        gain = abs(best[-1] - best[-5]) / (high - low)
        found = rule.decide(Trace(values[:n]))
        assert found.bound == pytest.approx(gain, rel=1e-12)
        assert found.stop == (gain < 0.5)


def test_patience_wants_several_readings_in_a_row():
    bounds = np.full(40, 1.0)
    bounds[[22, 24, 25, 27, 28, 29]] = 0.0
    trace = Trace(np.arange(40.0), recorded={"regret_bound": bounds})
    stops = [
        RegretBound(threshold=0.5, recorded=True, patience=patience).stops_after(trace) for patience in (1, 2, 3, 4)
    ]
    assert stops == [22, 25, 29, None]
    assert (
        "2 of 3 times in a row"
        in RegretBound(threshold=0.5, recorded=True, patience=3).decisions(trace, [28])[0].reason
    )


def test_ties_zero_variance_and_missing_folds_are_no_ground_to_stop():
    flat = Trace(np.ones(30), fold_values=np.ones((30, 3)), recorded={"regret_bound": np.zeros(30)})
    assert not InterquartileRange().decide(flat).stop
    assert "ties: the middle half of 30 values are all 1" in InterquartileRange().decide(flat).reason
    assert InterquartileRange(window=31).decide(flat).reason == "too few trials: 30; the window has 31"
    found = RegretBound(recorded=True).decisions(flat, [25])[0]
    assert not found.stop
    assert "zero variance" in found.reason
    lacking = Trace([0.0, *np.ones(29)], fold_values=[None, *np.full((29, 3), 1.0)], recorded=flat.recorded)
    found = RegretBound(recorded=True).decisions(lacking, [25])[0]
    assert (found.stop, found.reason) == (False, "the best trial has no fold values")
    lost = Trace(np.full(30, np.nan))
    assert not NoImprovement(k=2).decide(lost).stop


def test_the_error_is_that_of_the_incumbent_or_fixed():
    rule, fixed = RegretBound(recorded=True), RegretBound(recorded=True, fixed_error=True)
    for n in (20, 30, 39):
        assert rule.decisions(TRACE, [n])[0].error == CVError().of(FOLDS[TRACE.incumbents[n]])
        assert fixed.decisions(TRACE, [n])[0].error == CVError().of(FOLDS[TRACE.incumbents[20]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoImprovement(k=0), "k must be a whole number, 1 or more, received 0"),
        (lambda: NoImprovement(first=0), "first must be a whole number, 1 or more, received 0"),
        (lambda: NoImprovement(patience=1.5), "patience must be a whole number, 1 or more, received 1.5"),
        (lambda: InterquartileRange(bar=-1), "bar must be a finite number, 0 or more, received -1"),
        (lambda: ExpectedImprovement(eps=0), "eps must be a finite number above 0, received 0"),
        (lambda: ProbabilityOfImprovement(eps=2), "eps must be a probability, above 0 and below 1, received 2"),
        (lambda: RegretBound(threshold=-1), "threshold must be a finite number above 0, received -1"),
        (lambda: RegretBound(delta=1), "delta must be a number between 0 and 1, received 1"),
        (lambda: RegretBound(fit_starts=0), "fit_starts must be a whole number, 1 or more, received 0"),
        (lambda: RegretBound().decide(Trace([1.0, 2.0])), r"RegretBound\(\) needs the fold values .* has none: report"),
        (lambda: RegretBound(threshold=1, recorded=True).stops_after(Trace(np.ones(30))), "no recorded 'regret_bound'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(TuningError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_decision_is_a_result(tmp_path):
    check_result(NoImprovement(k=4).decide(TRACE), tmp_path)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", True])
def test_a_sample_has_a_seed(seed):
    with pytest.raises(TuningError, match="sample_seed must be a whole number, 0 or more"):
        RegretBound(sample_seed=seed)


def test_a_window_stands_behind_a_bar():
    assert parse_rule("interquartile-range") == InterquartileRange()
    assert parse_rule("interquartile-range:0.2") == InterquartileRange(bar=0.2)
    assert parse_rule("interquartile-range:0.2:9") == InterquartileRange(window=9, bar=0.2)


@pytest.mark.parametrize("word", ["interquartile-range:0.1:9:9", "interquartile-range:0.1:few", "no-improvement:1:2"])
def test_what_is_no_number_behind_a_colon_is_said(word):
    with pytest.raises(TuningError, match=r"expected a number behind the colon, received"):
        parse_rule(word)
