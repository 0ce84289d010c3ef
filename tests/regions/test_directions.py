"""Directions at random and towards other examples, and the chords along them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hashlens import regions
from hashlens.errors import DataError, HashlensError
from hashlens.regions.directions import random_directions, towards_others


def test_random_directions_are_of_length_one_and_spread_over_the_sphere():
    drawn = random_directions(torch.zeros(300, 2, 3), k=40)
    assert drawn.shape == (300, 40, 2, 3)
    assert drawn.dtype == torch.float64
    assert torch.allclose(drawn.flatten(2).norm(dim=2), torch.ones(300, 40, dtype=torch.float64))
    rows = drawn.reshape(-1, 6)
    assert rows.mean(dim=0).abs().max() < 5 / len(rows) ** 0.5
    assert torch.allclose(rows.T @ rows / len(rows), torch.eye(6).double() / 6, atol=0.02)


def test_the_first_examples_have_the_same_directions_however_many_follow():
    few, many = (random_directions(torch.zeros(n, 5), k=3, seed=4) for n in (7, 20))
    assert torch.equal(few, many[:7])
    assert torch.equal(few, random_directions(np.zeros((7, 5), np.float32), k=3, seed=4))
    assert not torch.equal(few, random_directions(torch.zeros(7, 5), k=3, seed=5))


def test_on_a_line_there_are_two_directions():
    assert set(random_directions(torch.zeros(50, 1)).flatten().tolist()) == {-1.0, 1.0}


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 4), min_size=2, max_size=12).filter(lambda values: len(set(values)) > 1),
    seed=st.integers(0, 100),
    data=st.data(),
)
def test_directions_towards_others_lead_to_different_rows_that_are_not_equal(values, seed, data):
    """Each example is a number and its row's, but for equal numbers, which are equal examples."""
    x = torch.tensor(values, dtype=torch.float32)[:, None].expand(-1, 2)
    fewest = len(values) - max(values.count(value) for value in values)
    k = data.draw(st.integers(1, fewest))
    ends = x[:, None] + towards_others(x, k, seed)
    assert ends.dtype == torch.float64
    for row, value in enumerate(values):
        reached = ends[row, :, 0].tolist()
        assert value not in reached
        assert all(reached.count(other) <= values.count(other) for other in reached)


def test_every_other_is_reached_as_often_as_the_rest():
    x = torch.tensor([0.0, 1, 1, 2, 3, 4])[:, None]
    reached = np.concatenate([(x[:, None] + towards_others(x, 2, seed)).flatten(1).numpy() for seed in range(800)], 1)
    for row, value in enumerate(x.flatten().tolist()):
        found, counts = np.unique(reached[row], return_counts=True)
        weights = np.array([2 if other == 1 else 1 for other in found])
        assert value not in found
        assert len(found) == 4
        assert np.allclose(counts / weights, 1600 / weights.sum(), rtol=0.15)


def test_minus_zero_is_zero():
    x = torch.tensor([[0.0, 1.0], [-0.0, 1.0], [2.0, 0.0]])
    assert torch.equal(towards_others(x)[:2, 0], torch.tensor([[2.0, -1.0]] * 2).double())


def test_chords_towards_others_are_those_of_the_segments_to_them(known):
    """The chord ends where the segment from the example to the other is cut first."""
    network, x = known.stack(1, [4, 12, 12, 2]), known.normal(6, 4)
    others = towards_others(x, 5, seed=3)
    chord = regions.chord(network, x, others)
    for k in range(5):
        pieces = regions.along(network, x, x + others[:, k])
        first = pieces.end[np.flatnonzero(pieces.start == 0)]
        assert np.allclose(np.minimum(chord.end[:, k], 1), first, atol=1e-12)


ONE, EQUAL = torch.ones(1, 3), torch.tensor([[1.0], [2.0], [2.0], [2.0]])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: random_directions(torch.zeros(3, 2), k=0), "k must be a whole number, 1 or more, received 0"),
        (lambda: random_directions(torch.zeros(3, 2), k=2.0), "k must be a whole number, 1 or more, received 2.0"),
        (lambda: random_directions(torch.zeros(3, 2), k=True), "k must be a whole number, 1 or more, received True"),
        (lambda: random_directions(torch.zeros(3, 2), seed=-1), "a seed is an integer of 0 or more, received -1"),
        (lambda: random_directions(torch.zeros(3)), "x must be examples (n, *shape)"),
        (lambda: random_directions([["a"]]), "x must be a tensor or array (n, *shape), received list"),
        (lambda: towards_others(torch.zeros(3, 2).long()), "x must be floating point, received int64"),
        (lambda: towards_others(torch.eye(3), k=-1), "k must be a whole number, 1 or more, received -1"),
        (lambda: towards_others(torch.full((3, 2), float("nan"))), "x: 6 of 6 numbers are NaN or infinite"),
        (lambda: towards_others(ONE), "received 1 examples, of which 0 differ from example 0"),
        (lambda: towards_others(torch.eye(3), k=3), "3 other examples are needed for each, received 3 examples, of "),
        (lambda: towards_others(EQUAL, k=2), "received 4 examples, of which 1 differ from example 1"),
    ],
)
def test_what_gives_no_directions_is_named_in_one_line(draw, message):
    with pytest.raises(HashlensError) as error:
        draw()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, DataError) or "seed" in message
