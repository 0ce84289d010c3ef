"""GAN: a generator and a discriminator that learn from each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import torch
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.generative.images import batch_of
from hashlens.generative.losses import Adversarial, adversarial_loss, descend, discriminator_loss, require_loss
from hashlens.generative.model import Draw, GenerativeModel
from hashlens.generative.settings import SettingsOptions

Tensor = torch.Tensor


class GAN(GenerativeModel):
    """A generative adversarial network. It has no encoder; :class:`InvertedGAN` adds one.

    Parameters
    ----------
    loss : {"log", "hinge"}
        Loss of generator and discriminator.
    spectral_norm : bool
        Whether the discriminator has spectral normalisation; your own discriminator is used unchanged.
    generator, discriminator : torch.nn.Module, optional
        Your own networks: from codes ``(n, latent)`` to images ``(n, c, h, w)`` with pixels from 0 to 1; from images to
        scores ``(n, 1)``, high for real ones.
    **options
        The fields of :class:`hashlens.generative.Settings`.

    References
    ----------
    Goodfellow et al. (2014): Generative adversarial nets.
    """

    kind: ClassVar[str] = "gan"
    roles: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    roles_by_optimizer: ClassVar[tuple[tuple[str, ...], ...]] = (("discriminator",), ("generator",))

    def __init__(
        self,
        *,
        loss: Adversarial = "log",
        spectral_norm: bool = False,
        generator: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        **options: Unpack[SettingsOptions],
    ) -> None:
        require_loss(loss)
        super().__init__({"generator": generator, "discriminator": discriminator}, spectral_norm, **options)
        self.loss = loss

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return self._all_arguments(loss=self.loss, spectral_norm=self.spectral_norm)

    def step(self, images: ArrayExamples, optimizers: tuple[torch.optim.Optimizer, ...], draw: Draw) -> "GANStep":
        """Return the step of its training."""
        return GANStep(self.networks, optimizers, images, draw, self.loss)


@dataclass(frozen=True, eq=False)
class GANStep:
    """Training step of a GAN: a step of the discriminator, then one of the generator on the same codes.

    Attributes
    ----------
    networks : torch.nn.ModuleDict
        ``generator`` and ``discriminator``.
    optimizers : tuple of torch.optim.Optimizer
        Optimizers of the discriminator and of the generator.
    images : ArrayExamples
        Real images.
    draw : callable
        Function that draws codes from the prior.
    loss : {"log", "hinge"}
        Name of the loss.
    """

    networks: nn.ModuleDict
    optimizers: tuple[torch.optim.Optimizer, ...]
    images: ArrayExamples
    draw: Draw
    loss: Adversarial

    def __call__(self, rows: Tensor) -> Mapping[str, Tensor]:
        """Take both steps and return both losses."""
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        codes = self.draw(len(rows))
        real, made = batch_of(self.images, rows, codes.device), generator(codes)
        loss = discriminator_loss(discriminator(real), discriminator(made.detach()), self.loss)
        descend(loss, self.optimizers[0])
        generator_loss = adversarial_loss(discriminator(made), self.loss)
        descend(generator_loss, self.optimizers[1])
        return {"discriminator loss": loss, "generator loss": generator_loss}
