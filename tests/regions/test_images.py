"""Real images: the affine map, the chords and the balls of trained convolutional networks, over whole regions."""

from dataclasses import dataclass
from math import inf

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens import regions
from hashlens.data import load_data
from hashlens.nets.resnet import ResNet

pytestmark = pytest.mark.shared
GREY = 1 / 255
LONGEST = 10.0
"""Where chords without an end are cut: at about the distance between two digits."""


@dataclass
class Case:
    """A network in eval mode and float64, images from 0 to 1, ten directions ``(n, 10, *shape)`` and the chords."""

    network: nn.Module
    images: torch.Tensor
    directions: torch.Tensor
    region: regions.Region
    chord: regions.Chord


def max_pooled():
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(800, 10))  # fmt: skip


def average_pooled():
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(800, 10))  # fmt: skip


def fitted(build, batches):
    """A network after one step on each batch, which also gives a normalisation the statistics of real images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        for batch in batches:
            optimizer.zero_grad()
            F.cross_entropy(network(batch.inputs.float()), batch.labels).backward()
            optimizer.step()
    return network.double().eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["max-pool", "average-pool", "residual"])
def case(request, shared_data, known):
    """Ten chords of the region of each image: eight along random directions, two towards other images."""
    residual = request.param == "residual"
    source = load_data(f"parquet:{shared_data}/{'cifar10' if residual else 'mnist'}#test[:1500]")
    steps, size, count = (6, 64, 2) if residual else (20, 64, 4)
    batches = source.batches(size)
    build = {"max-pool": max_pooled, "average-pool": average_pooled, "residual": lambda: ResNet(20)}[request.param]
    network = fitted(build, [next(batches) for _ in range(steps)])
    images = next(batches).inputs[: count + 2].double()
    assert torch.allclose((images / GREY).round(), images / GREY, rtol=0, atol=1e-4)
    noise = torch.rand(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5
    images += GREY * noise  # what was rounded to a grey level; flat patches tie in the windows of a max-pool
    towards = torch.stack([images[1 : count + 1] - images[:count], images[2:] - images[:count]], dim=1)
    random = known.normal(count, 8, *images.shape[1:], seed=2)
    directions = torch.cat([random / random.flatten(2).norm(dim=2)[..., None, None, None], towards], dim=1)
    region = regions.at(network, images[:count])
    return Case(network, images[:count], directions, region, regions.chord(region.program, images[:count], directions))


def points(case, share):
    """The points at a share of each chord, with their steps from the images, one row for each chord."""
    length = case.directions.flatten(2).norm(dim=2).numpy()
    start, end = np.maximum(case.chord.start, -LONGEST / length), np.minimum(case.chord.end, LONGEST / length)
    t = torch.from_numpy((1 - share) * start + share * end)
    step = (t[..., None, None, None] * case.directions).flatten(0, 1)
    return case.images.repeat_interleave(10, 0) + step, step.unflatten(0, (-1, 10))


@pytest.mark.slow
def test_the_affine_map_is_the_network_at_100_points_of_chords(case):
    for share in np.linspace(0.01, 0.99, 10):
        at, step = points(case, share)
        output = case.network(at).unflatten(0, (-1, 10))
        moved = output - case.region.output[:, None]
        product = case.region.affine.matvec(step.transpose(0, 1)).transpose(0, 1)
        assert float((case.region.output[:, None] + product - output).abs().max()) <= 1e-10
        rounding = 16 * torch.finfo(output.dtype).eps * output.norm(dim=2)  # of the two outputs that `moved` subtracts
        assert ((moved - product).norm(dim=2) <= 1e-6 * moved.norm(dim=2) + rounding).all()
        for k in range(10):
            assert case.region.contains(at.unflatten(0, (-1, 10))[:, k]).all()


def flipped(case, at, rows):
    """The bits in which the codes of points differ from those of the images `rows`."""
    codes = regions.at(case.region.program, at).code.unpack() != case.region.code.unpack()[rows]
    return [set(np.flatnonzero(row).tolist()) for row in codes]


def window(case, bit):
    """The bits of the unit that a bit belongs to, and how many of them flip when it does: two elements of a window."""
    start = 0
    for layer in case.region.program.layers:
        if bit < start + layer.bits:
            first = start + (bit - start) // layer.planes * layer.planes
            return set(range(first, first + layer.planes)), 2 if "max_pool" in layer.gate else 1
        start += layer.bits
    raise AssertionError(bit)


def check_crossing(case, inside, outside, rows, bits):
    """No bit flips inside; just outside those of one unit do, and the bit that was named is among them."""
    assert not any(flipped(case, inside, rows))
    for flips, bit in zip(flipped(case, outside, rows), bits, strict=True):
        unit, count = window(case, int(bit))
        assert int(bit) in flips <= unit
        assert len(flips) == count


def test_chords_end_where_one_unit_flips(case):
    for end, units in ((case.chord.start, case.chord.start_units), (case.chord.end, case.chord.end_units)):
        found = np.flatnonzero(np.isfinite(end))
        assert len(found) > 0.8 * end.size
        rows = found // 10
        step = torch.from_numpy(end.ravel()[found])[:, None, None, None] * case.directions.flatten(0, 1)[found]
        image = case.images[rows]
        check_crossing(case, image + (1 - 1e-6) * step, image + (1 + 1e-6) * step, rows, units.bits[found])


def unit_slack(network, image, unit):
    """How far a unit is from flipping, from what its module is given."""
    given = []
    module = network.get_submodule(unit.layer.removesuffix(".max_pool2d_with_indices"))
    with module.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][0].clone())):
        network(image[None])
    if isinstance(module, nn.MaxPool2d):
        channel, row, column = unit.index
        elements = given[0][channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
        return elements.max() - elements[unit.plane]
    return given[0][unit.index].abs()


@pytest.mark.slow
@pytest.mark.parametrize("norm", [2, inf])
def test_balls_touch_the_boundary_of_the_unit_that_they_name(case, norm):
    """The gradient of the unit, by hooks and autograd, says how far it is, and where to go to flip it."""
    radius = case.region.radius(norm)
    assert not radius.on_boundary.any()
    assert (radius.distance > 0).all()
    assert radius.in_steps(GREY).distance == pytest.approx(radius.distance * 255)
    size = torch.linalg.vector_norm(case.directions.flatten(2), norm, dim=2).numpy()
    assert (radius.distance[:, None] <= np.minimum(-case.chord.start, case.chord.end) * size).all()
    steps = []
    for image, unit, distance in zip(case.images, radius.units, radius.distance, strict=True):
        moving = image.clone().requires_grad_()
        slack = unit_slack(case.network, moving, unit)
        (gradient,) = torch.autograd.grad(slack, moving)
        dual = torch.linalg.vector_norm(gradient.flatten(), 2 if norm == 2 else 1)
        assert distance == pytest.approx(float(slack.detach() / dual), rel=1e-6)
        steps.append(-distance * (gradient / dual if norm == 2 else gradient.sign()))
    step = torch.stack(steps)
    rows = np.arange(len(step))
    inside, outside = case.images + (1 - 1e-4) * step, case.images + (1 + 1e-4) * step
    check_crossing(case, inside, outside, rows, radius.units.bits)
