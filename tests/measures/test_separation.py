from itertools import combinations, pairwise

import numpy as np
import pytest
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.packing import pack_bits
from hashlens.errors import MeasureError
from hashlens.measures import separation


def two_layers(seed: int, rows: int) -> Codes:
    generator = np.random.default_rng(seed)
    parts = [generator.random((rows, bits)) < 0.3 for bits in (5, 70)]
    layers = lay_out([Layer("a", "relu", (5,), bits=5), Layer("b", "relu", (70,), bits=70)])
    packed = np.concatenate([pack_bits(part) for part in parts], axis=1)
    return Codes(packed, layers, labels=generator.integers(3, size=rows))


def test_autocast_of_the_caller_changes_no_mean():
    codes = two_layers(0, 3000)
    expected = separation(codes, pairs=10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert separation(codes, pairs=10).layers == expected.layers


def test_means_are_those_over_all_pairs():
    codes = two_layers(0, 40)
    found = separation(codes, pairs=10)
    for layer, bits in zip((*found.layers, found.overall), (slice(0, 5), slice(5, 75), slice(0, 75)), strict=True):
        matrix = codes.unpack()[:, bits]
        within, between = [], []
        for a, b in combinations(range(40), 2):
            (within if codes.labels[a] == codes.labels[b] else between).append((matrix[a] != matrix[b]).mean())
        assert layer.within == pytest.approx(np.mean(within))
        assert layer.between == pytest.approx(np.mean(between))


def test_sampled_pairs_have_the_means_of_all_pairs():
    codes = two_layers(1, 60)
    found = separation(codes, bins=76, pairs=200_000)
    centres = (found.edges[:-1] + found.edges[1:]) / 2
    assert found.within_histogram.sum() == pytest.approx(1)
    assert (found.within_histogram * centres).sum() == pytest.approx(found.overall.within, abs=2e-3)
    assert (found.between_histogram * centres).sum() == pytest.approx(found.overall.between, abs=2e-3)


@pytest.mark.parametrize(("bits", "bins"), [(40, 50), (40, 7), (300, 50), (3, 1)])
def test_bins_hold_equally_many_possible_distances(make_codes, bits, bins):
    found = separation(make_codes(0, 100, bits, 3), bins=bins, pairs=5000)
    edges = found.edges * bits
    held = [np.sum((low < np.arange(2 * bits)) & (np.arange(2 * bits) < high)) for low, high in pairwise(edges)]
    assert len(held) <= bins
    assert len(set(held)) == 1
    assert held[0] >= 1
    assert found.within_histogram.sum() == pytest.approx(1)
    assert found.between_histogram.sum() == pytest.approx(1)


def test_separability_is_one_for_classes_apart_and_half_for_labels_at_random(make_codes):
    apart = Codes.from_bits([[0] * 8] * 20 + [[1] * 8] * 10, labels=[3] * 20 + [1] * 10)
    found = separation(apart)
    assert (found.separability, found.overall.within, found.overall.between) == (1.0, 0.0, 1.0)
    assert separation(make_codes(0, 2000, 64, 4)).separability == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("bits", "labels", "message"),
    [
        ([[0], [1]], None, "separation needs labels"),
        ([[0], [1]], [2, 2], "all 2 rows are of class 2"),
        ([[0], [1]], [0, 1], "a class of two examples"),
        (np.zeros((3, 0)), [0, 0, 1], "at least one bit"),
    ],
)
def test_bad_input(bits, labels, message):
    with pytest.raises(MeasureError, match=message):
        separation(Codes.from_bits(bits, labels))
