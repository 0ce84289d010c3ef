"""InvertedGAN: an encoder that is trained to invert the generator of a trained GAN."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from hashlens.data.examples import ArrayExamples
from hashlens.errors import ModelError
from hashlens.generative.average import AVERAGED
from hashlens.generative.losses import descend
from hashlens.generative.model import Draw, GenerativeModel
from hashlens.generative.settings import require_weight

Tensor = torch.Tensor


class InvertedGAN(GenerativeModel):
    """An encoder for a trained generator: it learns to find z from G(z).

    The loss is ||z - E(G(z))||², summed over latent dimensions, plus `image_weight` times ||G(z) - G(E(G(z)))||²,
    summed over pixels. Real images are not used, except that an epoch has as many codes as there are images. The
    generator is in evaluation mode and does not change.

    Parameters
    ----------
    gan : GAN
        A trained GAN. If it has an average of the generator's weights, the averaged generator is inverted.
    image_weight : float
        Weight of the error of images, a sum over pixels; 0 for the error of codes alone.
    encoder : torch.nn.Module, optional
        Your own encoder, from images ``(n, c, h, w)`` to codes ``(n, latent)``.
    learning_rate, batch_size, ema, seed
        Settings for the training of the encoder, as in :class:`hashlens.generative.Settings`; all other settings are
        those of the GAN.

    References
    ----------
    Rubenstein, Li, Roblek (2018): An empirical study of generative models with encoders.
    """

    kind: ClassVar[str] = "inverted-gan"
    roles: ClassVar[tuple[str, ...]] = ("generator", "encoder")
    roles_by_optimizer: ClassVar[tuple[tuple[str, ...], ...]] = (("encoder",),)
    advice: ClassVar[str] = "the generator makes nearly the same images for all codes: train its GAN anew"

    def __init__(
        self,
        gan: GenerativeModel,
        *,
        image_weight: float = 0.0,
        encoder: nn.Module | None = None,
        learning_rate: float = 2e-4,
        batch_size: int = 100,
        ema: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not isinstance(gan, GenerativeModel):
            raise ModelError(f"gan must be a hashlens.generative.GAN, received a {type(gan).__name__}")
        networks = gan.networks
        mean = AVERAGED + "generator"
        own = {"generator": networks[mean if mean in networks else "generator"], "encoder": encoder}
        kept = gan.settings
        super().__init__(
            own, latent=kept.latent, architecture=kept.architecture, width=kept.width, prior=kept.prior,
            learning_rate=learning_rate, batch_size=batch_size, ema=ema, seed=seed,
        )  # fmt: skip
        self.gan, self.image_weight = gan, require_weight("image_weight", image_weight)
        self.build(gan.image_shape)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor, without the GAN."""
        return self._all_arguments(image_weight=self.image_weight)

    def step(self, images: ArrayExamples, optimizers: tuple[torch.optim.Optimizer, ...], draw: Draw) -> "InvertingStep":
        """Return the step of its training."""
        return InvertingStep(self.networks, optimizers[0], draw, self.image_weight)


@dataclass(frozen=True, eq=False)
class InvertingStep:
    """Training step of an encoder that inverts a generator.

    Attributes
    ----------
    networks : torch.nn.ModuleDict
        ``generator``, which is not changed, and ``encoder``.
    optimizer : torch.optim.Optimizer
        Optimizer of the encoder.
    draw : callable
        Function that draws codes from the prior.
    image_weight : float
        Weight of the error of images, a sum over pixels; at 0 it is not computed.
    """

    networks: nn.ModuleDict
    optimizer: torch.optim.Optimizer
    draw: Draw
    image_weight: float

    def __call__(self, rows: Tensor) -> Mapping[str, Tensor]:
        """Take one step on as many codes as there are rows; return the mean errors of code values and of pixels."""
        generator, encoder = self.networks["generator"], self.networks["encoder"]
        codes = self.draw(len(rows))
        with torch.no_grad():
            images = generator(codes)
        found = encoder(images)
        values = {"code error": functional.mse_loss(found, codes)}
        loss = values["code error"] * codes.shape[1]
        if self.image_weight:
            values["image error"] = functional.mse_loss(generator(found), images)
            loss = loss + self.image_weight * values["image error"] * images[0].numel()
        descend(loss, self.optimizer)
        return values
