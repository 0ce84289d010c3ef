"""Whether a network has learnt comes before the regime of its code."""

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.codes.codes import Codes
from hashlens.measurement.page import measurement_page
from hashlens.measures import regime
from hashlens.measures.learning import Learning, constant_bits, matched_accuracy


def test_constant_bits_are_counted_apart_and_padding_is_none():
    generator = np.random.default_rng(0)
    bits = generator.random((50, 70)) < 0.5
    bits[:, :9], bits[:, 9:13] = False, True
    assert constant_bits(Codes.from_bits(bits)) == (9, 4)


@pytest.mark.parametrize(
    ("known", "problems"),
    [
        ({}, 0),
        ({"never_on": 50, "always_on": 14}, 0),
        ({"never_on": 50, "always_on": 15}, 1),
        ({"accuracy": 0.50, "raw_inputs": 0.81}, 1),
        ({"accuracy": 0.80, "raw_inputs": 0.81}, 0),
        ({"accuracy": 0.11, "chance": 0.10}, 1),
        ({"accuracy": 0.20, "chance": 0.10}, 0),
        ({"accuracy": 0.09, "chance": 0.10, "raw_inputs": 0.9, "never_on": 100}, 3),
        ({"accuracy": None, "chance": 0.10, "raw_inputs": 0.9}, 0),
    ],
)
def test_what_speaks_against_learning(known, problems):
    found = Learning(**{"bits": 128, "never_on": 0, "always_on": 0, "examples": 500, **known})
    assert len(found.problems) == problems
    assert bool(found.advice) == (problems > 0)


def test_problems_come_first_and_the_advice_follows_from_them():
    found = regime(0.9, 0.9, learning=Learning(128, 76, 30, 500, 0.50, 0.81, 0.3))
    assert found.name == "under-expressive"
    assert str(found).startswith(
        "106 of 128 bits never change on train (76 never on, 30 always); the network's accuracy"
    )
    assert "longer training" not in found.reason
    assert "standardise the inputs" in found.reason
    healthy = regime(0.9, 0.9, learning=Learning(128, 3, 0, 500, 0.90, 0.81, 0.3))
    assert healthy.reason == regime(0.9, 0.9).reason
    assert healthy.verdict == "under-expressive"


@pytest.fixture(scope="module")
def raw_and_standardised():
    """A table with columns on scales of their own, as incomes and years are, as it is and standardised."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=1200)
    inputs = generator.normal(size=(1200, 10)) + labels[:, None] * 0.8
    inputs[:, :3] = [400, 90, 40] + inputs[:, :3] * [20, 10, 5]

    def measured(table):
        data = [
            (torch.tensor(table[rows], dtype=torch.float32), labels[rows]) for rows in (slice(800), slice(800, None))
        ]
        network = hl.train("mlp", data[0], width=64, depth=2, epochs=5, seed=0).network
        return hl.measure(network, *data)

    return measured(inputs), measured((inputs - inputs.mean(axis=0)) / inputs.std(axis=0))


def test_a_network_that_has_not_learnt_is_not_told_to_grow(raw_and_standardised):
    raw, standardised = raw_and_standardised
    assert raw.network_accuracy.test < 0.7 < 0.85 < standardised.network_accuracy.test
    learning = raw.regime.learning
    assert learning.bits == 128
    assert learning.never_on + learning.always_on > 64
    page = measurement_page(raw)
    printed = " ".join(str(raw).split())
    for said in (page.verdict, printed):
        assert f"bits never change on train ({learning.never_on} never on, {learning.always_on} always)" in said
    assert "standardise the inputs" in page.reason
    assert "more width or longer training" not in printed
    assert standardised.regime.learnt
    assert measurement_page(standardised).verdict.lower().startswith(standardised.regime.name)


@pytest.mark.parametrize(
    ("order", "share", "matched"),
    [
        ([0, 1, 2], 1.0, None),  # as numbered
        ([1, 2, 0], 0.9, True),
        ([5, 3, 4], 0.9, True),  # some of more outputs than classes
        ([1, 0, 2], 0.9, True),  # two of three exchanged
        ([1, 2, 0], 0.0, None),  # knows nothing
    ],
)
def test_outputs_in_another_order_than_the_labels_are_told_from_a_network_that_has_not_learnt(order, share, matched):
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    knows = generator.random(180) < share
    predictions = np.asarray(order)[np.where(knows, labels, generator.integers(3, size=180))]
    expected = np.mean(predictions == np.asarray(order)[labels])
    assert matched_accuracy(predictions, labels) == (pytest.approx(expected) if matched else None)


@pytest.fixture(scope="module")
def clusters():
    """Three classes that are easy to tell apart, as train and test."""
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=600)
    inputs = generator.normal(size=(600, 5)) + 3 * np.eye(3, 5)[labels]
    return [(torch.tensor(inputs[rows], dtype=torch.float32), labels[rows]) for rows in (slice(400), slice(400, None))]


class Renumbered(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x).roll(1, dims=1)


def test_labels_in_another_order_are_named_instead_of_a_network_that_has_not_learnt(clusters):
    train, test = clusters
    network = Renumbered(hl.train("mlp", train, width=32, epochs=10, seed=0).network)
    found = hl.measure(network, train, test, controls=False)
    assert found.regime.verdict.startswith("with outputs and labels matched one to one, the accuracy of the network")
    assert found.regime.reason.endswith("first number the labels like the outputs")
    assert "learning rate" not in str(found)


def test_without_an_accuracy_of_the_network_the_regime_claims_none(clusters):
    train, test = clusters
    network = hl.train("mlp", train, width=32, epochs=2, seed=0).network
    for output in ("regression", lambda scores: torch.cat([scores, scores], dim=1)):
        found = hl.measure(network, train, test, controls=False, output=output)
        assert "of the network's accuracy" not in found.regime.reason
        alone = max(found.categorization.knn, found.categorization.logistic)
        assert f"the code alone has an accuracy of {alone:.1%}, and there is no accuracy of" in found.regime.reason
