"""Planes cut into polygons, against known counts, dense sampling, segments and the regions of their middles."""

import json
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hashlens import regions
from hashlens.errors import DataError, ModelError
from hashlens.regions.plane import plane_sentences


def euler(plane):
    return len(plane.vertices) - len(plane.edges[0]) + len(plane)


def through(network, known, seed=5):
    return known.normal(3, *network.input_shape, seed=seed)


@pytest.mark.parametrize(
    ("seed", "sizes", "count"),
    [
        (0, [2, 16, 16, 1], 127),
        (1, [2, 16, 16, 1], 88),
        (0, [2, 32, 32, 32, 1], 1180),
        (1, [2, 32, 32, 32, 1], 924),
        (0, [2, 64, 64, 64, 1], 6668),
        (0, [2, 128, 128, 128, 1], 20714),
    ],
)
def test_known_counts(known, seed, sizes, count):
    plane = regions.plane(known.stack(seed, sizes), box=(-1, 1, -1, 1))
    assert plane.count == count
    assert plane.areas.sum() == pytest.approx(4, abs=1e-12)
    assert (plane.areas > 0).all()
    assert euler(plane) == 1
    assert len(np.unique(plane.codes.packed, axis=0)) == count


def test_single_precision_misses_only_what_it_cannot_resolve(known):
    plane = regions.plane(known.stack(0, [2, 128, 128, 128, 1]), dtype=torch.float32)
    assert 0.995 * 20714 < plane.count <= 20714
    assert plane.value.dtype is torch.float32
    assert euler(plane) == 1


@pytest.mark.parametrize(("units", "count"), [(10, 56), (20, 211), (30, 466)])
def test_lines_in_general_position_make_as_many_regions_as_they_can(known, units, count):
    wide = 1e5
    plane = regions.plane(known.stack(0, [2, units, 1]), box=(-wide, wide, -wide, wide))
    assert plane.count == count == sum((1, units, units * (units - 1) // 2))
    assert euler(plane) == 1


def test_lines_through_one_point_make_a_star(known):
    network = known.stack(0, [2, 10, 1])
    network[0].bias.data.zero_()
    plane = regions.plane(network, box=(-1, 1, -1, 1))
    assert plane.count == 20
    inside = np.linalg.norm(plane.vertices, axis=1) < 0.5
    assert inside.sum() == 1
    assert euler(plane) == 1


def test_units_on_the_same_line_do_not_cut_twice(known):
    network = known.stack(0, [2, 6, 1])
    network[0].weight.data[3:] = -2 * network[0].weight.data[:3]
    network[0].bias.data[3:] = -2 * network[0].bias.data[:3]
    plane = regions.plane(network, box=(-9, 9, -9, 9))
    assert plane.count == 7
    assert euler(plane) == 1


def test_a_grid_on_boundaries_finds_more_codes_than_there_are_regions():
    net = nn.Sequential(nn.utils.skip_init(nn.Linear, 2, 2, bias=False), nn.ReLU())
    nn.init.eye_(net[0].weight)
    plane = regions.plane(net, box=(0, 1, 0, 1)).with_sampled(11)
    assert (plane.count, plane.sampled) == (1, 4)
    assert "finds 4 codes, of which 3 or more are on boundaries only." in plane_sentences(plane)[-1]


@pytest.mark.slow
def test_a_grid_misses_small_regions(known):
    plane = regions.plane(known.stack(0, [2, 32, 32, 32, 1]), box=(-1, 1, -1, 1))
    assert plane.sampled_count(1001) == 1153 < plane.count


@pytest.mark.slow
def test_faces_are_the_regions_of_their_middles(network, known):
    plane = regions.plane(network, through=through(network, known))
    region = plane.region()
    assert np.array_equal(region.code.packed, plane.codes.packed)
    outputs = plane.output(plane.centers, np.arange(len(plane)))
    assert torch.allclose(outputs, region.output, atol=1e-11)
    for axis in range(2):
        direction = plane.slice.directions[axis].expand_as(region.x)
        assert torch.allclose(plane.slope[axis], region.affine.matvec(direction), atol=1e-11)


@pytest.mark.slow
def test_the_partition_is_whole(network, known):
    plane = regions.plane(network, through=through(network, known))
    left, right, bottom, top = plane.box
    assert plane.areas.sum() == pytest.approx((right - left) * (top - bottom), rel=1e-12)
    assert (plane.areas > 0).all()
    assert euler(plane) == 1
    assert len(np.unique(plane.codes.packed, axis=0)) == plane.count
    assert all(unit is not None for unit in plane.units)


def test_random_points_have_the_code_of_their_face(network, known):
    plane = regions.plane(network, through=through(network, known))
    left, right, bottom, top = plane.box
    generator = np.random.default_rng(0)
    where = generator.uniform((left, bottom), (right, top), size=(400, 2))
    faces = plane.locate(where)
    assert (faces >= 0).all()
    region = regions.at(network, plane.slice.points(where))
    assert np.array_equal(region.code.packed, plane.codes.packed[faces])
    assert torch.allclose(plane.output(where, faces), region.output, atol=1e-11)


@pytest.mark.slow
def test_segments_on_the_plane_cross_the_faces_that_they_should(network, known):
    plane = regions.plane(network, through=through(network, known))
    left, right, bottom, top = plane.box
    generator = np.random.default_rng(1)
    ends = generator.uniform((left, bottom), (right, top), size=(2, 6, 2))
    pieces = regions.along(network, *(plane.slice.points(at) for at in ends))
    middle = ((pieces.start + pieces.end) / 2)[:, None]
    a, b = (at[pieces.segment] for at in ends)
    faces = plane.locate(a + middle * (b - a))
    long = pieces.end - pieces.start > 1e-7
    assert np.array_equal(pieces.codes.packed[long], plane.codes.packed[faces[long]])
    # From one piece to the next a segment crosses an edge between two faces.
    pairs = {tuple(sorted(pair)) for pair in plane.adjacency.tolist()}
    after = [at for at in pieces.after if long[at] and long[at - 1]]
    assert all(tuple(sorted((faces[at - 1], faces[at]))) in pairs for at in after)


def test_continuous_networks_agree_on_shared_edges(network, known):
    plane = regions.plane(network, through=through(network, known))
    faces, ends = plane.edges
    inner = (faces >= 0).all(axis=1)
    for end in range(2):
        where = plane.vertices[ends[inner, end]]
        one, other = (plane.output(where, faces[inner, side]) for side in range(2))
        assert torch.allclose(one, other, atol=1e-9)


GATES = [nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.Hardtanh, nn.Softshrink, nn.Hardsigmoid, nn.PReLU]


@pytest.mark.slow
@given(
    gates=st.lists(st.sampled_from(GATES), min_size=1, max_size=4),
    widths=st.lists(st.integers(1, 12), min_size=4, max_size=4),
    pooled=st.booleans(),
    residual=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_any_network_is_cut_into_whole_faces(known, gates, widths, pooled, residual, seed):
    class Residual(nn.Module):
        def __init__(self, inside):
            super().__init__()
            self.inside = inside

        def forward(self, x):
            return torch.cat([x + self.inside(x), x], dim=1)

    def build():
        layers, size = [], 2
        for gate, width in zip(gates, widths, strict=False):
            layers += [nn.Linear(size, 3 * width), gate()]
            size = 3 * width
            if pooled:
                layers += [nn.Unflatten(1, (1, size)), nn.MaxPool1d(3), nn.Flatten()]
                size = width
            if residual:
                layers.append(Residual(nn.Sequential(nn.Linear(size, size), nn.ReLU())))
                size *= 2
        return nn.Sequential(*layers, nn.Linear(size, 3))

    network = known.ready(build, seed)
    plane = regions.plane(network, box=(-2, 3, -1, 2))
    assert plane.areas.sum() == pytest.approx(15, rel=1e-11)
    assert (plane.areas > 0).all()
    assert euler(plane) == 1
    assert len(np.unique(plane.codes.packed, axis=0)) == plane.count
    wide = plane.areas > 1e-9
    assert np.array_equal(plane.region().code.packed[wide], plane.codes.packed[wide])
    faces, ends = plane.edges
    inner = (faces >= 0).all(axis=1)
    where = plane.vertices[ends[inner, 0]]
    one, other = (plane.output(where, faces[inner, side]) for side in range(2))
    assert torch.allclose(one, other, atol=1e-8)


@pytest.mark.parametrize("gate", [nn.Threshold(0.1, -1.0), nn.Hardshrink(0.2)])
def test_networks_that_jump_are_cut_too(known, gate):
    def build():
        return nn.Sequential(nn.Linear(2, 9), gate, nn.Linear(9, 9), gate, nn.Linear(9, 9), gate, nn.Linear(9, 1))

    network = known.ready(build, 4)
    plane = regions.plane(network, box=(-2, 2, -2, 2))
    assert plane.areas.sum() == pytest.approx(16, rel=1e-12)
    assert euler(plane) == 1
    assert np.array_equal(plane.region().code.packed, plane.codes.packed)
    # Two pieces of one code may be apart only where there are none: regions are convex.
    assert len(np.unique(plane.codes.packed, axis=0)) == plane.count
    assert plane.sampled_count(301) <= plane.count


def test_a_max_pool_and_the_same_network_without_one_have_the_same_linear_pieces(known):
    """max(a, b) = b + relu(a - b), so the pieces agree, though relu(a - b) needs no bit for both."""

    class Pooled(nn.Module):
        def __init__(self, pool):
            super().__init__()
            self.one, self.two, self.pool = nn.Linear(2, 24), nn.Linear(12, 5), pool

        def forward(self, x):
            y = self.one(x)
            if self.pool:
                y = nn.functional.max_pool1d(y[:, None], 2)[:, 0]
            else:
                a, b = y[:, ::2], y[:, 1::2]
                y = b + torch.relu(a - b)
            return torch.relu(self.two(y)).sum(dim=1, keepdim=True)

    pooled, plain = (regions.plane(known.ready(lambda pool=pool: Pooled(pool), 7)) for pool in (True, False))
    assert pooled.count == plain.count
    assert np.allclose(np.sort(pooled.areas), np.sort(plain.areas), atol=1e-12)
    assert np.allclose(np.sort(pooled.gradient_norms), np.sort(plain.gradient_norms), atol=1e-12)


@pytest.mark.slow
def test_windows_of_nine_meet_in_points(known):
    """Cells of windows of nine elements are power diagrams, of which dense sampling sees all but the smallest."""

    def build():
        return nn.Sequential(nn.Linear(2, 36), nn.Unflatten(1, (1, 36)), nn.MaxPool1d(9), nn.Flatten(), nn.Linear(4, 1))

    network = known.ready(build, 3)
    plane = regions.plane(network, box=(-3, 3, -3, 3))
    assert (plane.areas > (6 / 1000) ** 2 * 9).sum() <= plane.sampled_count(1001) <= plane.count
    assert np.array_equal(plane.region().code.packed, plane.codes.packed)
    assert len(np.unique(plane.codes.packed, axis=0)) == plane.count
    assert euler(plane) == 1
    corners, starts = plane.outlines
    assert np.array_equal(np.unique(corners), np.arange(len(plane.vertices)))
    assert (np.diff(starts) >= 3).all()


def test_work_in_small_chunks_is_the_same(known, monkeypatch):
    network = known.stack(1, [2, 24, 24, 24, 3])
    whole = regions.plane(network)
    monkeypatch.setattr("hashlens.regions.partition.BUDGET", 24 * 3 * 7)
    parts = regions.plane(network)
    assert parts.count == whole.count
    assert np.allclose(np.sort(parts.areas), np.sort(whole.areas), atol=1e-12)
    assert {bytes(row) for row in parts.codes.packed} == {bytes(row) for row in whole.codes.packed}
    assert euler(parts) == 1


def test_the_decision_boundary_is_where_classes_meet(known):
    network = known.stack(2, [2, 24, 24, 4])
    plane = regions.plane(network, box=(-4, 4, -4, 4))
    boundary = regions.decision_boundary(plane)
    assert len(boundary) > 10
    middle = torch.from_numpy(boundary.segments.mean(axis=1))
    highest = network(middle).sort(dim=1, descending=True)
    assert torch.allclose(highest.values[:, 0], highest.values[:, 1], atol=1e-10)
    assert np.array_equal(np.sort(highest.indices[:, :2].numpy(), axis=1), boundary.classes)
    # All of it: wherever two neighbours on a fine grid have other classes, some piece is near.
    s = np.linspace(-4, 4, 301)
    grid = np.stack(np.meshgrid(s, s), axis=-1)
    classes = network(torch.from_numpy(grid.reshape(-1, 2))).argmax(dim=1).reshape(301, 301).numpy()
    changes = int((classes[:, 1:] != classes[:, :-1]).sum())
    across = np.abs(boundary.segments[:, 1] - boundary.segments[:, 0])[:, 1].sum() / (s[1] - s[0])
    assert changes == pytest.approx(across, rel=0.05)


def test_a_single_output_is_divided_by_its_sign(known):
    network = known.stack(0, [2, 16, 16, 1])
    network[-1].bias.data -= network(torch.zeros(1, 2).double()).item()
    plane = regions.plane(network)
    boundary = regions.decision_boundary(plane)
    assert len(boundary) > 3
    assert np.allclose(network(torch.from_numpy(boundary.segments.reshape(-1, 2))).detach(), 0, atol=1e-12)
    assert set(plane.classes) == {0, 1}


def test_gradient_norms_are_in_units_of_the_input(known):
    network = known.stack(0, [2, 16, 1])
    plane = regions.plane(network)
    gradients = plane.region().affine.dense()[:, 0]
    assert np.allclose(plane.gradient_norms, torch.linalg.vector_norm(gradients, dim=1))
    skewed = regions.plane(
        network, box=(-0.1, 0.2, -0.1, 0.3), origin=torch.zeros(2), directions=torch.tensor([[3.0, 0], [2, 0.5]])
    )
    gradients = skewed.region().affine.dense()[:, 0]
    assert np.allclose(skewed.gradient_norms, torch.linalg.vector_norm(gradients, dim=1))


def test_the_plane_goes_through_the_examples(known):
    x = known.normal(3, 6)
    plane = regions.plane(known.stack(0, [6, 10, 2]), through=x)
    assert torch.allclose(plane.slice.points(plane.slice.marks), x, atol=1e-12)
    assert (plane.points_in(x) == plane.locate(plane.slice.marks)).all()
    assert (plane.points_in(known.normal(2, 6, seed=9)) == -1).all()
    basis = plane.slice.directions.flatten(1)
    assert torch.allclose(basis @ basis.T, torch.eye(2).double(), atol=1e-12)


def test_the_principal_plane_is_the_one_of_least_distance(known):
    x = known.normal(40, 6) * torch.tensor([5.0, 3, 1, 1, 1, 1]).double()
    flat = regions.plane(known.stack(0, [6, 10, 2]), pca=x).slice
    assert flat.directions[0].abs().argmax() == 0
    assert flat.directions[1].abs().argmax() == 1
    coordinates, distance = flat.project(x)
    assert np.allclose(coordinates, flat.marks)
    left, right, bottom, top = flat.box
    assert (coordinates > (left, bottom)).all()
    assert (coordinates < (right, top)).all()
    spread = np.linalg.svd((x - x.mean(dim=0)).numpy(), compute_uv=False)
    assert (distance**2).sum() == pytest.approx((spread[2:] ** 2).sum())


def test_a_plane_is_plain_numbers_for_json(known):
    plane = regions.plane(two(known))
    told = json.loads(json.dumps(plane.to_dict()))
    assert told["count"] == plane.count == len(told["regions"])
    assert told["edges"] == told["vertices"] + told["count"] - 1


def two(known):
    return known.stack(0, [2, 4, 1])


def six(known):
    return known.stack(0, [6, 4, 2])


LINE = torch.outer(torch.tensor([1.0, 2.0, 3.0]), torch.ones(6))
BAD = [
    (two, {"box": (1, 1, 0, 1)}, DataError, "left < right"),
    (two, {"box": (0, 1, 2, 1)}, DataError, "bottom < top"),
    (two, {"box": (0, float("nan"), 0, 1)}, DataError, "finite"),
    (two, {"box": (0, 1)}, DataError, "four numbers"),
    (two, {"box": "wide"}, DataError, "four numbers"),
    (two, {"max_regions": 2}, DataError, "more than 2 regions"),
    (six, {}, DataError, "through= three examples"),
    (six, {"through": LINE}, DataError, "on one line"),
    (six, {"through": torch.ones(3, 6)}, DataError, "on one line"),
    (six, {"through": torch.ones(4, 6)}, DataError, "received 4; for more give pca="),
    (six, {"through": torch.ones(3, 6, dtype=torch.int64)}, DataError, "floating point"),
    (six, {"through": torch.full((3, 6), float("nan"))}, DataError, "NaN or infinite"),
    (six, {"through": torch.randn(3, 5, generator=torch.Generator().manual_seed(0))}, ModelError, "rejects"),
    (six, {"pca": LINE}, DataError, "on one line"),
    (six, {"pca": torch.ones(2, 6)}, DataError, "three examples or more"),
    (six, {"origin": torch.zeros(6)}, DataError, "give one of"),
    (six, {"directions": torch.ones(2, 6)}, DataError, "give one of"),
    (six, {"through": LINE, "pca": LINE}, DataError, "give one of"),
    (six, {"origin": torch.zeros(6), "directions": torch.ones(2, 6)}, DataError, "span no plane"),
    (six, {"origin": torch.zeros(6), "directions": torch.zeros(2, 6)}, DataError, "span no plane"),
    (six, {"origin": torch.zeros(6), "directions": torch.ones(3, 6)}, DataError, r"must be \(2, 6\)"),
]


@pytest.mark.parametrize(("network", "given", "error", "says"), BAD)
def test_bad_planes_are_one_clear_line(known, network, given, error, says):
    with pytest.raises(error, match=says) as caught:
        regions.plane(network(known), **given)
    assert "\n" not in str(caught.value)


def test_a_soft_network_of_two_inputs_is_refused_by_name(known):
    soft = known.ready(lambda: nn.Sequential(nn.Linear(2, 3), nn.GELU(), nn.Linear(3, 1)))
    with pytest.raises(ModelError, match="gelu"):
        regions.plane(soft)


@pytest.mark.parametrize("where", [np.zeros(2), np.zeros((3, 3))])
def test_places_are_pairs(known, where):
    with pytest.raises(DataError, match=r"\(n, 2\)"):
        regions.plane(two(known)).locate(where)


def test_a_program_is_traced_once_for_many_planes(known):
    program = regions.trace(two(known), torch.zeros(1, 2))
    boxes = [(-a, a, -b, b) for a, b in product((1, 2), (1, 2))]
    assert [regions.plane(program, box=box).count for box in boxes] == [
        regions.plane(two(known), box=box).count for box in boxes
    ]
