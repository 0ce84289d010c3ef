import pytest
import torch
from torch import nn

from hashlens import nets
from hashlens.errors import ModelError
from hashlens.nets.untrained import untrained_copy


def test_parameters_and_running_statistics_are_drawn_anew():
    model = nets.build("resnet20", input_shape=(3, 32, 32), classes=10, seed=0)
    for value in model.state_dict().values():
        value.fill_(7)
    fresh = untrained_copy(model, seed=1)
    assert all(bool((value == 7).all()) for value in model.state_dict().values())
    assert not any(bool((value == 7).all()) for value in fresh.state_dict().values())
    again = untrained_copy(model, seed=1)
    other = untrained_copy(model, seed=2)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(fresh.head.weight, other.head.weight)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return torch.relu(x * self.scale)


class Stubborn(Scaled):
    def reset_parameters(self, how):
        raise AssertionError


def test_a_reset_that_fails_is_one_line():
    with pytest.raises(ModelError, match=r"reset_parameters\(\) of Stubborn raised TypeError .*'how'"):
        untrained_copy(Stubborn())


def test_parameters_that_cannot_be_drawn_name_their_module():
    with pytest.raises(ModelError, match=r"1 \(Scaled\) has parameters and no reset_parameters"):
        untrained_copy(nn.Sequential(nn.ReLU(), Scaled()))


def normed(norm):
    """Two linear layers under a norm, after a pass."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(norm(nn.Linear(6, 8)), nn.ReLU(), norm(nn.Linear(8, 3)))
        network(torch.randn(2, 6)).sum().backward()
    return network.eval()


ROWS = torch.linspace(-1, 1, 30).reshape(5, 6)
WEIGHT_NORMS = (nn.utils.weight_norm, nn.utils.parametrizations.weight_norm)
SPECTRAL_NORMS = (nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm)


@pytest.mark.parametrize("norm", WEIGHT_NORMS)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weights_that_are_computed_from_others_are_drawn_as_plain_ones_are(norm):
    fresh, plain = untrained_copy(normed(norm), seed=1), untrained_copy(normed(lambda layer: layer), seed=1)
    assert torch.allclose(fresh(ROWS), plain(ROWS), atol=1e-6)
    assert not torch.allclose(fresh(ROWS), normed(norm)(ROWS), atol=1e-2)


@pytest.mark.parametrize("norm", SPECTRAL_NORMS)
def test_weights_under_a_spectral_norm_are_drawn_anew_and_normed(norm):
    network = normed(norm)
    fresh = untrained_copy(network, seed=1).eval()
    assert not torch.allclose(fresh(ROWS), network(ROWS), atol=1e-2)
    for layer in (fresh[0], fresh[2]):
        assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1, abs=1e-3)


def test_pruned_weights_are_drawn_anew_and_stay_pruned():
    from torch.nn.utils import prune

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        prune.l1_unstructured(network[0], "weight", 0.5)
    fresh = untrained_copy(network, seed=1)
    x = torch.eye(6)
    fresh(x)
    kept = network[0].weight_mask > 0
    assert not (fresh[0].weight == network[0].weight)[kept].any()
    assert not fresh[0].weight[~kept].any()
