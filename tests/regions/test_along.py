"""Segments cut into pieces, against known counts, dense sampling and Jacobians; and chords."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hashlens import regions
from hashlens.errors import DataError


def ends(known, shape, n=1, seed=3):
    return known.normal(n, *shape, seed=seed), known.normal(n, *shape, seed=seed + 1)


def test_a_known_segment_has_32_pieces(known):
    a, b = torch.tensor([[-1, -0.7]]).double(), torch.tensor([[1, 0.9]]).double()
    pieces = regions.along(known.stack(3, [2, 32, 32, 1]), a, b)
    assert len(pieces) == 32 == pieces.counts[0]
    assert pieces.lengths.sum() == pytest.approx(float((b - a).norm()), rel=1e-14)
    assert len(pieces.breakpoints) == len(pieces.units) == 31


def test_the_tent_map_of_depth_10_has_1024_pieces(known):
    def tent():
        inner, outer = nn.Linear(1, 2), nn.Linear(2, 1)
        inner.weight.data, inner.bias.data = torch.tensor([[1.0], [1.0]]), torch.tensor([0.0, -0.5])
        outer.weight.data, outer.bias.data = torch.tensor([[2.0, -4.0]]), torch.zeros(1)
        return nn.Sequential(inner, nn.ReLU(), outer)

    network = known.ready(lambda: nn.Sequential(*(tent() for _ in range(10))))
    pieces = regions.along(network, torch.zeros(1, 1), torch.ones(1, 1))
    assert len(pieces) == 1024
    assert np.allclose(pieces.breakpoints, np.arange(1, 1024) / 1024, rtol=0, atol=1e-12)
    assert np.allclose(pieces.slope.abs(), 1024)


def test_pieces_tell_where_they_are_and_what_flips(known):
    network = known.ready(lambda: nn.Sequential(nn.Linear(2, 1, bias=False), nn.ReLU()))
    nn.init.constant_(network[0].weight, 1.0)
    a, b = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([[3.0, 0.0], [2.0, 0.0]])
    pieces = regions.along(network, a, b)
    told = pieces.to_dict()
    assert told["segments"] == 2
    assert told["segment"] == [0, 0, 1]
    assert (told["start"], told["end"]) == ([0.0, 0.25, 0.0], [0.25, 1.0, 1.0])
    assert told["units"] == [None, "1[0]", None]
    assert json.loads(json.dumps(told)) == told
    assert str(pieces).startswith("3 linear pieces of 2 segments")
    assert "1[0]" in str(pieces)


@pytest.mark.slow
def test_sampling_finds_no_piece_more(network, known):
    a, b = ends(known, network.input_shape)
    pieces = regions.along(network, a, b)
    step = 4 / 60_000
    wide = pieces.end - pieces.start > step
    found = known.sampled_pieces(network, a, b, 60_001 // (3 if len(network.input_shape) > 1 else 1))
    assert wide.sum() <= found <= len(pieces) if len(network.input_shape) == 1 else found <= len(pieces)
    assert found >= 0.9 * wide.sum()


def test_pieces_are_what_a_region_says_of_their_middles(network, known):
    a, b = ends(known, network.input_shape, n=3)
    pieces = regions.along(network, a, b)
    region = regions.at(network, pieces.middles())
    assert np.array_equal(pieces.codes.packed, region.code.packed)
    delta = (b - a)[torch.from_numpy(pieces.segment)]
    assert torch.allclose(pieces.slope, region.affine.matvec(delta), atol=1e-11)
    middle = torch.from_numpy((pieces.start + pieces.end) / 2)[:, None]
    assert torch.allclose(pieces.value + middle * pieces.slope, network(pieces.middles()), atol=1e-11)


def test_pieces_are_whole(network, known):
    """They cover each segment without a gap, neighbours differ, and each is all that its region has of the segment."""
    a, b = ends(known, network.input_shape, n=4)
    pieces = regions.along(network, a, b)
    after = pieces.after
    assert np.array_equal(pieces.start[after], pieces.end[after - 1])
    assert np.array_equal(np.flatnonzero(pieces.start == 0), np.flatnonzero(np.diff(pieces.segment, prepend=-1)))
    assert (pieces.end[np.diff(pieces.segment, append=4) == 1] == 1).all()
    assert (pieces.codes.packed[after] != pieces.codes.packed[after - 1]).any(axis=1).all()
    chord = regions.chord(network, pieces.middles(), (b - a)[torch.from_numpy(pieces.segment)])
    middle = (pieces.start + pieces.end) / 2
    assert np.allclose(np.clip(middle + chord.start[:, 0], 0, 1), pieces.start, rtol=0, atol=1e-9)
    assert np.allclose(np.clip(middle + chord.end[:, 0], 0, 1), pieces.end, rtol=0, atol=1e-9)
    flipping = [set(pieces.flips(at)) for at in range(len(after))]
    assert all(unit in flips for unit, flips in zip(pieces.units, flipping, strict=True))
    assert all(unit in flipping[at] for at, unit in enumerate(chord.end_units[piece - 1] for piece in after))


def test_the_network_is_continuous_over_breakpoints(network, known):
    a, b = ends(known, network.input_shape, n=2)
    pieces = regions.along(network, a, b)
    at = torch.from_numpy(pieces.breakpoints)[:, None]
    before, behind = (pieces.value[rows] + at * pieces.slope[rows] for rows in (pieces.after - 1, pieces.after))
    assert torch.allclose(before, behind, atol=1e-11)


def test_many_segments_are_as_one_by_one(network, known):
    a, b = ends(known, network.input_shape, n=5)
    program = regions.trace(network, a)
    together = regions.along(program, a, b)
    alone = [regions.along(program, a[row : row + 1], b[row : row + 1]) for row in range(5)]
    assert together.counts.tolist() == [len(at) for at in alone]
    assert np.array_equal(together.codes.packed, np.concatenate([at.codes.packed for at in alone]))
    assert np.allclose(together.start, np.concatenate([at.start for at in alone]), atol=1e-13)


def test_a_gate_that_jumps_is_cut_where_it_jumps():
    network = nn.Sequential(nn.Threshold(0.5, 2.0), nn.Hardshrink(1.0))
    pieces = regions.along(network, torch.tensor([[-3.0]]), torch.tensor([[3.0]]))
    assert np.allclose(pieces.breakpoints, [3.5 / 6, 4 / 6])
    assert torch.allclose(pieces.points(pieces.start)[:, 0], torch.tensor([-3.0, 0.5, 1.0]).double())
    assert torch.allclose(pieces.value[:, 0], torch.tensor([2.0, 0.0, -3.0]).double())
    assert torch.allclose(pieces.slope[:, 0], torch.tensor([0.0, 0.0, 6.0]).double())


def test_a_window_changes_its_winner_as_often_as_the_envelope_has_corners(known):
    """max over j of j t - j^2 / 2 has corners at j + 1/2."""
    network = known.ready(lambda: nn.Sequential(nn.Linear(1, 6), nn.Unflatten(1, (1, 6)), nn.MaxPool1d(6)))
    lines = network[0]
    lines.weight.data, lines.bias.data = torch.arange(6.0)[:, None], -(torch.arange(6.0) ** 2) / 2
    pieces = regions.along(network, torch.zeros(1, 1), torch.full((1, 1), 10.0))
    assert np.allclose(pieces.breakpoints * 10, np.arange(5) + 0.5, atol=1e-12)
    assert np.allclose(pieces.slope.flatten(), 10 * np.arange(6))
    assert [unit.plane for unit in pieces.flips(0)] == [0, 1]


def test_chords_end_where_the_code_changes(network, known):
    x = known.normal(4, *network.input_shape)
    directions = known.normal(4, 6, *network.input_shape, seed=5)
    chord = regions.chord(network, x, directions)
    region = regions.at(network, x)
    lift = (slice(None), *[None] * len(network.input_shape))
    for k in range(6):
        for t in (chord.start[:, k], chord.end[:, k]):
            finite = np.isfinite(t)
            reach = torch.from_numpy(np.where(finite, t, 1e3))
            assert region.contains(x + (1 - 1e-9) * reach[lift] * directions[:, k]).all()
            assert not region.contains(x + (1 + 1e-9) * reach[lift] * directions[:, k])[finite].any()
    norms = directions.flatten(2).norm(dim=2).numpy()
    assert np.allclose(chord.length, (chord.end - chord.start) * norms)
    bits = chord.end_units.bits.reshape(4, 6)
    beyond = np.where(np.isfinite(chord.end), chord.end * (1 + 1e-9), 0)
    for k in range(6):
        flips = regions.at(network, x + torch.from_numpy(beyond[:, k])[lift] * directions[:, k]).code.unpack()
        flips ^= region.code.unpack()
        assert all(bit < 0 or flips[row, bit] for row, bit in enumerate(bits[:, k]))


def test_a_chord_without_end_is_infinite(known):
    network = known.ready(lambda: nn.Sequential(nn.Linear(1, 1), nn.ReLU()))
    network[0].weight.data.fill_(1)
    network[0].bias.data.fill_(1)
    chord = regions.chord(network, torch.tensor([[1.0]]), torch.tensor([[4.0]]))
    assert (chord.start.item(), chord.end.item(), chord.length.item()) == (-0.5, np.inf, np.inf)
    assert str(chord.start_units[0]) == "1[0]"
    assert chord.end_units[0] is None


def test_a_chord_from_a_boundary_is_one_sided_and_says_so():
    network = nn.ReLU()
    chord = regions.chord(network, torch.tensor([[0.0]]), torch.tensor([[1.0]]))
    assert chord.on_boundary.tolist() == [1]
    assert 0 in (chord.start.item(), chord.end.item())
    assert chord.length.item() == np.inf


class Absolute(nn.Module):
    def forward(self, x):
        return x.abs()


class Folded(nn.Module):
    def forward(self, x):
        return torch.maximum(x, x.flip(1)) - torch.minimum(0.3 * x, x.roll(1, 1))


GATES = [
    Absolute, Folded,
    nn.ReLU, nn.ReLU6, lambda: nn.LeakyReLU(0.3), nn.PReLU, lambda: nn.Hardtanh(-0.2, 0.1), nn.Softshrink,
    lambda: nn.Sequential(nn.Unflatten(1, (4, 2)), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4, 8)),
]  # fmt: skip


class Random(nn.Module):
    def __init__(self, gates, skips, width=8):
        super().__init__()
        self.first, self.last = nn.Linear(3, width), nn.Linear(width, 2)
        self.gates = nn.ModuleList(GATES[at]() for at in gates)
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in gates)
        self.skips = skips

    def forward(self, x):
        x = self.first(x)
        for gate, layer, skip in zip(self.gates, self.maps, self.skips, strict=True):
            y = layer(gate(x))
            x = x + y if skip else y
        return self.last(x)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    gates=st.lists(st.integers(0, len(GATES) - 1), min_size=1, max_size=4),
    skips=st.lists(st.booleans(), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
)
def test_random_architectures(known, gates, skips, seed):
    network = known.ready(lambda: Random(gates, skips[: len(gates)]), seed)
    a, b = known.normal(2, 3, seed=seed, scale=3.0), known.normal(2, 3, seed=seed + 1, scale=3.0)
    pieces = regions.along(network, a, b)
    region = regions.at(pieces.program, pieces.middles())
    assert np.array_equal(pieces.codes.packed, region.code.packed)
    delta = (b - a)[torch.from_numpy(pieces.segment)]
    assert torch.allclose(pieces.slope, region.affine.matvec(delta), atol=1e-9)
    middle = torch.from_numpy((pieces.start + pieces.end) / 2)[:, None]
    assert torch.allclose(pieces.value + middle * pieces.slope, network(pieces.middles()), atol=1e-9)
    chord = regions.chord(pieces.program, pieces.middles(), delta)
    assert np.allclose(np.clip(middle.numpy() + chord.end, 0, 1)[:, 0], pieces.end, atol=1e-7)
    assert known.sampled_pieces(network, a[:1], b[:1], 3001) <= pieces.counts[0]
    assert (region.radius().distance <= np.minimum(-chord.start, chord.end)[:, 0] * delta.norm(dim=1).numpy()).all()


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(2, 4), torch.ones(1, 4), "b must be (2, 4), received (1, 4)"),
        (torch.zeros(2, 4), torch.tensor([[1.0] * 4, [0.0] * 4]), "a and b are the same in row 1"),
        (torch.zeros(1, 4), torch.full((1, 4), float("inf")), "b: 4 of 4 numbers are NaN or infinite"),
    ],
)
def test_unfit_segments_are_named(known, a, b, message):
    with pytest.raises(DataError) as error:
        regions.along(known.stack(0, [4, 3, 2]), a, b)
    assert message in str(error.value)
