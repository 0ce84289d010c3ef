"""The region of an example: its affine map, ball, halfspaces and ties."""

from math import inf

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens import regions
from hashlens.errors import DataError


@pytest.mark.slow
def test_the_affine_map_is_the_network_all_over_the_region(network, known):
    x = known.normal(5, *network.input_shape)
    region = regions.at(network, x)
    directions = known.normal(5, 20, *network.input_shape, seed=2)
    chord = regions.chord(network, x, directions)
    for share in (0.02, 0.5, 0.98):
        t = torch.from_numpy(np.clip(chord.start, -9, 0) * (1 - share) + np.clip(chord.end, 0, 9) * share)
        points = x[:, None] + t.reshape(5, 20, *[1] * len(network.input_shape)) * directions
        for k in range(20):
            inside = region.contains(points[:, k])
            assert inside.all()
            assert torch.allclose(region.affine(points[:, k]), network(points[:, k]), rtol=0, atol=1e-12)


def test_the_matrix_is_the_jacobian_and_its_transpose(network, known):
    x = known.normal(4, *network.input_shape)
    affine = regions.at(network, x).affine
    dense = affine.dense()
    jacobian = torch.stack([torch.func.jacrev(lambda one: network(one[None])[0])(one) for one in x]).flatten(2)
    assert torch.allclose(dense, jacobian, atol=1e-12)
    v, u = known.normal(3, 4, *network.input_shape), known.normal(3, 4, *affine.program.output_shape)
    assert torch.allclose(affine.matvec(v).flatten(2), torch.einsum("noi,kni->kno", dense, v.flatten(2)))
    assert torch.allclose(affine.rmatvec(u).flatten(2), torch.einsum("noi,kno->kni", dense, u.flatten(2)))
    assert torch.allclose(affine.matvec(v[1]), affine.matvec(v)[1], atol=1e-12)
    assert torch.allclose(torch.einsum("noi,ni->no", dense, x.flatten(1)) + affine.bias, network(x), atol=1e-12)


def test_dense_comes_out_the_same_forward_and_backward(known):
    wide = known.stack(0, [3, 10, 8])
    x = known.normal(4, 3)
    affine = regions.at(wide, x).affine
    assert torch.allclose(affine.dense(), torch.func.vmap(torch.func.jacfwd(wide))(x), atol=1e-13)


def test_codes_are_those_that_encode_reads(network, known):
    x = known.normal(30, *network.input_shape)
    code, read = regions.at(network, x).code, hl.encode(network, x, gates="all")
    assert np.array_equal(code.packed, read.packed)
    assert [(at.name, at.gate, at.shape, at.planes) for at in code.layers] == [
        (at.name, at.gate, at.shape, at.planes) for at in read.layers
    ]


def test_same_code_same_jacobian_and_float32_is_exact_to_its_rounding(known):
    network = known.stack(0, [2, 16, 16, 2])
    x = known.normal(400, 2)
    region = regions.at(network, x)
    rows, dense = region.code.packed, region.affine.dense()
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    assert len(first) < 200
    assert torch.allclose(dense, dense[first[group.ravel()]], rtol=0, atol=1e-14)
    single = regions.at(network.float(), x.float(), dtype=torch.float32).affine
    assert single.output.dtype == torch.float32
    assert torch.allclose(single.dense().double(), dense, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("norm", [2, inf])
def test_no_unit_flips_within_the_ball_and_one_just_outside(network, known, norm):
    x = known.normal(3, *network.input_shape)
    region = regions.at(network, x)
    radius = region.radius(norm)
    assert (radius.distance > 0).all()
    assert not radius.on_boundary.any()
    size = torch.from_numpy(radius.distance).reshape(-1, *[1] * len(network.input_shape))
    for seed in range(100):
        direction = known.normal(3, *network.input_shape, seed=seed)
        direction = direction.sign() if norm == inf else direction
        length = torch.linalg.vector_norm(direction.flatten(1), norm, dim=1).reshape(size.shape)
        assert region.contains(x + 0.999 * size * direction / length).all()
    spaces = region.halfspaces()
    normals = torch.stack([spaces.A[row, bit] for row, bit in enumerate(radius.units.bits)])
    step = normals.sign() if norm == inf else normals / normals.norm(dim=1, keepdim=True)
    outside = x + 1.001 * size * step.reshape(x.shape)
    assert not region.contains(outside).any()
    flips = regions.at(network, outside).code.unpack() != region.code.unpack()
    assert all(flips[row, bit] for row, bit in enumerate(radius.units.bits))


def test_along_the_critical_normal_exactly_one_bit_flips(known):
    network = known.stack(0, [10, 30, 30, 1])
    x = known.normal(20, 10)
    region = regions.at(network, x)
    radius = region.radius()
    normals = torch.stack([region.halfspaces().A[row, bit] for row, bit in enumerate(radius.units.bits)])
    outside = x + 1.001 * torch.from_numpy(radius.distance)[:, None] * normals / normals.norm(dim=1, keepdim=True)
    flips = regions.at(network, outside).code.unpack() != region.code.unpack()
    assert (flips.sum(axis=1) == 1).all()
    assert np.array_equal(flips.argmax(axis=1), radius.units.bits)
    unit = radius.units[0]
    assert region.program.layers[int(unit.layer == "3")].name == unit.layer


def test_halfspaces_are_the_region(network, known):
    x = known.normal(3, *network.input_shape)
    region = regions.at(network, x)
    spaces = region.halfspaces()
    seen = set()
    size = torch.from_numpy(region.radius().distance).reshape(-1, *[1] * (x.dim() - 1))
    for seed in range(60):
        y = x + known.normal(*x.shape, seed=seed, scale=(0.1, 1, 30)[seed % 3]) * size
        inside = (torch.einsum("nbi,ni->nb", spaces.A, y.flatten(1)) <= spaces.b).all(dim=1).numpy()
        assert np.array_equal(inside, region.contains(y))
        seen |= set(inside.tolist())
    assert seen == {True, False}


def test_the_radius_is_that_of_a_slow_loop_over_gradients(known):
    network = known.stack(2, [5, 12, 12, 2])
    x = known.normal(6, 5)

    def inputs(one):
        first = network[0](one)
        return torch.cat([first, network[2](first.relu())])

    for norm, dual in ((2, 2), (inf, 1)):
        distance = regions.at(network, x).radius(norm).distance
        for row, one in enumerate(x):
            gradients = torch.func.jacrev(inputs)(one).detach()
            slow = (inputs(one).detach().abs() / torch.linalg.vector_norm(gradients, dual, dim=1)).min()
            assert distance[row] == pytest.approx(float(slow), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("norm", [2, inf])
def test_a_sketch_finds_the_same_boundary_as_a_sweep(network, known, norm, monkeypatch):
    x = known.normal(40, *network.input_shape)
    monkeypatch.setattr("hashlens.regions.ball.CANDIDATES", 3)  # so that the nearest is not always in the first lot
    region = regions.at(network, x)
    swept = region.radius(norm)
    monkeypatch.setattr("hashlens.regions.ball.SWEPT", 0)
    sketched = region.radius(norm)
    assert np.allclose(sketched.distance, swept.distance, rtol=1e-12)
    spaces = region.halfspaces()  # windows that overlap share a boundary: either names it
    rows = torch.arange(len(x))
    normals, offsets = (of[rows, torch.from_numpy(sketched.units.bits)] for of in (spaces.A, spaces.b))
    slack = offsets - (normals * x.flatten(1)).sum(dim=1)
    dual = torch.linalg.vector_norm(normals, 1 if norm == inf else 2, dim=1)
    assert np.allclose(slack / dual, swept.distance, rtol=1e-9)


@pytest.mark.parametrize("norm", [2, inf])
def test_a_sketch_on_boundaries_and_without_any(known, norm, monkeypatch):
    monkeypatch.setattr("hashlens.regions.ball.SWEPT", 0)
    network = known.ready(lambda: nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten()))
    x = torch.stack([torch.zeros(1, 9, 9, dtype=torch.float64), known.normal(1, 9, 9)])
    assert (regions.at(network, x).radius(norm).distance == 0).tolist() == [True, False]
    network[0].weight.data.zero_()
    radius = regions.at(network, x).radius(norm)
    assert np.isinf(radius.distance).all()
    assert list(radius.units) == [None, None]
    affine = known.ready(lambda: nn.Sequential(nn.Flatten(), nn.Linear(81, 2)))
    assert np.isinf(regions.at(affine, x).radius(norm).distance).all()


def test_a_radius_in_grey_levels(known):
    radius = regions.at(nn.ReLU(), torch.tensor([[0.5, 2.0]])).radius()
    steps = radius.in_steps(1 / 255)
    assert steps.distance == pytest.approx([127.5])
    assert steps.in_steps(1 / 255).distance == pytest.approx([127.5])
    assert steps.in_steps(1).distance == pytest.approx(radius.distance)
    assert "radius in steps of 1/255" in str(steps)
    assert "radius in steps of 0.7" in str(radius.in_steps(0.7))
    with pytest.raises(DataError, match="step must be a length above 0, in units of the input, received 0"):
        radius.in_steps(0)


def test_chunked_passes_say_the_same(known, monkeypatch):
    network = known.stack(1, [40, 9, 8, 3])
    x = known.normal(7, 40)
    whole = [regions.at(network, x).radius(norm) for norm in (2, inf)]
    chord = regions.chord(network, x, known.normal(7, 5, 40))
    pieces = regions.along(network, x, x.flip(0) + 1)
    monkeypatch.setattr("hashlens.regions.program.BUDGET", 150)
    for norm, expected in zip((2, inf), whole, strict=True):
        chunked = regions.at(network, x).radius(norm)
        assert np.allclose(chunked.distance, expected.distance, rtol=1e-12)
        assert np.array_equal(chunked.units.bits, expected.units.bits)
    assert np.allclose(regions.chord(network, x, known.normal(7, 5, 40)).length, chord.length)
    again = regions.along(network, x, x.flip(0) + 1)
    assert np.array_equal(again.codes.packed, pieces.codes.packed)
    assert np.array_equal(again.segment, pieces.segment)


def test_a_black_image_lies_on_boundaries_and_says_so(known):
    network = known.ready(lambda: nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten()))
    x = torch.zeros(2, 1, 9, 9, dtype=torch.float64)
    x[1] = known.normal(1, 9, 9)
    region = regions.at(network, x)
    assert region.on_boundary.tolist() == [4 * 7 * 7, 0]
    radius = region.radius()
    assert radius.distance[0] == 0 < radius.distance[1]
    assert not np.signbit(radius.distance[0])
    assert "1 of 2 examples lie on a boundary" in str(radius)
    assert radius.to_dict()["on_boundary"] == [196, 0]


def test_units_that_never_move_are_no_boundary(known):
    """A zero fed by dead units only, and equal elements of a window of dead units, bound nothing."""
    network = known.ready(
        lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Unflatten(1, (1, 8)), nn.MaxPool1d(2), nn.Flatten(),
                              nn.Linear(4, 3, bias=False), nn.ReLU())
    )  # fmt: skip
    network[0].bias.data.fill_(-5)
    x = known.normal(3, 4, scale=0.1)
    region = regions.at(network, x)
    assert not region.on_boundary.any()
    radius = region.radius()
    assert (radius.distance > 0.1).all()
    assert all(unit.layer == "1" for unit in radius.units)


def test_a_region_without_boundary_has_no_end(known):
    network = known.ready(lambda: nn.Sequential(nn.Linear(2, 3), nn.Flatten()))
    region = regions.at(network, torch.ones(2, 2))
    assert np.isinf(region.radius().distance).all()
    assert list(region.radius().units) == [None, None]
    assert region.contains(torch.full((2, 2), 1e9)).all()
    assert torch.allclose(region.affine.dense()[0], network[0].weight, atol=1e-15)
    assert region.code.code_bits == 0


def test_known_units_of_every_kind_of_gate():
    """One unit each, whose boundary can be seen with the naked eye."""
    x = torch.tensor([[1.0, 0.25]], dtype=torch.float64)
    cases = [
        (nn.ReLU6(), 0.25, "0", (1,), 0),
        (nn.Hardtanh(-1, 0.3), 0.05, "0", (1,), 1),
        (nn.Threshold(0.5, 0.5), 0.25, "0", (1,), 0),
        (nn.Sequential(nn.Unflatten(1, (1, 2)), nn.MaxPool1d(2)), 0.75 / 2**0.5, "0.1.max_pool2d_with_indices",
         (0, 0, 0), 1),
    ]  # fmt: skip
    for gate, distance, layer, index, plane in cases:
        radius = regions.at(nn.Sequential(gate), x).radius()
        unit = radius.units[0]
        assert radius.distance[0] == pytest.approx(distance, rel=1e-15), gate
        assert unit.layer.startswith(layer)
        assert unit.index[-len(index) :] == index[-len(unit.index) :]
        assert unit.plane == plane


def test_models_come_back_as_they_were(network, known):
    network.train()
    network.float()
    before = {name: at.clone() for name, at in network.state_dict().items()}
    region = regions.at(network, known.normal(2, *network.input_shape))
    region.radius()
    assert region.affine.output.dtype == torch.float64
    assert all(module.training for module in network.modules())
    assert all(torch.equal(at, before[name]) for name, at in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(2, 5), "rejects inputs of (1, 5)"),
        (torch.ones(4), "x must be examples (n, *shape), at least one, received (4,)"),
        (torch.ones(0, 4), "at least one, received (0, 4)"),
        (torch.ones(2, 4, dtype=torch.int64), "x must be floating point, received int64"),
        (torch.tensor([[1.0, float("nan"), 0, 0]]), "x: 1 of 4 numbers are NaN or infinite"),
        ("digits", "x must be a tensor or array"),
    ],
)
def test_unfit_examples_are_named(known, x, message):
    with pytest.raises(hl.errors.HashlensError) as error:
        regions.at(known.stack(0, [4, 3, 2]), x)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unfit_questions_are_named(known):
    region = regions.at(known.stack(0, [4, 3, 2]), torch.ones(2, 4))
    for call, message in (
        (lambda: region.radius(1), "norm must be 2 or inf, received 1"),
        (lambda: region.contains(torch.ones(3, 4)), "y must be (2, 4), received (3, 4)"),
        (lambda: region.affine.matvec(torch.ones(4)), "v must be (2, 4) or (k, 2, 4), received (4,)"),
        (lambda: regions.at(region.program, torch.ones(2, 3)), "x must be (n, 4), received (2, 3)"),
        (lambda: regions.chord(region.program, region.x, torch.zeros(2, 4)), "a direction is zero"),
        (lambda: regions.chord(region.program, region.x, torch.ones(1, 4)), "(2, 4) or (2, k, 4), received (1, 4)"),
    ):
        with pytest.raises(DataError, match=None) as error:
            call()
        assert message in str(error.value)


def test_too_wide_for_halfspaces():
    network = nn.Sequential(nn.utils.skip_init(nn.Linear, 3000, 3000), nn.ReLU())
    nn.init.zeros_(network[0].weight)
    nn.init.zeros_(network[0].bias)
    region = regions.at(network, torch.ones(40, 3000), dtype=torch.float32)
    with pytest.raises(DataError, match="40 regions of 3,000 halfspaces in 3,000 dimensions are too many"):
        region.halfspaces()
    with pytest.raises(DataError, match="40 dense matrices of 3,000 x 3,000 are too large"):
        region.affine.dense()


COMPILING = """
import sys, warnings
import torch
import hashlens as hl
from hashlens import regions
warnings.simplefilter("error")
plain = torch.nn.Sequential(torch.nn.Linear(2000, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
x = torch.randn(3, 2000)
region = regions.at(plain, x)
region.radius(), region.affine.dense(), hl.encode(plain, x)
print("torch._dynamo" in sys.modules)

class Late(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = plain

    def forward(self, x):
        return torch.compile(self.inner, backend="eager")(x)

codes = hl.encode(Late(), x)
print("torch._dynamo" in sys.modules, (codes.packed == region.code.packed).all())
print(torch.equal(regions.at(Late(), x).output, region.output))
"""


def test_the_compiler_is_not_imported_unless_a_network_does(fresh):
    """It takes longer to import than all the rest; a network that compiles itself as it runs is still seen through."""
    ran = fresh(COMPILING)
    assert ran.stdout.split() == ["False", "True", "True", "True"], ran.stderr
