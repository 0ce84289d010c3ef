"""Regions crossed around examples: known counts, segments cut one by one, dense sampling, and invariants."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hashlens import regions
from hashlens.errors import DataError, ModelError
from hashlens.regions.directions import random_directions
from hashlens.regions.local_complexity import local_complexity, typical_distance


def comb(spacing, count, inputs=1):
    """A network whose boundaries are hyperplanes across the first axis, at 0, spacing, 2 * spacing, ..."""
    layer = nn.Linear(inputs, count)
    layer.weight.data = torch.eye(1, inputs).expand(count, -1).clone()
    layer.bias.data = -spacing * torch.arange(float(count))
    return nn.Sequential(layer, nn.ReLU(), nn.Linear(count, 1))


def test_a_comb_has_as_many_regions_as_teeth_in_the_ball(known):
    network = known.ready(lambda: comb(0.5, 100))
    x = torch.tensor([[10.2], [0.2], [-7.0], [100.0]])
    found = local_complexity(network, x, radius=2.0)
    assert found.counts.shape == (4, 16)
    assert found.regions.tolist() == [9, 6, 1, 1]  # from 8.2 to 12.2 there are 8.5, 9, ..., 12
    assert found.density.tolist() == [2, 1.25, 0, 0]
    assert found.standard_error.tolist() == [0, 0, 0, 0]
    assert found.radius == 2
    assert found.typical_distance is None


def test_diameters_cross_a_comb_as_often_as_the_mean_cosine_says(known):
    """In the plane a diameter spans 2 r |cos| of the first axis, 4 r / pi of it on average."""
    network = known.ready(lambda: comb(0.01, 400, inputs=2))
    found = local_complexity(network, torch.tensor([[2.0, 5.0]]), radius=1.0, directions=4000)
    assert abs(found.regions[0] - 1 - 400 / math.pi) < 4 * found.standard_error[0]
    # cos**2 has mean 1/2.
    spread = 200 * math.sqrt((0.5 - (2 / math.pi) ** 2) / 4000)
    assert found.standard_error[0] == pytest.approx(spread, rel=0.05)


def test_counts_are_those_of_segments_cut_into_pieces(network, known):
    x = known.normal(5, *network.input_shape)
    found = local_complexity(network, x, radius=2.0, directions=6, seed=3)
    reach = 2.0 * random_directions(x, 6, seed=3)
    ends = ((x[:, None] + side * reach).flatten(0, 1) for side in (-1, 1))
    pieces = regions.along(network, *ends)
    assert np.array_equal(found.counts, pieces.counts.reshape(5, 6))
    assert np.array_equal(found.regions, found.counts.mean(axis=1))
    assert np.allclose(found.standard_error, found.counts.std(axis=1, ddof=1) / math.sqrt(6))
    assert found.counts.max() > 3


def test_dense_sampling_of_codes_finds_the_same(known):
    network = known.stack(0, [3, 12, 12, 2])
    x = known.normal(4, 3)
    found = local_complexity(network, x, radius=1.0, directions=3)
    directions = random_directions(x, 3)
    for row in range(4):
        for k in range(3):
            one, reach = x[row : row + 1], directions[row : row + 1, k]
            sampled = known.sampled_pieces(network, one - reach, one + reach, 20_001)
            pieces = regions.along(network, one - reach, one + reach)
            wide = int((pieces.end - pieces.start > 1 / 20_000).sum())
            assert wide <= sampled <= found.counts[row, k] == len(pieces)
            assert wide > 1


def test_a_linear_network_is_one_region(known):
    for build in (lambda: nn.Linear(4, 3), lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))):
        found = local_complexity(known.ready(build), known.normal(5, 4))
        assert (found.counts == 1).all()
        assert (found.density == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("budget", [150, 5000, 100_000])
def test_what_is_counted_at_once_changes_no_count(network, known, monkeypatch, budget):
    x = known.normal(4, *network.input_shape)
    expected = local_complexity(network, x, directions=4).counts
    monkeypatch.setattr("hashlens.regions.program.BUDGET", budget)
    assert np.array_equal(local_complexity(network, x, directions=4).counts, expected)


def test_one_seed_gives_the_same_and_another_does_not(known):
    network, x = known.stack(0, [6, 20, 20, 2]), known.normal(8, 6)
    one, same, other = (local_complexity(network, x, seed=seed).counts for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    first = local_complexity(network, x[:3], radius=typical_distance(x) / 10).counts
    assert np.array_equal(first, one[:3])


def test_a_program_and_other_floating_types_are_taken(known):
    network, x = known.stack(0, [6, 20, 20, 2]), known.normal(8, 6).float()
    expected = local_complexity(network, x, radius=1).counts
    assert np.array_equal(local_complexity(regions.trace(network, x), x.numpy(), radius=np.float32(1)).counts, expected)
    single = local_complexity(network, x, radius=1, dtype=torch.float32).counts
    assert abs(single - expected).mean() < 0.1


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 40), inputs=st.integers(1, 5), seed=st.integers(0, 1000))
def test_the_typical_distance_is_that_of_all_pairs(known, n, inputs, seed):
    x = known.normal(n, inputs, seed=seed) + 1e3
    pairs = torch.pdist(x).square().mean().sqrt()
    assert typical_distance(x) == pytest.approx(float(pairs), rel=1e-6)
    found = local_complexity(known.stack(0, [inputs, 1]), x, directions=1)
    assert found.typical_distance == typical_distance(x)
    assert found.radius == pytest.approx(found.typical_distance / 10)


def test_a_smaller_ball_crosses_fewer_regions_and_in_the_limit_one(known):
    network, x = known.stack(0, [6, 30, 30, 2]), known.normal(10, 6)
    means = [local_complexity(network, x, radius=radius).regions.mean() for radius in (1e-9, 0.01, 0.1, 1, 10)]
    assert means == sorted(means)
    assert means[0] == 1
    assert means[-1] > 20


def test_the_result_says_radius_and_where_it_comes_from(known):
    network, x = known.stack(0, [6, 30, 30, 2]), known.normal(10, 6)
    found = local_complexity(network, x, directions=1)
    assert np.isnan(found.standard_error).all()
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert said["standard_error"] == [None] * 10
    assert said["regions"] == found.regions.tolist()
    assert said["density"] == found.density.tolist()
    assert f"radius {found.radius:.4g}, a tenth of the typical distance {found.typical_distance:.4g}" in str(found)
    assert "typical" not in str(local_complexity(network, x, radius=1))


X = torch.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("x", "given", "message"),
    [
        (X, {"radius": 0}, "radius must be a number above 0, received 0"),
        (X, {"radius": -1.5}, "radius must be a number above 0, received -1.5"),
        (X, {"radius": float("nan")}, "radius must be a number above 0, received nan"),
        (X, {"radius": float("inf")}, "radius must be a number above 0, received inf"),
        (X, {"radius": "1"}, "radius must be a number above 0, received '1'"),
        (X, {"radius": True}, "radius must be a number above 0, received True"),
        (X, {"radius": 1e-30}, "the radius is so small that x - radius * d and x + radius * d are the same numbers"),
        (X, {"directions": 0}, "directions must be a whole number, 1 or more, received 0"),
        (X, {"directions": 2.5}, "directions must be a whole number, 1 or more, received 2.5"),
        (X[:1], {}, "with one example there is no typical distance"),
        (X[:1].repeat(3, 1), {}, "all 3 examples are the same, so no radius can be derived"),
        (torch.full((3, 3), 0.1), {}, "all 3 examples are the same"),
        (X[0], {}, "x must be examples (n, *shape)"),
        (X[:, :2], {}, "the model rejects inputs of (1, 2)"),
        (1e160 * X.double(), {}, "radius must be a number above 0, received inf"),
        (X / 0, {}, "numbers are NaN or infinite"),
    ],
)
def test_unfit_input_is_named_in_one_line(known, x, given, message):
    with pytest.raises((DataError, ModelError)) as error:
        local_complexity(known.stack(0, [3, 4, 2]), x, **given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_soft_gate_is_refused(known):
    with pytest.raises(ModelError, match="soft gate"):
        local_complexity(known.ready(lambda: nn.Sequential(nn.Linear(3, 2), nn.GELU())), X)
