import io

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.explanations import explain

from .networks import GATES, convolutional, drawn, seeded, stack

IMAGES = drawn(5, 2, 12, 12)


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.filterwarnings("ignore:Setting backward hooks")
def test_guided_backprop_is_captums_however_gates_are_written(gates):
    attr = pytest.importorskip("captum.attr")
    network = convolutional().eval()
    target = network(IMAGES).argmax(1)
    theirs = attr.GuidedBackprop(network).attribute(IMAGES.clone().requires_grad_(), target).detach()
    found = explain(convolutional(gates), IMAGES, "guided_backprop")
    assert np.abs(found.values - theirs.numpy()).max() <= 1e-6
    plain = explain(convolutional(gates), IMAGES, "gradient")
    assert np.abs(found.values - plain.values).max() > 1e-3


def by_hand(network, x, target):
    """The definition, gate by gate, for linear layers and ReLU: signals against the class stop."""
    seen = [x]
    for layer in network:
        seen.append(layer(seen[-1]))
    signal = nn.functional.one_hot(target, seen[-1].shape[1]).to(x)
    for layer, given in zip(reversed(network), reversed(seen[:-1]), strict=True):
        signal = signal @ layer.weight if isinstance(layer, nn.Linear) else signal.clamp(min=0) * (given > 0)
    return signal.detach().numpy()


def test_guided_backprop_is_its_definition():
    network, x, target = stack(6, 16, 16, 3), drawn(7, 6), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    found = explain(network, x, "guided_backprop", target=target)
    assert found.values == pytest.approx(by_hand(network, x, target), abs=1e-12)


@pytest.mark.parametrize("gate", [nn.LeakyReLU, nn.ReLU6, nn.ELU, nn.GELU, nn.SiLU, nn.PReLU, nn.Hardswish, nn.Mish,
                                  nn.RReLU])  # fmt: skip
def test_other_gates_are_guided_too(gate):
    network, x = stack(6, 16, 3, gate=gate), drawn(5, 6)
    guided, plain = (explain(network, x, method) for method in ("guided_backprop", "gradient"))
    assert np.abs(guided.values - plain.values).max() > 1e-3
    assert guided.notes == ()


@pytest.mark.parametrize("method", ["guided_backprop", "smooth_guided_grad", "guided_integrated_gradients"])
def test_a_network_without_gates_is_said_aloud(method):
    found = explain(stack(6, 4, 3, gate=nn.Tanh), drawn(5, 6), method)
    assert found.notes == ("no gate was found in the backward pass: these are plain gradients",)


def test_guided_integrated_gradients_are_guided_slopes_averaged_along_the_path():
    network, x = convolutional(), IMAGES[:2]
    found = explain(network, x, "guided_integrated_gradients", steps=16, target=1)
    places, weights = np.polynomial.legendre.leggauss(16)
    slopes = [explain(network, x * (at + 1) / 2, "guided_backprop", target=1).values for at in places]
    mean = np.tensordot(weights / 2, np.stack(slopes), axes=1)
    assert found.values == pytest.approx(mean * x.numpy(), abs=1e-12)
    assert "completeness_gap" not in found.diagnostics


def test_smooth_guided_without_noise_is_guided():
    network = convolutional()
    smooth = explain(network, IMAGES, "smooth_guided_grad", samples=2, noise=0)
    assert np.abs(smooth.values - explain(network, IMAGES, "guided_backprop").values).max() <= 1e-12


def test_a_second_call_says_the_same():
    network = convolutional("reused in place")
    first, second, plain = (
        explain(network, IMAGES, method).values for method in ("guided_backprop", "guided_backprop", "gradient")
    )
    assert np.array_equal(first, second)
    assert np.array_equal(plain, explain(convolutional(), IMAGES, "gradient").values)


def loaded(network):
    """A network as TorchScript, saved and loaded."""
    kept = io.BytesIO()
    torch.jit.save(torch.jit.script(network), kept)
    kept.seek(0)
    return torch.jit.load(kept)


@pytest.mark.parametrize("method", ["guided_backprop", "smooth_guided_grad", "gradient"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_scripted_network_is_guided_alike_before_and_after_it_was_used(method):
    network = convolutional().float().eval()
    last = seeded(lambda: nn.Linear(8 * 144, 3))
    network = nn.Sequential(network.one, nn.ReLU(), network.two, nn.ReLU(), nn.Flatten(), last)
    x = IMAGES.float()
    wanted, scripted = explain(network, x, method), loaded(network)
    for _ in range(2):
        found = explain(scripted, x, method)
        assert found.notes == wanted.notes == ()
        assert np.abs(found.values - wanted.values).max() <= 1e-6
        for _ in range(3):  # the code is optimised for what it was seen to do
            scripted(x.clone().requires_grad_()).sum().backward()
        with torch.no_grad():
            scripted(x)


class Cosine(nn.Module):
    """Cosines with the classes, by ``F.normalize``, whose clamp at a tiny number is no gate."""

    def __init__(self, floor):
        super().__init__()
        self.first, self.classes, self.floor = *seeded(lambda: (nn.Linear(6, 16), nn.Linear(16, 3))), floor
        self.double()

    def forward(self, x):
        features = torch.relu(self.first(x))
        length = features.norm(dim=1, keepdim=True)
        return self.classes(features / (length.clamp_min(1e-12) if self.floor else length))


def test_a_clamp_that_guards_a_division_is_no_gate():
    x = drawn(7, 6)
    found, expected = (explain(Cosine(floor), x, "guided_backprop", target=1).values for floor in (True, False))
    assert found == pytest.approx(expected, abs=1e-12)
