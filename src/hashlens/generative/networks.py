"""Generators, encoders and discriminators: perceptrons for images of any size, convolutions for 28 or 32 pixels.

A generator maps codes ``(n, latent)`` to images ``(n, c, h, w)`` with pixels from 0 to 1. An encoder maps images to
codes ``(n, code)``. A discriminator maps images, or images and codes, to scores ``(n, 1)``; high means real.
"""

import math
from itertools import pairwise

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.mlp import dense_block

Tensor = torch.Tensor
Shape = tuple[int, int, int]
SLOPE = 0.2
"""Slope of a leaky ReLU below zero."""
SIDES = (28, 32)
"""Sides, in pixels, of the images that convolutional networks take."""
WIDTHS = {"mlp": 512, "conv": 32}
"""Default number of units of a hidden layer, and of channels at full size."""


def _dense(*sizes: int) -> nn.Sequential:
    """Return two hidden layers with BatchNorm as one module."""
    return nn.Sequential(*(dense_block(a, b, batch_norm=True, dropout=0.0) for a, b in pairwise(sizes)))


class DenseGenerator(nn.Module):
    """A perceptron from codes ``(n, latent)`` to images ``(n, c, h, w)``."""

    def __init__(self, latent: int, shape: Shape, width: int) -> None:
        super().__init__()
        self.hidden = _dense(latent, width, width)
        self.head = nn.Linear(width, math.prod(shape))
        self.shape = shape

    def forward(self, codes: Tensor) -> Tensor:
        """Return images with pixels from 0 to 1."""
        pixels: Tensor = self.head(self.hidden(codes))
        return pixels.sigmoid().reshape(len(codes), *self.shape)


class DenseEncoder(nn.Module):
    """A perceptron from images ``(n, c, h, w)`` to codes ``(n, outputs)``."""

    def __init__(self, shape: Shape, outputs: int, width: int) -> None:
        super().__init__()
        self.hidden = _dense(math.prod(shape), width, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return codes."""
        codes: Tensor = self.head(self.hidden(images.flatten(1)))
        return codes


class DenseDiscriminator(nn.Module):
    """A perceptron from images ``(n, c, h, w)``, and codes ``(n, codes)`` if there are any, to scores ``(n, 1)``."""

    def __init__(self, shape: Shape, codes: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(math.prod(shape) + codes, width), nn.LeakyReLU(SLOPE),
            nn.Linear(width, width), nn.LeakyReLU(SLOPE),
        )  # fmt: skip
        self.head = nn.Linear(width, 1)

    def forward(self, images: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return scores, high for what is real."""
        pixels = images.flatten(1)
        scores: Tensor = self.head(self.hidden(pixels if codes is None else torch.cat([pixels, codes], 1)))
        return scores


def _levels(side: int) -> tuple[int, int]:
    """Return the side of the smallest feature map, and how often it is doubled."""
    return (7, 2) if side == 28 else (4, 3)


class ConvGenerator(nn.Module):
    """Transposed convolutions from codes ``(n, latent)`` to images ``(n, c, h, w)``, after DCGAN (Radford, 2016)."""

    def __init__(self, latent: int, shape: Shape, width: int) -> None:
        super().__init__()
        side, doublings = _levels(shape[1])
        channels = [width * 2**level for level in reversed(range(doublings))]
        self.start = nn.Linear(latent, channels[0] * side**2)
        self.first = nn.Sequential(nn.BatchNorm2d(channels[0]), nn.ReLU())
        self.hidden = nn.Sequential(
            *(nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
              for a, b in pairwise(channels))
        )  # fmt: skip
        self.head = nn.ConvTranspose2d(channels[-1], shape[0], 4, 2, 1)
        self.size = (channels[0], side, side)

    def forward(self, codes: Tensor) -> Tensor:
        """Return images with pixels from 0 to 1."""
        pixels: Tensor = self.head(self.hidden(self.first(self.start(codes).reshape(len(codes), *self.size))))
        return pixels.sigmoid()


class ConvEncoder(nn.Module):
    """Convolutions from images ``(n, c, h, w)`` to codes ``(n, outputs)``."""

    def __init__(self, shape: Shape, outputs: int, width: int) -> None:
        super().__init__()
        side, doublings = _levels(shape[1])
        channels = [shape[0], *(width * 2**level for level in range(doublings))]
        self.hidden = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in pairwise(channels))
        )
        self.head = nn.Linear(channels[-1] * side**2, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return codes."""
        codes: Tensor = self.head(self.hidden(images).flatten(1))
        return codes


class ConvDiscriminator(nn.Module):
    """Convolutions from images, and codes if there are any, to scores ``(n, 1)``."""

    def __init__(self, shape: Shape, codes: int, width: int) -> None:
        super().__init__()
        side, doublings = _levels(shape[1])
        channels = [shape[0], *(width * 2**level for level in range(doublings))]
        self.hidden = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(SLOPE)) for a, b in pairwise(channels))
        )
        self.joint = nn.Sequential(nn.Linear(channels[-1] * side**2 + codes, 16 * width), nn.LeakyReLU(SLOPE))
        self.head = nn.Linear(16 * width, 1)

    def forward(self, images: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return scores, high for what is real."""
        features = self.hidden(images).flatten(1)
        scores: Tensor = self.head(self.joint(features if codes is None else torch.cat([features, codes], 1)))
        return scores


ARCHITECTURES: dict[str, dict[str, type[nn.Module]]] = {
    "mlp": {"generator": DenseGenerator, "encoder": DenseEncoder, "discriminator": DenseDiscriminator},
    "conv": {"generator": ConvGenerator, "encoder": ConvEncoder, "discriminator": ConvDiscriminator},
}
"""Class of the network of each role, by name of the architecture."""


def check_shape(architecture: str, shape: Shape) -> None:
    """Raise ModelError unless networks of an architecture take images of a shape ``(c, h, w)``."""
    if architecture == "conv" and (shape[1] not in SIDES or shape[1] != shape[2]):
        raise ModelError(
            f"convolutional networks take images of 28 x 28 or 32 x 32 pixels, received {shape[1]} x {shape[2]}: "
            'resize the images, or give architecture="mlp"'
        )


def add_spectral_norm(discriminator: nn.Module) -> nn.Module:
    """Put spectral normalisation (Miyato et al., 2018) on each layer with weights, and return the network."""
    from torch.nn.utils.parametrizations import spectral_norm

    for module in list(discriminator.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            spectral_norm(module)
    return discriminator
