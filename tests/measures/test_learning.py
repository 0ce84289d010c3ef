"""Whether a network has learnt comes before the regime of its code."""

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.codes.codes import Codes
from hashlens.measures import regime
from hashlens.measures.learning import Learning, constant_bits
from hashlens.report.measurement import measurement_page


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
