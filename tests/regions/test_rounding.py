"""What counts as zero: huge numbers, infinite bounds, boxes far from 0, float32, and outputs that are equal."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens.errors import DataError, ModelError
from hashlens.regions import along, at, chord, decision_boundary, plane
from hashlens.regions.rounding import first_largest, median_magnitude, tolerances

BOX = (-1.0, 1.0, -1.0, 1.0)
ENDS = torch.tensor([[-1.0, -1.0]]), torch.tensor([[1.0, 1.0]])


class Hidden(nn.Module):
    """A hidden layer whose activation is a function of it."""

    def __init__(self, bend, units=8, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first, self.last = nn.Linear(2, units), nn.Linear(units, 2)
        self.pass_gate = bend

    def forward(self, x):
        return self.last(self.pass_gate(self.first(x)))


def _counts(network):
    return plane(network, BOX).count, plane(network, BOX).sampled_count(201), int(along(network, *ENDS).counts[0])


LAST_FREE = torch.tensor([0.0] * 7 + [-torch.inf])
MASK = torch.tensor([False] * 7 + [True])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bend", "same"),
    [
        (lambda h: h.clamp(0, torch.finfo(torch.float32).max), lambda h: h.clamp(min=0)),
        (lambda h: h.clamp(0, torch.inf), torch.relu),
        (lambda h: torch.clamp(h, min=LAST_FREE.to(h)), lambda h: torch.cat([torch.relu(h[:, :7]), h[:, 7:]], 1)),
        (lambda h: torch.relu(h.masked_fill(MASK, -1e30)), lambda h: torch.relu(h.masked_fill(MASK, -1.0))),
        (lambda h: torch.maximum(h, torch.full_like(h, -1e30)).relu(), torch.relu),
        (lambda h: torch.maximum(torch.full_like(h, -torch.inf), h).relu(), torch.relu),
        (lambda h: torch.minimum(h.masked_fill(MASK, 1e30), h.flip(1)).relu(),
         lambda h: torch.minimum(h.masked_fill(MASK, 1e3), h.flip(1)).relu()),
        (lambda h: torch.relu(h * torch.tensor([1e14] + [1.0] * 7).to(h)), torch.relu),
    ],
    ids=["finfo.max", "inf", "one bound", "masked", "maximum", "maximum of -inf", "minimum", "huge unit"],
)  # fmt: skip
def test_one_huge_number_of_a_layer_hides_no_region(bend, same):
    counts, expected = _counts(Hidden(bend)), _counts(Hidden(same))
    assert counts == expected
    assert counts[0] >= 7


@pytest.mark.parametrize("padding", [-torch.inf, -1e30])
def test_a_padded_pool_has_the_regions_of_one_that_pads_itself(known, padding):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolution, last = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

    class Padded(nn.Module):
        def __init__(self, by_hand):
            super().__init__()
            self.convolution, self.last, self.by_hand = convolution, last, by_hand

        def forward(self, x):
            h = self.convolution(x)
            if self.by_hand:
                return self.last(F.max_pool2d(F.pad(h, (1, 1, 1, 1), value=padding), 3, 2).flatten(1))
            return self.last(F.max_pool2d(h, 3, 2, padding=1).flatten(1))

    x = known.normal(3, 1, 6, 6)
    by_hand, itself = Padded(True), Padded(False)
    assert plane(by_hand, through=x).count == plane(itself, through=x).count > 50
    assert along(by_hand, x[:1], x[1:2]).counts == along(itself, x[:1], x[1:2]).counts
    assert np.allclose(at(by_hand, x).radius().distance, at(itself, x).radius().distance)


@pytest.mark.parametrize("size", [1e6, 1e30, torch.inf])
def test_a_running_maximum_is_computed_as_the_network_does(size, known):
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.maps = nn.ModuleList(nn.Linear(2, 4) for _ in range(3))

        def forward(self, x):
            most = torch.full((len(x), 4), -size, dtype=x.dtype)
            for one in self.maps:
                most = torch.maximum(most, one(x))
            return most

    network, x = Running().double(), known.normal(20, 2)
    found = at(network, x)
    assert torch.equal(found.output, network(x))
    assert plane(network, BOX).count == 13
    assert np.isfinite(found.radius().distance).all()
    assert (chord(network, x, torch.ones_like(x)).length > 0).all()


@pytest.mark.parametrize(("center", "width"), [(1e3, 1e-3), (1e6, 1.0), (1e6, 1e-6)])
def test_a_box_far_from_0_has_as_many_regions_as_one_at_its_own_origin(center, width, known):
    weight = torch.randn(32, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    noise = torch.randn(32, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    network = known.stack(0, [2, 32, 1])
    origin = torch.full((2,), center, dtype=torch.float64)
    with torch.no_grad():
        network[0].weight.copy_(weight)
        network[0].bias.copy_(0.5 * width * noise - weight @ origin)
    there = plane(network, (center - width, center + width) * 2)
    here = plane(network, (-width, width) * 2, origin=origin, directions=torch.eye(2))
    assert there.count == here.count > 100
    assert there.areas.sum() == pytest.approx(here.areas.sum(), rel=1e-3)
    assert (there.locate(there.centers) == np.arange(there.count)).mean() > 0.99
    inside = np.abs(there.vertices - center) <= width * (1 + 1e-3)
    assert inside.all()
    value = there.value + center * there.slope.sum(dim=0)
    assert torch.allclose(value, there.middle, atol=1e-6)


def test_parallel_units_bend_at_one_place_in_float32_too(known):
    network, half = (known.ready(lambda n=n: nn.Sequential(nn.Linear(10, n), nn.ReLU())) for n in (64, 32))
    with torch.no_grad():
        for whole, part in zip(network.parameters(), half.parameters(), strict=True):
            part.copy_(known.normal(*part.shape).float())
            whole.copy_(torch.cat([part.float(), 3.3 * part.float()]))
    a, b = known.normal(5, 10, seed=2), known.normal(5, 10, seed=3)
    expected = along(half, a, b, torch.float32).counts
    assert (along(network, a, b, torch.float32).counts == expected).all()
    assert expected.min() > 5


def test_outputs_that_are_equal_are_of_the_first_class():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.map = nn.Linear(2, 6)

        def forward(self, x):
            h = self.map(x)
            again = torch.relu(h) - torch.relu(-h)
            return torch.stack([h.sum(1) * 0.3, (again * 0.3).sum(1)], 1)

    found = plane(Twice(), BOX)
    assert found.count > 5
    assert not found.classes.any()
    assert len(decision_boundary(found)) == 0


def test_a_network_without_an_axis_of_outputs_has_planes_and_pictures(known):
    network = Hidden(torch.relu)
    network.last = known.ready(lambda: nn.Sequential(nn.Linear(8, 1), nn.Flatten(0)))
    found, axis = plane(network, BOX), plane(Hidden(torch.relu), BOX)
    assert found.count == axis.count
    assert found.value.shape == (found.count,)
    assert set(found.classes) <= {0, 1}
    assert len(found.gradient_norms) == len(found.to_dict()["regions"]) == found.count
    decision_boundary(found)
    assert found.plot("class").axes
    assert along(network, *ENDS).plot().axes


@pytest.mark.parametrize(
    "forward",
    [lambda h, x: h(x - x.mean(0)), lambda h, x: h(torch.roll(x, 1)), lambda h, x: h(x) + h(x).mean(0)],
    ids=["mean", "roll", "outputs"],
)
def test_batches_that_mix_are_refused_on_planes_too(forward):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = Hidden(torch.relu)

        def forward(self, x):
            return forward(self.hidden, x)

    with pytest.raises(ModelError, match="batch"):
        plane(Mixed(), BOX)
    with pytest.raises(ModelError, match="batch"):
        at(Mixed(), torch.zeros(1, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, "float64"])
def test_regions_are_computed_in_float64_or_float32(dtype):
    with pytest.raises(DataError, match=r"torch\.float64 or torch\.float32"):
        at(Hidden(torch.relu), torch.zeros(1, 2), dtype)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda of: of.region([99]), "numbered from 0 to"),
        (lambda of: of.polygon(-1), "numbered from 0 to"),
        (lambda of: of.region([0.5]), "numbered from 0 to"),
        (lambda of: plane(of.program, BOX, max_regions=None), "max_regions must be"),
        (lambda of: plane(of.program, BOX, max_regions=0), "max_regions must be"),
    ],
)
def test_faces_that_there_are_not_are_refused(asked, told):
    found = plane(Hidden(torch.relu), BOX)
    with pytest.raises(DataError, match=told):
        asked(found)


def test_a_region_of_one_face():
    found = plane(Hidden(torch.relu), BOX)
    assert (found.region(3).code.packed == found.codes.packed[3:4]).all()


def test_layers_and_outputs_of_no_width(known):
    wide, narrow = known.ready(lambda: nn.Linear(2, 3)), known.ready(lambda: nn.Linear(2, 1))

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.none, self.wide = narrow, wide

        def forward(self, x):
            return torch.cat([torch.relu(self.none(x)[:, 1:]), torch.relu(self.wide(x))], 1)

    x = known.normal(4, 2)
    alone = nn.Sequential(wide, nn.ReLU())
    assert plane(Beside(), BOX).count == plane(alone, BOX).count
    assert np.allclose(at(Beside(), x).radius().distance, at(alone, x).radius().distance)
    assert (along(Beside(), *ENDS).counts == along(alone, *ENDS).counts).all()

    class Mute(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = wide

        def forward(self, x):
            return torch.relu(self.wide(x))[:, 3:]

    mute = plane(Mute(), BOX)
    for asked in (lambda: mute.classes, lambda: decision_boundary(mute)):
        with pytest.raises(DataError, match="no outputs"):
            asked()


def test_what_is_zero():
    values = torch.tensor([[1.0, -3.0, 1e30, 5.0, -torch.inf]])
    reach = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0]])
    assert median_magnitude(values, reach).tolist() == [4.0]
    assert median_magnitude(values[:, 2:3], reach[:, 2:3]).tolist() == [0.0]
    assert first_largest(torch.tensor([[1.0, 2.0, 2.1]]), torch.full((1, 3), 0.06)).tolist() == [1]
    assert tolerances(torch.float32)[1] > tolerances(torch.float64)[1] == 1e-12
