"""The bound of our own process, and where it says why it gives none."""

import numpy as np
import pytest

from hashlens.tuning import ExpectedImprovement, Parameter, ProbabilityOfImprovement, RegretBound, Trace

SPACE = (Parameter("x"), Parameter("y"))


def smooth(trials, seed=0, **more):
    rng = np.random.default_rng(seed)
    places = rng.random((trials, 2))
    values = ((places - 0.4) ** 2).sum(axis=1)
    folds = values[:, None] + 0.02 * rng.standard_normal((trials, 5))
    return Trace(folds.mean(axis=1), "minimize", folds, parameters=tuple({"x": x, "y": y} for x, y in places),
                 space=SPACE, **more)  # fmt: skip


def with_values(trace, values):
    folds = np.asarray(values)[:, None] + np.linspace(-0.01, 0.01, 5)
    return Trace(folds.mean(axis=1), "minimize", folds, parameters=trace.parameters, space=trace.space)


def test_it_stops_once_little_is_left_and_not_before():
    rule = RegretBound()
    found = rule.decisions(smooth(60), [19, 20, 60])
    assert (found[0].stop, found[0].reason) == (False, "too few trials: 19; the rule needs at least 20")
    assert found[1].bound > found[2].bound > 0
    assert RegretBound(threshold=10.0).decide(smooth(30)).stop
    assert not RegretBound(threshold=1e-9).decide(smooth(30)).stop


def test_a_score_to_maximize_gives_the_same_bound():
    trace = smooth(30)
    turned = Trace(-trace.values, "maximize", -trace.fold_values, parameters=trace.parameters, space=SPACE)
    assert RegretBound().decide(turned).bound == RegretBound().decide(trace).bound


def test_the_bound_has_the_unit_of_the_values():
    trace = smooth(30)
    scaled = Trace(1000 * trace.values + 7, "minimize", 1000 * trace.fold_values + 7, parameters=trace.parameters,
                   space=SPACE)  # fmt: skip
    one, other = RegretBound().decide(trace), RegretBound().decide(scaled)
    assert (other.bound, other.error) == (pytest.approx(1000 * one.bound, rel=1e-3), pytest.approx(1000 * one.error))


@pytest.mark.parametrize("fit_starts", [1, 13])
def test_a_sample_of_the_space_understates_the_bound(fit_starts):
    trace = smooth(40)
    for n in (20, 30, 40):
        ours, sampled = (
            RegretBound(sample_seed=seed, fit_starts=fit_starts).decide(trace.first(n)).bound for seed in (None, 0)
        )
        assert ours >= sampled - 1e-9
    assert ours > sampled


def test_ties_are_no_ground_to_stop():
    trace = smooth(41)
    values = np.where(np.arange(41) < 31, 0.1, 0.2 + trace.values)
    found = RegretBound().decide(with_values(trace, values))
    assert not found.stop
    assert found.reason == (
        "ties: 20 of the 20 best trials have the same value, 0.1: they do not show the remaining improvement"
    )


def test_a_plateau_above_the_best_trials_is_modelled():
    trace = smooth(40)
    found = RegretBound(threshold=10.0).decide(with_values(trace, np.minimum(trace.values, np.sort(trace.values)[5])))
    assert found.stop
    assert np.isfinite(found.bound)


def test_infinite_and_pruned_trials_leave_a_finite_decision():
    trace = smooth(25)
    for lost in (np.inf, -np.inf, np.nan):
        values = np.where(np.arange(25) % 5 == 0, trace.values, lost)
        found = RegretBound(threshold=1.0).decide(Trace(values, "minimize", parameters=trace.parameters, space=SPACE))
        assert np.isfinite([found.bound, found.error]).all()
        assert not found.stop
        assert found.reason == "too few trials: 5 of 25 have a finite value, and 20 are needed to stop"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            [{"x": 0.1}] * 12 + [{"x": 0.1, "y": 0.2}] * 13,
            "parameter 'y' is conditional: 13 of the 20 best trials have it",
        ),
        ([], "the hyperparameters of the trials are not known: no Gaussian process can be fitted"),
    ],
)
def test_what_no_process_can_be_fitted_to_is_named(given, reason):
    values = np.arange(25.0)[::-1]
    found = RegretBound(threshold=1.0).decide(Trace(values, parameters=tuple(given), space=SPACE))
    assert (found.stop, found.reason) == (False, reason)


def decided(given, values, space=()):
    found = RegretBound(threshold=1.0).decide(Trace(values, parameters=tuple(given), space=space))
    return found.stop, found.reason


def test_trials_without_hyperparameters_are_named():
    assert decided([{}] * 25, np.arange(25.0)) == (
        False, "the trials have no hyperparameters: no Gaussian process can be fitted",
    )  # fmt: skip


def test_choices_that_are_lists_are_named():
    space = (Parameter("x", "category", choices=([1], [2])),)
    assert decided([{"x": [1 + at % 2]} for at in range(25)], np.arange(25.0), space) == (
        False, "a choice of parameter 'x' is a list or the like: choose by names to have it modelled",
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_that_are_too_large_are_named():
    stop, reason = decided(({"x": at / 25} for at in range(25)), 1e300 * np.arange(25.0))
    assert not stop
    assert reason == "values up to 1.9e+301 are too large for a Gaussian process"


def test_two_finite_trials_are_too_few():
    values = np.where(np.arange(25) < 2, 1.0, np.nan)
    found = RegretBound(threshold=1.0).decide(Trace(values, parameters=smooth(25).parameters, space=SPACE))
    assert found.reason == "too few trials: 2 of 25 have a finite value"


def test_categories_and_whole_numbers_are_modelled():
    rng = np.random.default_rng(0)
    space = (Parameter("x"), Parameter("depth", "int", 1, 5), Parameter("kernel", "category", choices=("a", "b")))
    given = tuple({"x": float(x), "depth": int(rng.integers(1, 6)), "kernel": str(rng.choice(["a", "b"]))}
                  for x in rng.random(40))  # fmt: skip
    values = np.array([(one["x"] - 0.5) ** 2 + 0.1 * one["depth"] + (one["kernel"] == "b") for one in given])
    found = RegretBound(threshold=1.0).decide(Trace(values, parameters=given, space=space))
    assert found.stop
    assert 0 < found.bound < 1


def test_a_longer_trace_gives_the_same_decisions_before():
    trace, rule = smooth(34), RegretBound()
    along = rule.decisions(trace, range(20, 35))
    for n in (23, 30, 34):
        assert rule.decide(trace.first(n)).to_dict() == along[n - 20].to_dict()


def test_improvements_shrink_as_trials_fill_the_space():
    for rule in (ExpectedImprovement(eps=1e-4), ProbabilityOfImprovement(eps=0.01)):
        early, late = rule.decisions(smooth(60), [20, 60])
        assert early.bound > late.bound >= 0
