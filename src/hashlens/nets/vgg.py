"""VGG-16 and VGG-19, for 32x32 images and for 224x224."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.mlp import dense_block

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _convolution_block(inputs: int, outputs: int, convolutions: int, batch_norm: bool) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, convolutions + 1):
        parts[f"conv{number}"] = nn.Conv2d(inputs if number == 1 else outputs, outputs, kernel_size=3, padding=1)
        if batch_norm:
            parts[f"norm{number}"] = nn.BatchNorm2d(outputs)
        parts[f"relu{number}"] = nn.ReLU(inplace=True)
    parts["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(parts)


class VGG(nn.Module):
    """Five blocks of 3x3 convolutions, hidden layers, a linear head.

    At 224x224 it is the published network (two hidden layers of 4096 units on 7x7 features). For smaller images the
    head is that of the literature on CIFAR-10 (one hidden layer of 512 units).

    Parameters
    ----------
    depth : {16, 19}
        Number of layers with weights, at 224x224.
    classes : int
        Number of outputs (logits).
    in_channels : int
        Number of channels of an image.
    batch_norm : bool
        Whether every layer but the head has batch normalisation before its ReLU (at 224x224: the convolutions only).
    dropout : float
        Probability of dropping a unit of the hidden layers during training.
    input_size : int
        Pixels of the shorter side, at least 32; features are average-pooled to ``input_size // 32`` on both sides.

    Raises
    ------
    ModelError
        If the depth is unknown or the images are too small.

    References
    ----------
    Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition. ICLR 2015.
    Liu, Deng: Very deep convolutional neural network based image classification using small training sample size.
    ACPR 2015.
    """

    def __init__(
        self,
        depth: int = 16,
        classes: int = 10,
        in_channels: int = 3,
        batch_norm: bool = True,
        dropout: float = 0.5,
        input_size: int = 32,
    ) -> None:
        super().__init__()
        if depth not in CONVOLUTIONS:
            raise ModelError(f"vgg: depth must be one of {sorted(CONVOLUTIONS)}, received {depth}")
        if input_size < 32:
            raise ModelError(
                f"vgg{depth} needs images of at least 32x32 pixels, received {input_size} on the shorter side: "
                "enlarge them, or use lenet or an mlp"
            )
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        channels = in_channels
        for number, (outputs, count) in enumerate(zip(CHANNELS, CONVOLUTIONS[depth], strict=True), start=1):
            blocks[f"block{number}"] = _convolution_block(channels, outputs, count, batch_norm)
            channels = outputs
        side = input_size // 32
        large = side >= 7
        sizes = [channels * side * side, *([4096, 4096] if large else [512])]
        self.features = nn.Sequential(blocks)
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.hidden = nn.Sequential(
            *(dense_block(i, o, batch_norm=batch_norm and not large, dropout=dropout) for i, o in pairwise(sizes))
        )
        self.head = nn.Linear(sizes[-1], classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(b, classes)`` of `images` ``(b, c, h, w)``."""
        logits: torch.Tensor = self.head(self.hidden(self.pool(self.features(images)).flatten(1)))
        return logits
