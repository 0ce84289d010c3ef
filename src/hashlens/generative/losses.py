"""The losses of adversarial training, for scores of a discriminator that are high for real images."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from hashlens.errors import ModelError, nearest

Tensor = torch.Tensor
Adversarial = Literal["log", "hinge"]
ADVERSARIAL: tuple[Adversarial, ...] = ("log", "hinge")


def require_loss(loss: str) -> None:
    """Raise ModelError unless a loss is known."""
    if loss not in ADVERSARIAL:
        raise ModelError(f"unknown loss {loss!r}; {nearest(loss, ADVERSARIAL)}")


def discriminator_loss(real: Tensor, made: Tensor, loss: Adversarial) -> Tensor:
    """Return the discriminator's loss on scores of real and made examples, ``(n, 1)`` each.

    References
    ----------
    Goodfellow et al. (2014): Generative adversarial nets. Lim, Ye (2017): Geometric GAN (hinge loss).
    """
    if loss == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + made).mean()
    return functional.softplus(-real).mean() + functional.softplus(made).mean()


def adversarial_loss(scores: Tensor, loss: Adversarial) -> Tensor:
    """Return the loss of networks that try to get high scores ``(n, 1)``; ``log`` is the non-saturating loss."""
    return -scores.mean() if loss == "hinge" else functional.softplus(-scores).mean()


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Take one step of an optimizer; gradients are computed only for its parameters."""
    optimizer.zero_grad()
    torch.autograd.backward(loss, inputs=[p for group in optimizer.param_groups for p in group["params"]])
    optimizer.step()


def adam(modules: Iterable[nn.Module], learning_rate: float) -> torch.optim.Optimizer:
    """Return an Adam optimizer for the parameters of some modules, with the momentum of DCGAN."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.5, 0.999), fused=True)
