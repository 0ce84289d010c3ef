import math

import pytest
import torch

from hashlens.nets import build
from hashlens.training import Member, fit, fit_ensemble
from hashlens.training.cross_entropy import cross_entropies
from hashlens.training.member import MemberProgress
from hashlens.training.recipe import Recipe
from hashlens.training.stacked import train_stacked


@pytest.mark.parametrize("shape", [(7, 10), (3, 5, 4), (2, 2)])
def test_values_and_gradients_are_those_of_torch(shape):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64).mul_(4).requires_grad_()
    targets = torch.randint(shape[-1], shape[:-1], generator=generator)
    losses = cross_entropies(logits, targets)
    reference = torch.nn.functional.cross_entropy(
        logits.reshape(-1, shape[-1]), targets.reshape(-1), reduction="none"
    ).reshape(shape[:-1])
    assert torch.allclose(losses, reference, rtol=1e-12, atol=1e-14)
    weights = torch.rand(shape[:-1], generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((losses * weights).sum(), logits)
    (expected,) = torch.autograd.grad((reference * weights).sum(), logits)
    assert torch.allclose(gradient, expected, rtol=1e-12, atol=1e-14)


def test_learnt_examples_keep_a_loss_and_gradients_that_sum_to_nothing():
    logits = torch.tensor([[40.0, 3.0, 1.0]], requires_grad=True)
    loss = cross_entropies(logits, torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    exact = math.exp(3 - 40) + math.exp(1 - 40)
    assert loss.item() == pytest.approx(exact, rel=1e-5, abs=0)
    assert abs(gradient.sum().item()) <= 1e-6 * exact
    assert gradient[0, 0].item() == pytest.approx(-exact, rel=1e-5, abs=0)


def test_no_loss_is_not_a_number_as_long_as_logits_are_numbers():
    logits = torch.tensor([[3e38, -3e38], [-1e4, 1e4]], requires_grad=True)
    losses = cross_entropies(logits, torch.tensor([1, 1]))
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert gradient.tolist() == [[1.0, -1.0], [0.0, 0.0]]
    assert torch.isnan(cross_entropies(torch.tensor([[float("nan"), 0.0]]), torch.tensor([0]))).all()


def _network(dtype):
    return build("mlp", input_shape=(1, 8, 8), classes=10, seed=0, width=30, init="glorot").to(dtype)


@pytest.mark.parametrize("way", ["alone", "side by side", "stacked"])
def test_every_way_to_train_keeps_the_gradients_of_what_is_learnt(digits, way):
    network = _network(torch.float32)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([40.0] + [0.0] * 9))
    one = digits.narrow(0, 1)
    assert one.labels.tolist() == [0]
    # The other classes have p = e-40 = 4e-18; with p - 1 rounded to 0, their biases would sink and the first stay.
    recipe = Recipe("one step", epochs=1, batch_size=1, learning_rate=1e16, optimizer="sgd")
    member = Member(network, one, recipe, 0)
    if way == "alone":
        fit(network, one, recipe=recipe, seed=0)
    elif way == "side by side":
        fit_ensemble([member])
    else:
        train_stacked([MemberProgress(member)], torch.device("cpu"))
    bias = network.head.bias.detach()
    assert bias[1:].tolist() == pytest.approx([-1.9e16 * math.exp(-40)] * 9, rel=1e-4)
    assert bias[0].item() == pytest.approx(40 - bias[1:].sum().item(), rel=1e-6)
