"""A small convolutional network for small images, fast enough to train on a CPU."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.mlp import dense_block

DOUBLINGS = (1, 2, 4)


def _convolution_block(inputs: int, outputs: int, batch_norm: bool) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, channels in enumerate((inputs, outputs), start=1):
        # A following batch normalisation has its own bias.
        parts[f"conv{number}"] = nn.Conv2d(channels, outputs, kernel_size=3, padding=1, bias=not batch_norm)
        if batch_norm:
            parts[f"norm{number}"] = nn.BatchNorm2d(outputs)
        parts[f"relu{number}"] = nn.ReLU(inplace=True)
    return nn.Sequential(parts)


class CNN(nn.Module):
    """Three blocks of two 3x3 convolutions, a hidden layer of 128 units, a linear head.

    The blocks have `width`, 2 `width` and 4 `width` channels. The first two end with max-pooling, the last with average
    pooling to 2x2.

    Parameters
    ----------
    classes : int
        Number of outputs (logits).
    in_channels : int
        Number of channels of an image.
    width : int
        Number of channels of the first block.
    batch_norm : bool
        Whether each convolution is followed by batch normalisation before its ReLU.
    input_size : int or tuple of int
        Height and width of an image in pixels, at least 8.

    Raises
    ------
    ModelError
        If the images or the width are too small.
    """

    def __init__(
        self,
        classes: int = 10,
        in_channels: int = 3,
        width: int = 32,
        batch_norm: bool = True,
        input_size: int | tuple[int, int] = 32,
    ) -> None:
        super().__init__()
        height, width_pixels = (input_size, input_size) if isinstance(input_size, int) else input_size
        if min(height, width_pixels) < 8:
            raise ModelError(f"cnn needs images of at least 8x8 pixels, received {height}x{width_pixels}: use an mlp")
        if width < 1:
            raise ModelError(f"cnn: width must be at least 1, received {width}")
        channels = (in_channels, *(width * doubling for doubling in DOUBLINGS))
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (inputs, outputs) in enumerate(pairwise(channels), start=1):
            blocks[f"block{number}"] = _convolution_block(inputs, outputs, batch_norm)
            blocks[f"pool{number}"] = nn.MaxPool2d(2) if number < len(DOUBLINGS) else nn.AdaptiveAvgPool2d(2)
        self.features = nn.Sequential(blocks)
        self.hidden = nn.Sequential(dense_block(4 * channels[-1], 128, batch_norm=False, dropout=0.0))
        self.head = nn.Linear(128, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, classes)`` of images ``(n, in_channels, height, width)``."""
        logits: torch.Tensor = self.head(self.hidden(self.features(x).flatten(1)))
        return logits
