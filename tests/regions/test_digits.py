"""Real images: regions of networks on MNIST digits."""

import numpy as np
import pytest
import torch

from hashlens import regions
from hashlens.data import load_data
from hashlens.nets.lenet import LeNet

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def digits(shared_data):
    return next(load_data(f"parquet:{shared_data}/mnist#test").batches(8)).inputs.double()


@pytest.fixture(scope="module")
def network(known):
    return known.ready(LeNet).requires_grad_(False)


def test_the_affine_map_of_a_convolutional_network_holds_along_its_chords(digits, network, known):
    noisy = digits[:4] + 0.02 * known.normal(4, 1, 28, 28)
    region = regions.at(network, noisy)
    directions = torch.stack([noisy.roll(1, 0) - noisy, *known.normal(5, 4, 1, 28, 28, seed=2)], dim=1)
    chord = regions.chord(region.program, noisy, directions)
    assert (chord.start < 0).all()
    assert (chord.end > 0).all()
    for k in range(6):
        for share in (0.001, 0.5, 0.999):
            t = torch.from_numpy((1 - share) * chord.start[:, k] + share * chord.end[:, k])
            step = t[:, None, None, None] * directions[:, k]
            moved = network(noisy + step) - region.output
            assert torch.allclose(region.affine(noisy + step), network(noisy + step), rtol=0, atol=1e-10)
            assert float((region.affine.matvec(step) - moved).norm()) <= 1e-6 * float(moved.norm())


def test_black_backgrounds_lie_on_boundaries_and_noise_takes_them_off(digits, network, known):
    """Flat patches tie in every window of a max-pool, whose elements then move apart."""
    region = regions.at(network, digits[:2])
    assert (region.on_boundary > 100).all()
    assert (region.radius().distance == 0).all()
    noisy = regions.at(region.program, digits[:2] + 0.05 * known.normal(2, 1, 28, 28))
    assert not noisy.on_boundary.any()
    assert ((noisy.radius().distance > 0) & (noisy.radius().distance * 255 < 1)).all()


@pytest.mark.slow
def test_segments_between_digits(digits, network):
    pieces = regions.along(network, digits[:1], digits[1:2])
    rows = torch.arange(0, len(pieces), 7)
    assert len(pieces) > 500
    region = regions.at(pieces.program, pieces.middles()[rows])
    assert np.array_equal(region.code.packed, pieces.codes.packed[rows])
    middle = torch.from_numpy((pieces.start + pieces.end) / 2)[rows, None]
    assert torch.allclose(pieces.value[rows] + middle * pieces.slope[rows], region.output, atol=1e-10)
