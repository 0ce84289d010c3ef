import numpy as np
import pytest
import torch
from torch import nn

from hashlens.explanations import explain

from .networks import GATES, convolutional, drawn, stack

IMAGES = drawn(5, 2, 12, 12)


def captum(network, x):
    """The oracle, with a network whose gates are modules, and inputs that require gradients."""
    attr = pytest.importorskip("captum.attr")
    return attr, network.eval(), x.clone().requires_grad_(), network(x).argmax(1)


@pytest.mark.parametrize("gates", GATES)
def test_gradient_is_captums(gates):
    attr, network, x, target = captum(convolutional(), IMAGES)
    theirs = attr.Saliency(network).attribute(x, target, abs=False)
    found = explain(convolutional(gates), IMAGES, "gradient")
    assert found.target.tolist() == target.tolist()
    assert np.abs(found.values - theirs.numpy()).max() <= 1e-6


@pytest.mark.parametrize("gates", GATES)
def test_integrated_gradients_are_captums(gates):
    attr, network, x, target = captum(convolutional(), IMAGES)
    theirs = attr.IntegratedGradients(network).attribute(x, target=target, n_steps=64).detach()
    found = explain(convolutional(gates), IMAGES, "integrated_gradients", steps=64, max_steps=64)
    assert np.abs(found.values - theirs.numpy()).max() <= 1e-6


def test_integrated_gradients_from_a_baseline_are_captums():
    attr, network, x, _ = captum(convolutional(), IMAGES)
    baseline = drawn(1, 2, 12, 12, seed=1)
    theirs = attr.IntegratedGradients(network).attribute(x, baseline, target=2, n_steps=32).detach()
    found = explain(network, IMAGES, "ig", target=2, background=baseline[0], steps=32, max_steps=32)
    assert np.abs(found.values - theirs.numpy()).max() <= 1e-6


def test_several_baselines_are_averaged():
    network, baselines = convolutional(), drawn(3, 2, 12, 12, seed=1)
    found = explain(network, IMAGES, "ig", background=baselines)
    alone = [explain(network, IMAGES, "ig", background=one).values for one in baselines]
    assert found.values == pytest.approx(np.mean(alone, axis=0), abs=1e-2)
    assert found.diagnostics["baselines"] == 3
    change = found.prediction - network(baselines).detach().numpy()[:, found.target].mean(axis=0)
    missing = np.abs(found.values.sum(axis=(1, 2, 3)) - change) / np.abs(change)
    assert missing == pytest.approx(found.diagnostics["completeness_gap"], rel=1e-6)
    # Changes from several baselines may cancel: what their shares miss together is then told.
    assert missing.max() <= 0.01 or f"{missing.max():.1%}" in found.notes[0]


# --- what is missing --------------------------------------------------------------------------------------------------


def test_a_smooth_network_is_integrated_completely_at_64_steps():
    network, x = stack(10, 32, 32, 3, gate=nn.Tanh), drawn(8, 10)
    found = explain(network, x, "integrated_gradients", steps=64)
    assert found.diagnostics["steps"] == 64
    assert max(found.diagnostics["completeness_gap"]) <= 1e-6
    change = (network(x) - network(torch.zeros_like(x))).detach().numpy()[range(8), found.target]
    assert found.values.sum(axis=1) == pytest.approx(change, rel=1e-6)
    assert found.notes == ()


def test_steps_double_until_one_percent_is_missing_at_most():
    network, x = stack(10, 64, 64, 3), 3 * drawn(8, 10, seed=4)
    few = explain(network, x, "integrated_gradients", steps=2, max_steps=2)
    assert max(few.diagnostics["completeness_gap"]) > 0.01
    assert f"{max(few.diagnostics['completeness_gap']):.1%}" in few.notes[0]
    assert "raise max_steps" in few.notes[0]
    found = explain(network, x, "integrated_gradients", steps=2)
    assert 2 < found.diagnostics["steps"] <= 1024
    assert max(found.diagnostics["completeness_gap"]) <= 0.01
    assert found.notes == ()


class Counted(nn.Module):
    """Counts the examples that pass."""

    def __init__(self, network):
        super().__init__()
        self.network, self.rows = network, 0

    def forward(self, x):
        self.rows += len(x)
        return self.network(x)


class Wave(nn.Module):
    """Turns up and down faster than any number of steps can follow."""

    def forward(self, x):
        return torch.stack([(9_999 * x).square().sum(dim=1).sin(), x.sum(dim=1)], dim=1)


def test_steps_are_bounded_and_the_gap_that_is_left_is_on_the_page(tmp_path):
    counted = Counted(Wave())
    found = explain(counted, np.ones((1, 3)), "integrated_gradients", target=0)
    gap = found.diagnostics["completeness_gap"]
    assert gap > 0.01
    assert 400 < found.diagnostics["steps"] <= 512
    assert counted.rows <= 900  # 512 slopes and the ends of pieces; 1,984 when all steps were doubled to 1,024
    assert found.notes[0].startswith(f"completeness gap: after {found.diagnostics['steps']} steps, the sum of")
    page = found.to_html(tmp_path / "why.html").read_text()
    assert f"by up to {gap:.1%} of it (tolerance 1.0%)" in page
    assert f"{gap:.4g}" in page


def test_a_change_that_is_rounding_is_not_looked_for_twice():
    counted = Counted(stack(10, 32, 3).float())
    with torch.no_grad():
        counted.network[2].weight.mul_(1e-7)  # scores are their bias, but for the last digits
    found = explain(counted, drawn(1, 10).float(), "integrated_gradients")
    assert found.diagnostics["completeness_gap"] == 0
    assert found.diagnostics["steps"] == 64
    assert counted.rows <= 70


@pytest.mark.parametrize("seed", range(4))
def test_pieces_come_near_the_exact_shares(seed):
    network, x = stack(10, 64, 64, 3, seed=seed), 3 * drawn(1, 10, seed=seed)
    exact = explain(network, x, "ig", exact=True).values
    cut = explain(network, x, "ig", max_steps=448, tolerance=0)
    assert cut.diagnostics["completeness_gap"] <= 0.003
    assert np.abs(cut.values - exact).sum() <= 0.005 * np.abs(exact).sum()


def test_exact_integration_misses_nothing_but_rounding():
    network, x = stack(10, 64, 64, 3), 3 * drawn(3, 10, seed=4)
    found = explain(network, x, "integrated_gradients", exact=True)
    assert max(found.diagnostics["completeness_gap"]) <= 1e-12
    fine = explain(network, x, "integrated_gradients", steps=512, max_steps=512)
    assert np.abs(found.values - fine.values).max() <= 1e-2 * np.abs(fine.values).max()


def test_the_baseline_itself_has_no_shares():
    for exact in (False, True):
        found = explain(stack(10, 8, 3), np.zeros((1, 10)), "ig", exact=exact)
        assert found.diagnostics["completeness_gap"] == 0
        assert not found.values.any()


# --- SmoothGrad -------------------------------------------------------------------------------------------------------


class Cubed(nn.Module):
    def forward(self, x):
        return x.pow(3).sum(dim=1, keepdim=True)


def test_smooth_grad_is_the_mean_slope_of_noisy_copies():
    x = np.array([[0.0, 1.0, -2.0], [5.0, 5.0, 6.0]], np.float32)
    found = explain(Cubed(), x, "smooth_grad", samples=20_000, noise=0.1)
    # The slope is 3 x^2, and its mean over noise 3 (x^2 + variance).
    variance = (0.1 * np.array([[3.0], [1.0]])) ** 2
    assert found.values == pytest.approx(3 * (x**2 + variance), abs=0.05)


def test_without_noise_it_is_the_gradient():
    network = convolutional()
    found = explain(network, IMAGES, "smooth_grad", samples=2, noise=0)
    assert np.abs(found.values - explain(network, IMAGES, "gradient").values).max() <= 1e-12


def test_the_noise_of_a_row_does_not_depend_on_the_batch():
    network = convolutional()
    together, alone = (explain(network, x, "smooth_grad", samples=5) for x in (IMAGES, IMAGES[:1]))
    assert np.abs(together.values[0] - alone.values[0]).max() <= 1e-12


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "smooth_grad", "guided_backprop", "grad_cam"])
def test_batches_change_nothing(method):
    network = convolutional()
    whole, parts = (explain(network, IMAGES, method, batch_size=size) for size in (64, 2))
    assert np.abs(whole.values - parts.values).max() <= 1e-12


class Blind(nn.Module):
    """The first class does not look, the second does not depend on anything at all."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return torch.stack([x @ self.weight, x.detach() @ self.weight, torch.ones(len(x))], dim=1)


@pytest.mark.parametrize("method", ["gradient", "guided_backprop", "smooth_grad"])
@pytest.mark.parametrize("target", [1, 2])
def test_a_score_that_does_not_depend_on_the_input_has_slope_zero(method, target):
    found = explain(Blind(), np.ones((2, 3), np.float32), method, target=target)
    assert not found.values.any()


def test_a_network_of_half_precision_is_explained():
    network = stack(10, 8, 3).to(torch.bfloat16)
    found = explain(network, drawn(4, 10), "gradient")
    assert found.values.dtype == found.inputs.dtype == np.float32
    exact = explain(stack(10, 8, 3), drawn(4, 10), "gradient", target=found.target)
    assert found.values == pytest.approx(exact.values, abs=0.02)


def test_what_is_rounding_is_no_gap():
    network, x = convolutional().float(), IMAGES.float()
    found = explain(network, x, "ig", background=x[2])
    assert found.diagnostics["completeness_gap"][2] == 0
    assert not any("differs from the change" in note for note in explain(network, x[:3], "ig", background=x[2]).notes)
