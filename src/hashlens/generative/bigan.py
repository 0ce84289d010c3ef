"""BiGAN: a generator and an encoder whose pairs of image and code a discriminator cannot tell apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import torch
from torch import nn
from torch.nn import functional

from hashlens.data.examples import ArrayExamples
from hashlens.generative.images import batch_of
from hashlens.generative.losses import Adversarial, adversarial_loss, descend, discriminator_loss, require_loss
from hashlens.generative.model import Draw, GenerativeModel
from hashlens.generative.settings import SettingsOptions, require_weight

Tensor = torch.Tensor


class BiGAN(GenerativeModel):
    """A bidirectional GAN, with an autoencoder loss if `ae_weight` is above 0.

    The discriminator learns to distinguish pairs (x, E(x)) of real images from pairs (G(z), z). Generator and encoder
    learn to make it wrong about both. The autoencoder loss is ``ae_weight`` times ||x - G(E(x))||², the squared error
    of an image, **summed** over its pixels and channels. So a weight of 1 on 28 x 28 pixels corresponds to 784 for the
    mean over pixels.

    Parameters
    ----------
    ae_weight : float
        Weight of the autoencoder loss, 0 or more; 0 gives exactly the plain BiGAN.
    loss : {"log", "hinge"}
        Loss of generator, encoder and discriminator.
    spectral_norm : bool
        Whether the discriminator has spectral normalisation; your own discriminator is used unchanged.
    generator, encoder, discriminator : torch.nn.Module, optional
        Your own networks: from codes ``(n, latent)`` to images ``(n, c, h, w)`` with pixels from 0 to 1; from images to
        codes; from images and codes, two arguments, to scores ``(n, 1)``, high for real images.
    **options
        The fields of :class:`hashlens.generative.Settings`.

    References
    ----------
    Donahue, Krähenbühl, Darrell (2017): Adversarial feature learning. Dumoulin et al. (2017): Adversarially learned
    inference. Rubenstein, Li, Roblek (2018): An empirical study of generative models with encoders, for the added loss.
    """

    kind: ClassVar[str] = "bigan"
    roles: ClassVar[tuple[str, ...]] = ("generator", "encoder", "discriminator")
    roles_by_optimizer: ClassVar[tuple[tuple[str, ...], ...]] = (("discriminator",), ("generator", "encoder"))

    def __init__(
        self,
        *,
        ae_weight: float = 0.0,
        loss: Adversarial = "log",
        spectral_norm: bool = False,
        generator: nn.Module | None = None,
        encoder: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        **options: Unpack[SettingsOptions],
    ) -> None:
        require_loss(loss)
        own = {"generator": generator, "encoder": encoder, "discriminator": discriminator}
        super().__init__(own, spectral_norm, **options)
        self.ae_weight, self.loss = require_weight("ae_weight", ae_weight), loss

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return self._all_arguments(ae_weight=self.ae_weight, loss=self.loss, spectral_norm=self.spectral_norm)

    @property
    def code_sizes(self) -> dict[str, int]:
        """Roles of the networks; the discriminator takes codes."""
        return {**super().code_sizes, "discriminator": self.settings.latent}

    def step(self, images: ArrayExamples, optimizers: tuple[torch.optim.Optimizer, ...], draw: Draw) -> "BiGANStep":
        """Return the step of its training."""
        return BiGANStep(self.networks, optimizers, images, draw, self.loss, self.ae_weight)


@dataclass(frozen=True, eq=False)
class BiGANStep:
    """Training step of a BiGAN: a step of the discriminator, then one of generator and encoder on the same codes.

    Attributes
    ----------
    networks : torch.nn.ModuleDict
        ``generator``, ``encoder`` and ``discriminator``.
    optimizers : tuple of torch.optim.Optimizer
        Optimizers of the discriminator, and of generator and encoder.
    images : ArrayExamples
        Real images.
    draw : callable
        Function that draws codes from the prior.
    loss : {"log", "hinge"}
        Name of the loss.
    ae_weight : float
        Weight of the autoencoder loss, a sum over pixels; at 0 it is not computed.
    """

    networks: nn.ModuleDict
    optimizers: tuple[torch.optim.Optimizer, ...]
    images: ArrayExamples
    draw: Draw
    loss: Adversarial
    ae_weight: float

    def __call__(self, rows: Tensor) -> Mapping[str, Tensor]:
        """Take both steps and return the losses; the reconstruction error is the mean over pixels."""
        generator, encoder, discriminator = (self.networks[role] for role in ("generator", "encoder", "discriminator"))
        codes = self.draw(len(rows))
        real = batch_of(self.images, rows, codes.device)
        made, encoded = generator(codes), encoder(real)
        scores = discriminator(real, encoded.detach()), discriminator(made.detach(), codes)
        loss = discriminator_loss(*scores, self.loss)
        descend(loss, self.optimizers[0])
        # The networks want pairs (G(z), z) to be taken for real, and pairs (x, E(x)) for generated.
        deception = adversarial_loss(discriminator(made, codes), self.loss)
        deception = deception + adversarial_loss(-discriminator(real, encoded), self.loss)
        values = {"discriminator loss": loss, "generator and encoder loss": deception}
        total = deception
        if self.ae_weight:
            values["reconstruction error"] = error = functional.mse_loss(generator(encoded), real)
            total = deception + self.ae_weight * error * real[0].numel()
        descend(total, self.optimizers[1])
        return values
