import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens import regions
from hashlens.explanations.margins import FixedGates, TargetBits, UnconstrainedGates

from .networks import GATES, Convolutional, convolutional, drawn, seeded, stack

IMAGES = drawn(3, 2, 12, 12)


def wanted_of(codes):
    return {layer.name: TargetBits(torch.from_numpy(codes.layer(layer.name).unpack())) for layer in codes.layers}


def kept(margins, x, wanted):
    """The margins, as a loss sees them."""
    seen = {}

    def loss(found):
        seen.update({name: margin.detach().clone() for name, margin in found.items()})
        return sum(margin.sum() for margin in found.values())

    loss_gradient = margins.loss_gradient(x, wanted, loss)
    return seen, loss_gradient


def codes_of(network, x):
    return hl.encode(network, x.float() if next(network.parameters()).dtype == torch.float32 else x)


def test_held_margins_are_positive_where_the_code_is_and_only_there():
    network = stack(6, 16, 16, 3)
    x, others = drawn(40, 6, seed=1), drawn(40, 6, seed=2)
    program = regions.trace(network, x)
    codes, theirs = codes_of(network, x), codes_of(network, others)
    own, _ = kept(FixedGates(program), x, wanted_of(codes))
    assert all(bool((margin >= 0).all()) for margin in own.values())
    away, _ = kept(FixedGates(program), others, wanted_of(codes))
    same = (codes.unpack() == theirs.unpack()).all(axis=1)
    right = np.stack([(margin >= 0).all(dim=1).numpy() for margin in away.values()]).all(axis=0)
    assert (right == same).all()
    assert not same.all()


def test_held_margins_are_the_slack_of_halfspaces():
    network = stack(4, 8, 8, 2)
    x, y = drawn(5, 4, seed=1), drawn(5, 4, seed=2)
    region = regions.at(network, x)
    halfspaces = region.halfspaces()
    slack = halfspaces.b - torch.einsum("nbi,ni->nb", halfspaces.A, y)
    found, _ = kept(FixedGates(region.program), y, wanted_of(codes_of(network, x)))
    assert torch.cat(list(found.values()), dim=1) == pytest.approx(slack)


@pytest.mark.parametrize("gates", GATES)
def test_both_agree_on_the_code_that_is_there(gates):
    network = convolutional(gates).eval()
    wanted = wanted_of(codes_of(network, IMAGES))
    held, held_slope = kept(FixedGates(regions.trace(network, IMAGES)), IMAGES, wanted)
    free, free_slope = kept(UnconstrainedGates(network, torch.float64), IMAGES, wanted)
    assert list(held) == list(free)
    for name in held:
        assert held[name] == pytest.approx(free[name])
    assert held_slope == pytest.approx(free_slope)


@pytest.mark.parametrize("gate", [nn.GELU, nn.Tanh, nn.SiLU, nn.Hardtanh, nn.Softshrink, nn.ReLU6])
def test_slopes_of_margins_are_those_of_differences(gate):
    network = stack(3, 5, 5, 2, gate=gate)
    x, y = drawn(2, 3, seed=1), drawn(2, 3, seed=3)
    wanted = wanted_of(codes_of(network, x))
    margins = UnconstrainedGates(network, torch.float64)
    _, loss_gradient = kept(margins, y, wanted)

    def total(at):
        return sum(float(margin.sum()) for margin in kept(margins, at, wanted)[0].values())

    step = 1e-6
    for row, column in np.ndindex(2, 3):
        change = torch.zeros_like(y)
        change[row, column] = step
        assert float(loss_gradient[row, column]) == pytest.approx(
            (total(y + change) - total(y - change)) / (2 * step), rel=1e-5, abs=1e-6
        )


def test_some_bits_of_a_layer_leave_the_others_free():
    network = stack(6, 16, 3)
    x, y = drawn(1, 6, seed=1), drawn(1, 6, seed=2)
    codes = codes_of(network, x)
    (layer,) = codes.layers
    places = torch.tensor([2, 5, 11])
    wanted = {layer.name: TargetBits(torch.from_numpy(codes.unpack())[:, places], places)}
    found, _ = kept(FixedGates(regions.trace(network, y)), y, wanted)
    inputs = network[0](y)[:, places].detach()
    assert found[layer.name] == pytest.approx(torch.where(wanted[layer.name].bits, inputs, -inputs))


def test_slopes_leave_the_network_as_it_was():
    network = seeded(Convolutional).double().eval()
    kept(UnconstrainedGates(network, torch.float64), IMAGES, wanted_of(codes_of(network, IMAGES)))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in network.modules())
