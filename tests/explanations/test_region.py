import numpy as np
import pytest
import torch
from torch import nn

from hashlens import regions
from hashlens.errors import ModelError
from hashlens.explanations import explain

from .networks import GATES, convolutional, drawn, stack

IMAGES = drawn(4, 2, 12, 12)


def scores(network, x, target):
    with torch.no_grad():
        return network.double()(torch.as_tensor(x).double())[torch.arange(len(x)), torch.as_tensor(target)].numpy()


def affine(found, y):
    """What the explanation says of inputs `y`: bias plus slope times input."""
    slope = found.values / found.inputs.astype(np.float64)
    return np.array(found.diagnostics["bias"]) + (slope * y).reshape(len(y), -1).sum(axis=1)


@pytest.mark.parametrize("gates", GATES)
def test_contributions_and_bias_add_up_to_the_score(gates):
    network = convolutional(gates)
    found = explain(network, IMAGES, "region")
    total = found.values.reshape(4, -1).sum(axis=1) + found.diagnostics["bias"]
    assert np.abs(total - scores(network, IMAGES, found.target)).max() <= 1e-10
    assert np.abs(found.prediction - scores(network, IMAGES, found.target)).max() <= 1e-10


def test_a_network_in_single_precision_is_read_in_double():
    network, x = convolutional().float(), IMAGES.float()
    found = explain(network, x, "region")
    assert found.values.dtype == np.float64
    total = found.values.reshape(4, -1).sum(axis=1) + found.diagnostics["bias"]
    assert np.abs(total - scores(convolutional().float(), x, found.target)).max() <= 1e-10


@pytest.mark.parametrize(("norm", "name"), [(2, "radius"), (np.inf, "radius_infinity")])
def test_predictions_inside_the_radius_follow_it(norm, name):
    network = convolutional()
    found = explain(network, IMAGES, "region")
    radius = np.array(found.diagnostics[name]).reshape(-1, 1, 1, 1)
    assert (radius > 0).all()
    for seed in range(20):
        way = drawn(*IMAGES.shape, seed=seed).numpy()
        way = way / np.linalg.norm(way.reshape(4, -1), ord=norm, axis=1).reshape(-1, 1, 1, 1)
        y = found.inputs + 0.999 * radius * way
        assert np.abs(affine(found, y) - scores(network, y, found.target)).max() <= 1e-10


def test_at_the_radius_the_unit_named_flips():
    network, x = stack(6, 16, 16, 3), drawn(5, 6)
    found = explain(network, x, "region")
    here = regions.at(network, x)
    # Straight to the nearest boundary: along the gradient of the unit that it belongs to.
    half = here.halfspaces()
    distance = (half.b - torch.einsum("nbi,ni->nb", half.A, x)) / half.A.norm(dim=2)
    nearest = distance.nan_to_num(np.inf).argmin(dim=1)
    normal = nn.functional.normalize(half.A[torch.arange(5), nearest], dim=1)
    radius = torch.tensor(found.diagnostics["radius"])[:, None]
    assert here.contains(x + 0.999 * radius * normal).all()
    assert not here.contains(x + 1.001 * radius * normal).any()
    over = regions.at(network, x + 1.001 * radius * normal)
    for row, name in enumerate(found.diagnostics["first_unit_to_flip"]):
        differ = np.flatnonzero(here.code.unpack()[row] != over.code.unpack()[row])
        assert [str(unit) for unit in regions.Units(here.code.layers, differ)] == [name]


def test_the_share_of_the_inputs_is_what_the_bias_leaves():
    network, x = stack(6, 16, 3), drawn(5, 6)
    found = explain(network, x, "region")
    size, bias = np.abs(found.values).sum(axis=1), np.abs(found.diagnostics["bias"])
    assert found.diagnostics["share_of_inputs"] == pytest.approx(size / (size + bias))
    for layer in network[::2]:
        nn.init.zeros_(layer.bias)
    unbiased = explain(network, x, "region")
    assert unbiased.diagnostics["share_of_inputs"] == pytest.approx([1] * 5)
    assert unbiased.diagnostics["bias"] == pytest.approx([0] * 5, abs=1e-12)


def test_values_are_slope_times_input():
    attr = pytest.importorskip("captum.attr")
    network = convolutional().eval()
    theirs = attr.InputXGradient(network).attribute(IMAGES.clone().requires_grad_(), 1).detach()
    assert np.abs(explain(network, IMAGES, "region", target=1).values - theirs.numpy()).max() <= 1e-10


def test_one_example_has_plain_diagnostics():
    found = explain(stack(6, 16, 3), drawn(1, 6), "region")
    assert isinstance(found.diagnostics["radius"], float)
    assert isinstance(found.diagnostics["first_unit_to_flip"], str)


def test_an_example_on_a_boundary_is_said_aloud():
    network = stack(2, 2, 2)
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
        network[0].bias.zero_()
    found = explain(network, [[0.0, 1.0], [1.0, 2.0]], "region")
    assert found.diagnostics["radius"] == pytest.approx([0.0, 1.0])
    assert found.notes == ("1 of 2 examples lie on a boundary, where the radius is 0",)


def test_a_network_that_is_not_piecewise_linear_is_refused():
    with pytest.raises(ModelError, match=r"GELU|gelu") as caught:
        explain(stack(6, 4, 3, gate=nn.GELU), drawn(1, 6), "region")
    assert "\n" not in str(caught.value)
