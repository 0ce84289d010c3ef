"""The objective for networks: the cheapest one in the sufficiently expressive regime."""

import math

import optuna
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import HashlensError, TuningError
from hashlens.measures import RegimeThresholds
from hashlens.nets import build
from hashlens.tuning import NoImprovement, SufficientNetwork
from hashlens.tuning.network_cost import network_cost

optuna.logging.set_verbosity(optuna.logging.WARNING)
DATA = "digits[:150]", "digits[150:250]"
SMALL = {"training": {"epochs": 3, "learning_rate": 0.01}, "repeats": 2, "k": 3}
ANY = RegimeThresholds(1.0, 0.0, 1.0, 0.0)
NEVER = RegimeThresholds(0.0, 0.0, 0.0, 1e9)
WIDTHS = {"width": optuna.distributions.IntDistribution(4, 64, log=True)}


def tried(goal, **hyperparameters):
    """Return the value of a trial, and what was written beside it."""
    study = optuna.create_study()
    study.enqueue_trial(hyperparameters)
    trial = study.ask(WIDTHS)
    return goal(trial), trial.user_attrs


def test_operations_are_those_of_the_products():
    network = build("mlp", input_shape=(10,), classes=3, width=7, depth=2, batch_norm=True)
    network.train()
    forward = 2 * (10 * 7 + 7 * 7 + 7 * 3)
    assert network_cost(network, (10,), "inference") == forward
    assert network_cost(network, (10,), "training", examples=50, epochs=4) == 3 * forward * 50 * 4
    assert network_cost(network, (10,), "parameters") == 10 * 7 + 7 + 7 * 7 + 7 + 7 * 3 + 3 + 4 * 7
    assert network.training
    with torch.random.fork_rng():
        convolution = nn.Conv2d(2, 5, 3, dtype=torch.float64)
    assert network_cost(convolution, (2, 8, 6), "inference") == 2 * (2 * 3 * 3) * 5 * 6 * 4


def test_inside_the_regime_the_value_is_the_cost():
    goal = SufficientNetwork(*DATA, thresholds=ANY, min_relative_accuracy=0.0, cost="parameters", **SMALL)
    value, measured = tried(goal, width=8)
    assert value == math.log10(measured["cost"]) == math.log10(64 * 8 + 8 + 8 * 10 + 10)
    assert measured["regime"] == "sufficiently-expressive"
    assert measured["shortfall"] == 0


def test_each_network_outside_is_worse_than_the_largest_inside():
    outside, measured = tried(SufficientNetwork(*DATA, cost="parameters", **SMALL), width=4)
    largest = math.log10(64 * 64 + 64 + 64 * 10 + 10)
    assert measured["redundancy_ratio"] > 0.05
    assert outside == pytest.approx(largest + measured["shortfall"])
    assert 0 < measured["shortfall"] <= 3


def test_the_farther_outside_the_worse():
    goal = SufficientNetwork(*DATA, thresholds=NEVER, cost="parameters", **SMALL)
    values = [tried(goal, width=width) for width in (4, 32)]
    ratios = [measured["redundancy_ratio"] for _, measured in values]
    assert ratios[0] > ratios[1]
    assert values[0][0] > values[1][0]


def test_codes_are_compared_with_the_largest_network_unless_a_reference_is_given():
    _, by_default = tried(SufficientNetwork(*DATA, **SMALL), width=8)
    _, largest = tried(SufficientNetwork(*DATA, **SMALL), width=64)
    assert by_default["reference"] == largest["network_accuracy"] == largest["reference"]
    _, given = tried(SufficientNetwork(*DATA, reference=0.5, **SMALL), width=8)
    assert given["retention"] * 0.5 == pytest.approx(by_default["retention"] * by_default["reference"])


def test_a_network_that_has_not_learnt_is_outside():
    goal = SufficientNetwork(*DATA, thresholds=ANY, min_relative_accuracy=1.0, reference=1.0, **SMALL)
    _, measured = tried(goal, width=4)
    assert measured["regime"] == "not learnt, sufficiently-expressive"
    assert measured["shortfall"] == pytest.approx(1 - measured["network_accuracy"])


@pytest.mark.slow
def test_tuned_it_ends_at_the_cheapest_network_of_the_regime():
    limits = RegimeThresholds(sufficient_redundancy=0.2, sufficient_retention=0.8)
    goal = SufficientNetwork(*DATA, thresholds=limits, **SMALL)
    widths = [4, 8, 16, 32, 64]
    inside = [width for width in widths if not tried(goal, width=width)[1]["shortfall"]]
    assert 0 < len(inside) < 5
    found = hl.tune(goal, {"width": widths}, storage=None, n_trials=25, rule=NoImprovement(k=25))
    assert found.best == {"width": min(inside)}
    assert found.attributes["regime"] == "sufficiently-expressive"
    assert "sufficiently-expressive" in str(found)


def test_its_own_rule_is_used_where_none_is_chosen():
    found = hl.tune(SufficientNetwork(*DATA, **SMALL), {"width": [4, 8]}, storage=None, n_trials=2)
    assert found.rule == str(NoImprovement(k=20)) == str(SufficientNetwork.rule)


def test_a_training_that_fails_is_a_pruned_trial_that_says_why():
    goal = SufficientNetwork(*DATA, reference=0.9, repeats=1, k=3, training={"epochs": 2, "optimizer": "sgd"})
    study = optuna.create_study()
    with pytest.raises(optuna.TrialPruned, match="loss"):
        goal(trial := study.ask({"learning_rate": optuna.distributions.FloatDistribution(1e30, 1e31)}))
    assert "loss" in trial.user_attrs["failure"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "space", "message"),
    [
        ({"cost": "seconds"}, {}, "cost must be one of training, inference, parameters"),
        ({"repeats": 0}, {}, "repeats must be a whole number, 1 or more, received 0"),
        ({"reference": 0}, {}, "reference must be an accuracy above 0"),
        ({"min_relative_accuracy": 2}, {}, "min_relative_accuracy must be a share from 0 to 1, received 2"),
        ({"network": {"widths": 3}}, {}, "widths"),
        ({}, {"widht": [4]}, "networks have no hyperparameter 'widht' to tune; did you mean 'width'"),
        ({}, {"architecture": ["mlp", "cnn"]}, "networks have no hyperparameter 'architecture' to tune"),
        ({}, {"width": [0]}, "width"),
        ({"network": {"architecture": "lenet", "width": 3}}, {}, "lenet has no width"),
        ({}, {"epochs": [0]}, "cost of a network with epochs=0 is 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(how, space, message):
    with pytest.raises((TuningError, HashlensError), match=message) as caught:
        hl.tune(SufficientNetwork(*DATA, **{**SMALL, **how}), space, storage=None, n_trials=1)
    assert "\n" not in str(caught.value)
