"""Results of regions come back from JSON without their network, and show what they showed."""

import json
from math import inf

import numpy as np
import pytest
import torch
from torch import nn

from hashlens import regions
from hashlens.errors import ModelError, ReportError
from hashlens.regions.units import Unit
from hashlens.saved.report import report_page
from hashlens.saved.results import load_result, result_of


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU6(), nn.Linear(6, 3)).double()


@pytest.fixture(scope="module")
def x():
    return torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def pooled():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 2), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(2, 1))


def back(result):
    return result_of(json.loads(json.dumps(result.to_dict(), allow_nan=False)), "a.json")


def same(one, other):
    """Whether two figures, pages or parts of them are equal, arrays and all."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dict__"):
        return type(one) is type(other) and same(list(vars(one).values()), list(vars(other).values()))
    return one == other


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["gradient", "class", "code"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_plane_shows_the_same_without_its_network(network, pooled, x, colour, dtype):
    for model in (network, pooled):
        flat = regions.plane(model, through=x[:3], dtype=dtype).with_sampled(20)
        found = back(flat)
        assert same(found.figures(colour), flat.figures(colour))
        assert same(found.page(colour), flat.page(colour))
        assert str(found) == str(flat)
        assert found.to_dict() == flat.to_dict()
        assert found.middle.dtype == dtype
        assert np.array_equal(found.points_in(x[:3]), flat.points_in(x[:3]))


def test_segments_show_the_same_without_their_network(network, x):
    pieces = regions.along(network, x[:2], x[3:5])
    found = back(pieces)
    for segment in (0, 1):
        assert same(found.figures(segment), pieces.figures(segment))
        assert same(found.page(segment), pieces.page(segment))
    assert str(found) == str(pieces)
    assert list(found.units) == list(pieces.units)
    assert found.to_dict() == pieces.to_dict()


@pytest.mark.parametrize("norm", [2, inf])
def test_radii_and_chords_come_back_with_units_and_infinities(network, x, norm):
    with torch.random.fork_rng():
        dead = nn.Sequential(nn.Linear(4, 1), nn.ReLU()).double()
    nn.init.zeros_(dead[0].weight)
    for model in (network, dead):
        radius, chord = regions.at(model, x).radius(norm), regions.chord(model, x, x.flip(0) + 1)
        for result in (radius, chord):
            found = back(result)
            assert str(found) == str(result)
            assert found.to_dict() == result.to_dict()
        assert np.array_equal(back(radius).distance, radius.distance)
        assert list(back(radius).units) == list(radius.units)
        assert np.array_equal(back(chord).end, chord.end)
    assert radius.distance.max() == chord.end.max() == inf


def test_what_needs_the_network_is_refused_in_one_line(network, x):
    flat, pieces = back(regions.plane(network, through=x[:3])), back(regions.along(network, x[:1], x[1:2]))
    for asked in (lambda: flat.region(0), lambda: flat.sampled_count(5), lambda: flat.units):
        with pytest.raises(ModelError, match=r"^this plane was read from a file, without its network: compute it"):
            asked()
    with pytest.raises(ModelError, match=r"^this segment was read from a file, without its network"):
        pieces.flips(0)


def test_a_plane_has_its_page_from_a_file(network, x, tmp_path):
    flat = regions.plane(network, through=x[:3])
    (tmp_path / "plane.json").write_text(json.dumps(flat.to_dict()))
    assert same(report_page(tmp_path / "plane.json"), flat.page())
    assert len(load_result(tmp_path / "plane.json")) == flat.count


@pytest.mark.parametrize("name", ["1[0]", "features.3[0, 12].1", "a[b][]", "relu#1[3, 4, 5]"])
def test_units_are_read_from_their_names(name):
    assert str(Unit.from_plain(name)) == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": [None, "relu", None]}, r"units\[1\] must be the name of a unit"),
        ({"units": [None]}, "units are 1, and there are 3 pieces"),
        ({"value": [["a"]]}, "value must be an array of numbers"),
        ({"value": None}, "value must be a list"),
    ],
)
def test_broken_segments_are_refused(change, message):
    with torch.random.fork_rng():
        tent = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        tent[0].weight.fill_(1.0), tent[0].bias.copy_(torch.tensor([-0.25, -0.5]))
    pieces = regions.along(tent, torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64))
    with pytest.raises(ReportError, match=rf"^a.json holds a Along that cannot be read back: {message}"):
        result_of({**pieces.to_dict(), **change}, "a.json")
