import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import hashlens as hl
from hashlens import regions
from hashlens.integrations.sklearn import NeuralCoder
from hashlens.nets.copying import copied
from hashlens.nets.untrained import untrained_copy

NORMS = (nn.utils.weight_norm, nn.utils.spectral_norm)
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


def used(norm):
    """A network with an old-style norm, after one pass: its weight is then no leaf, and torch refuses to copy it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 3))
        network(torch.randn(2, 6))
        return network


def rows():
    return torch.as_tensor(np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32))


@pytest.mark.parametrize("norm", NORMS)
def test_a_copy_gives_what_the_network_gives_and_shares_nothing(norm):
    network = used(norm)
    other = copied(network)
    network.eval(), other.eval()
    assert torch.equal(other(rows()), network(rows()))
    with torch.no_grad():
        other[0].bias.add_(1)
        other[0].weight.mul_(0)
    assert not torch.equal(other[0].bias, network[0].bias)
    assert network[0].weight.any()


@pytest.mark.parametrize("norm", NORMS)
def test_everything_that_copies_takes_it_and_leaves_it_as_it_was(norm):
    network, x = used(norm), rows()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    hl.compare_explanations(network, x, ["gradient"], metrics=["mprt"])
    assert regions.at(network, x).output.dtype == torch.float64
    assert type(untrained_copy(network)) is nn.Sequential
    coder = clone(NeuralCoder(network)).fit(x.numpy())
    assert (coder.transform(x.numpy()) == NeuralCoder(network).fit(x.numpy()).transform(x.numpy())).all()
    assert coder.model is not network
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
