"""VAE: an encoder and a generator that maximise a bound of the likelihood of the images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import torch
from torch import nn
from torch.nn import functional

from hashlens.data.examples import ArrayExamples
from hashlens.errors import ModelError
from hashlens.generative.images import batch_of
from hashlens.generative.losses import descend
from hashlens.generative.model import Draw, GenerativeModel
from hashlens.generative.settings import SettingsOptions

Tensor = torch.Tensor


class VAE(GenerativeModel):
    """A variational autoencoder with Bernoulli pixels, as a baseline.

    The loss is the cross-entropy of the pixels of G(z), summed over an image, plus the Kullback-Leibler divergence of
    E(x) from the prior, in nats. `encode` returns the mean of E(x).

    Parameters
    ----------
    generator, encoder : torch.nn.Module, optional
        Your own networks: from codes ``(n, latent)`` to images ``(n, c, h, w)`` with pixels from 0 to 1; from images to
        ``(n, 2 * latent)``, means and logarithms of variances.
    **options
        The fields of :class:`hashlens.generative.Settings`; the prior is normal.

    References
    ----------
    Kingma, Welling (2014): Auto-encoding variational Bayes.
    """

    kind: ClassVar[str] = "vae"
    roles: ClassVar[tuple[str, ...]] = ("generator", "encoder")
    roles_by_optimizer: ClassVar[tuple[tuple[str, ...], ...]] = (("generator", "encoder"),)
    advice: ClassVar[str] = "lower the learning rate, or train for longer"

    def __init__(
        self,
        *,
        generator: nn.Module | None = None,
        encoder: nn.Module | None = None,
        **options: Unpack[SettingsOptions],
    ) -> None:
        super().__init__({"generator": generator, "encoder": encoder}, **options)
        if self.settings.prior != "normal":
            raise ModelError(f'a VAE has a normal prior, received prior={self.settings.prior!r}: give prior="normal"')

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return self._all_arguments()

    @property
    def code_sizes(self) -> dict[str, int]:
        """Roles of the networks; the encoder returns means and logarithms of variances."""
        return {**super().code_sizes, "encoder": 2 * self.settings.latent}

    def step(self, images: ArrayExamples, optimizers: tuple[torch.optim.Optimizer, ...], draw: Draw) -> "VAEStep":
        """Return the step of its training."""
        return VAEStep(self.networks, optimizers[0], images, draw)


@dataclass(frozen=True, eq=False)
class VAEStep:
    """Training step of a VAE.

    Attributes
    ----------
    networks : torch.nn.ModuleDict
        ``generator`` and ``encoder``.
    optimizer : torch.optim.Optimizer
        Optimizer of both networks.
    images : ArrayExamples
        Training images.
    draw : callable
        Function that draws noise from N(0, 1).
    advice : str
        Advice if the training diverges.
    """

    networks: nn.ModuleDict
    optimizer: torch.optim.Optimizer
    images: ArrayExamples
    draw: Draw
    advice: str = "lower the learning rate"

    def __call__(self, rows: Tensor) -> Mapping[str, Tensor]:
        """Take one step and return both parts of the loss, in nats."""
        noise = self.draw(len(rows))
        real = batch_of(self.images, rows, noise.device)
        mean, log_variance = self.networks["encoder"](real).chunk(2, dim=1)
        made = self.networks["generator"](mean + (log_variance / 2).exp() * noise)
        try:
            pixels = functional.binary_cross_entropy(made, real, reduction="sum") / len(rows)
        except RuntimeError as error:
            raise ModelError(f"the generator's pixels are no longer numbers from 0 to 1: {self.advice}") from error
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum() / (2 * len(rows))
        descend(pixels + divergence, self.optimizer)
        return {"pixel loss": pixels, "divergence": divergence}
