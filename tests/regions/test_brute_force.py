"""Networks of two inputs, against a dense grid of codes and Jacobians, and against twins that are written otherwise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens import regions

SIDE = 101


class Residual(nn.Module):
    """Sums around normalised layers, with and without a map on the shortcut."""

    def __init__(self):
        super().__init__()
        self.first, self.short, self.last = nn.Linear(2, 12), nn.Linear(12, 10), nn.Linear(10, 2)
        self.maps = nn.ModuleList([nn.Linear(12, 12), nn.Linear(12, 10)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(12), nn.BatchNorm1d(10)])

    def forward(self, x):
        x = self.first(x).relu()
        x = F.leaky_relu(x + self.norms[0](self.maps[0](x)), 0.2)
        return self.last(F.relu6(self.short(x) + self.norms[1](self.maps[1](x))))


class Concatenated(nn.Module):
    """Each layer reads all before it, the input too."""

    def __init__(self):
        super().__init__()
        self.maps = nn.ModuleList([nn.Linear(2, 5), nn.Linear(7, 5), nn.Linear(12, 5)])
        self.last = nn.Linear(17, 2)

    def forward(self, x):
        for layer, gate in zip(self.maps, (torch.abs, F.hardtanh, F.relu), strict=True):
            x = torch.cat([x, gate(layer(x))], dim=1)
        return self.last(x)


def images(*parts):
    """A network that makes images ``(2, 4, 4)`` of two numbers, and goes on with convolutions and pools."""
    return nn.Sequential(nn.Linear(2, 32), nn.Unflatten(1, (2, 4, 4)), *parts, nn.Flatten(), nn.LazyLinear(2))


NETWORKS = {
    "max-pool": lambda: images(nn.MaxPool2d(2), nn.Conv2d(2, 3, 2), nn.ReLU()),
    "max-pool after relu": lambda: images(nn.Conv2d(2, 2, 2), nn.ReLU(), nn.MaxPool2d(2, stride=1)),
    "padded max-pool": lambda: images(nn.MaxPool2d(3, stride=2, padding=1), nn.LeakyReLU(0.1), nn.MaxPool2d(2)),
    "average-pool": lambda: images(nn.Conv2d(2, 3, 3), nn.ReLU6(), nn.AvgPool2d(2), nn.Hardtanh(-0.2, 0.3)),
    "normalised": lambda: images(nn.Conv2d(2, 8, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2)),
    "residual": Residual,
    "concatenated": Concatenated,
}


def built(known, name):
    def build():
        network = NETWORKS[name]()
        network(torch.zeros(2, 2))
        return network

    return known.ready(build)


def grid():
    """Points that no boundary is likely to run through."""
    axis = torch.linspace(-4, 4, SIDE, dtype=torch.float64) + 0.01234567
    return torch.cartesian_prod(axis, axis - 0.02345678)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_codes_and_jacobians_of_a_grid(known, name):
    network, x = built(known, name), grid()
    rows = hl.encode(network, x, gates="all", batch_size=4096).packed
    region = regions.at(network, x)
    dense = region.affine.dense()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: network(one[None])[0]))(x)
    assert torch.allclose(dense, jacobian, rtol=0, atol=1e-12)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    assert 80 < len(first) < len(x) / 2
    assert torch.allclose(jacobian, jacobian[first[group.ravel()]], rtol=0, atol=1e-12)
    for row in np.linspace(0, len(x) - 1, 12).astype(int):
        here = regions.at(region.program, x[row].expand(len(x), -1))
        assert np.array_equal(here.contains(x), (rows == rows[row]).all(axis=1))


def bent(pieces):
    """Where on the segments the map changes, and the slope behind, for each segment in turn."""
    change = (pieces.slope[pieces.after] - pieces.slope[pieces.after - 1]).norm(dim=1) > 1e-9
    behind = pieces.after[change.numpy()]
    return pieces.segment[behind], pieces.start[behind], pieces.slope[behind]


def check_that_twins_bend_alike(known, one, other):
    """Two ways to write a function have the same pieces on every line, but for units that flip and change nothing."""
    a, b = known.normal(20, 2, seed=4, scale=2.0), known.normal(20, 2, seed=5, scale=2.0)
    pieces = [regions.along(network, a, b) for network in (one, other)]
    (segment, start, slope), (again, start_again, slope_again) = map(bent, pieces)
    assert len(segment) > 100
    assert np.array_equal(segment, again)
    assert np.allclose(start, start_again, rtol=0, atol=1e-11)
    assert torch.allclose(slope, slope_again, rtol=0, atol=1e-11)
    affine = [regions.at(of.program, pieces[0].middles()).affine for of in pieces]
    assert torch.allclose(affine[0].dense(), affine[1].dense(), rtol=0, atol=1e-12)
    assert torch.allclose(affine[0].bias, affine[1].bias, rtol=0, atol=1e-12)
    return pieces


class Pooled(nn.Module):
    """Two maps, after each of which four neighbours meet in a maximum: a max-pool, or a tree of ReLUs."""

    def __init__(self, first, last, pool):
        super().__init__()
        self.first, self.last, self.pool = first, last, pool

    def forward(self, x):
        return self.pool(self.last(self.pool(self.first(x))))


def tree(x):
    """max(a, b) = a + relu(b - a), twice."""
    for _ in range(2):
        x = x[:, ::2] + (x[:, 1::2] - x[:, ::2]).relu()
    return x


def test_a_max_pool_bends_as_a_tree_of_relus_does(known):
    pooled = known.ready(
        lambda: Pooled(nn.Linear(2, 32), nn.Linear(8, 16), lambda x: F.max_pool1d(x[:, None], 4)[:, 0])
    )
    twin = Pooled(pooled.first, pooled.last, tree)
    pieces, unrolled = check_that_twins_bend_alike(known, pooled, twin)
    assert len(pieces) < len(unrolled)  # in a tree losers flip as well


class Summed(nn.Module):
    """A residual network: what a map makes of the last sum is added to it."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 8), nn.Linear(8, 2)
        self.maps = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        x = self.first(x)
        for layer in self.maps:
            x = self.added(x, x.relu(), layer)
        return self.last(x)

    def added(self, x, y, layer):
        return x + layer(y)


class Joined(Summed):
    """The same without a sum: what goes around is put beside what goes through, and one map takes both."""

    def added(self, x, y, layer):
        return F.linear(torch.cat([x, y], dim=1), torch.cat([torch.eye(8).to(x), layer.weight], dim=1), layer.bias)


def test_a_residual_network_is_its_concatenated_twin(known):
    summed, joined = known.ready(Summed), known.ready(Joined)
    pieces, twins = check_that_twins_bend_alike(known, summed, joined)
    assert np.array_equal(pieces.codes.packed, twins.codes.packed)
    assert np.allclose(pieces.start, twins.start, rtol=0, atol=1e-11)
    x, directions = known.normal(50, 2), known.normal(50, 3, 2, seed=2)
    chords = [regions.chord(of, x, directions) for of in (summed, joined)]
    radii = [regions.at(of, x).radius() for of in (summed, joined)]
    assert np.allclose(chords[0].length, chords[1].length, rtol=1e-9)
    assert np.allclose(radii[0].distance, radii[1].distance, rtol=1e-9)
    assert np.array_equal(radii[0].units.bits, radii[1].units.bits)
