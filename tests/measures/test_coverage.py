import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hashlens as hl
from hashlens.errors import AuditError, CodesError
from hashlens.measures.coverage import coverage


@pytest.fixture(scope="module")
def network():
    """Of the first layer's units 3 is never on and 5 always, of the second's two 0 is never on."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.ReLU6(), torch.nn.Linear(2, 2)
        )
    with torch.no_grad():
        net[0].bias[[3, 5]] = torch.tensor([-100.0, 100.0])
        net[2].bias[0] = -1e4
    return net


def inputs(rows, seed):
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))


def test_units_that_never_change_are_named(network):
    codes = hl.encode(network, inputs(300, 0))
    first, second = coverage(codes).layers
    assert (first.never_on.tolist(), first.always_on.tolist()) == ([3], [5])
    assert second.bits == 4  # a ReLU6 has two breakpoints
    assert set(second.never_on.tolist()) >= {0, 1}
    some = coverage(codes.sample_bits(6, seed=1)).layers
    known = set(codes.sample_bits(6, seed=1).layers[0].positions.tolist())
    assert set(some[0].never_on.tolist()) == {3} & known
    assert set(some[0].always_on.tolist()) == {5} & known


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), bits=st.integers(1, 70), rows=st.integers(1, 40), new=st.integers(1, 20))
def test_counts_are_those_of_plain_sets(seed, bits, rows, new):
    random = np.random.default_rng(seed)
    known, asked = random.random((rows, bits)) < 0.15, random.random((new, bits)) < 0.3
    found = coverage(hl.Codes.from_bits(known), hl.Codes.from_bits(asked, ids=[f"x{i}" for i in range(new)]))
    patterns = [tuple(row) for row in known]
    assert found.distinct == found.layers[0].distinct == len(set(patterns))
    assert found.unseen_probability == sum(patterns.count(row) == 1 for row in patterns) / rows
    unseen = [tuple(row) not in patterns for row in asked]
    assert found.layers[0].new_patterns == pytest.approx(np.mean(unseen))
    beyond = (asked & ~known.any(axis=0)).sum(axis=1) + (~asked & known.all(axis=0)).sum(axis=1)
    assert found.new.new_bits.tolist() == sorted(beyond, reverse=True)
    assert (beyond[found.new.rows] == found.new.new_bits).all()
    assert (np.array(unseen)[found.new.rows] == found.new.new_layers).all()
    assert found.new.ids.tolist() == [f"x{row}" for row in found.new.rows]


def test_the_curve_is_what_random_orders_show_on_average():
    codes = hl.Codes.from_bits(np.random.default_rng(0).random((50, 4)) < 0.3)
    found = coverage(codes, points=6)
    assert found.sample_sizes[[0, -1]].tolist() == [1, 50]
    assert found.expected_distinct[[0, -1]] == pytest.approx([1, found.distinct])
    random = np.random.default_rng(1)
    words = codes.words[:, 0]
    drawn = [
        [len(set(order[:m])) for m in found.sample_sizes] for order in (random.permutation(words) for _ in range(2000))
    ]
    assert found.expected_distinct == pytest.approx(np.mean(drawn, axis=0), abs=0.15)


def test_the_unseen_probability_tells_how_new_the_next_examples_are(network):
    known, new = (hl.encode(network, inputs(2000, seed)) for seed in (1, 2))
    found = coverage(known, new)
    for layer in found.layers:
        assert layer.new_patterns == pytest.approx(layer.unseen_probability, abs=0.02)


def test_it_prints_draws_and_is_written(network, tmp_path):
    found = coverage(hl.encode(network, inputs(40, 0)), hl.encode(network, 9 * inputs(30, 1)))
    assert "Coverage by 40 examples" in str(found)
    assert "new examples put a unit into a new state" in str(found)
    assert found.plot().axes[0].get_ylabel() == "distinct codes"
    with found.new.to_csv(tmp_path / "reach.csv").open() as file:
        assert [int(line["new_bits"]) for line in csv.DictReader(file)] == found.new.new_bits.tolist()
    assert found.to_dict()["layers"][0]["never_on"] == found.layers[0].never_on.tolist()


CODES = hl.Codes.from_bits(np.eye(3))


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((CODES[:0],), AuditError, "coverage needs codes of at least one row"),
        ((np.eye(3),), AuditError, "coverage needs codes of at least one row"),
        ((CODES, CODES[:0]), AuditError, "coverage needs new_codes of at least one row"),
        ((CODES, hl.Codes.from_bits(np.eye(4))), CodesError, "codes of different bits cannot be mixed"),
        ((CODES, None, 1), AuditError, "points must be a whole number, 2 or more, received 1"),
    ],
)
def test_wrong_input(arguments, error, says):
    with pytest.raises(error, match=says):
        coverage(*arguments)
