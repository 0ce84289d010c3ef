"""Residual networks of basic blocks: ResNet-18, and ResNet-20/32/56 for 32x32 images."""

from collections import OrderedDict

import torch
from torch import nn

from hashlens.errors import ModelError

STAGES = {
    18: ((64, 128, 256, 512), 2),
    20: ((16, 32, 64), 3),
    32: ((16, 32, 64), 5),
    56: ((16, 32, 64), 9),
}
"""Channels of each stage, and number of blocks in a stage, by depth."""


class PaddedShortcut(nn.Module):
    """Shortcut without parameters: every second pixel, and zeros for the new channels."""

    def __init__(self, extra_channels: int) -> None:
        super().__init__()
        self.extra_channels = extra_channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return `images` ``(b, c, h, w)`` as ``(b, c + extra, ceil(h / 2), ceil(w / 2))``."""
        first = self.extra_channels // 2
        padding = (0, 0, 0, 0, first, self.extra_channels - first)
        return nn.functional.pad(images[:, :, ::2, ::2], padding)


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel_size=1, stride=2, bias=False),
            norm=nn.BatchNorm2d(outputs),
        )
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them; ``relu1`` is inside, ``relu2`` follows the sum."""

    def __init__(self, inputs: int, outputs: int, shortcut: nn.Module, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the block's features of `images` ``(b, c, h, w)``."""
        inner = self.relu1(self.norm1(self.conv1(images)))
        features: torch.Tensor = self.relu2(self.norm2(self.conv2(inner)) + self.shortcut(images))
        return features


def _stem(in_channels: int, outputs: int, kind: str) -> nn.Sequential:
    large = kind == "imagenet"
    kernel, stride = (7, 2) if large else (3, 1)
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(in_channels, outputs, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False),
        norm=nn.BatchNorm2d(outputs),
        relu=nn.ReLU(inplace=True),
    )
    if large:
        parts["pool"] = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    return nn.Sequential(parts)


class ResNet(nn.Module):
    """A residual network of basic blocks.

    Depth 18 has four stages and projecting shortcuts; depths 20, 32 and 56 are the three-stage networks (6n + 2
    layers) for CIFAR-10, with shortcuts that have no parameters.

    Parameters
    ----------
    depth : {18, 20, 32, 56}
        Number of layers with weights.
    classes : int
        Number of outputs (logits).
    in_channels : int
        Number of channels of an image.
    stem : {"cifar", "imagenet"}
        First layer: a 3x3 convolution, for small images; or a 7x7 convolution and max-pooling, both with stride 2, for
        224x224 images.

    Raises
    ------
    ModelError
        If the depth or the stem is unknown.

    References
    ----------
    He, Zhang, Ren, Sun: Deep residual learning for image recognition. CVPR 2016.
    """

    def __init__(self, depth: int = 18, classes: int = 10, in_channels: int = 3, stem: str = "cifar") -> None:
        super().__init__()
        if depth not in STAGES:
            raise ModelError(f"resnet: depth must be one of {sorted(STAGES)}, received {depth}")
        if stem not in ("cifar", "imagenet"):
            raise ModelError(f"resnet{depth}: stem must be 'cifar' or 'imagenet', received {stem!r}")
        widths, blocks = STAGES[depth]
        self.stem = _stem(in_channels, widths[0], stem)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        channels = widths[0]
        for number, width in enumerate(widths, start=1):
            stages[f"stage{number}"] = self._stage(channels, width, blocks, projecting=depth == 18)
            channels = width
        self.stages = nn.Sequential(stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, *, projecting: bool) -> nn.Sequential:
        first: nn.Module = nn.Identity()
        if inputs != outputs:
            first = _projection(inputs, outputs) if projecting else PaddedShortcut(outputs - inputs)
        return nn.Sequential(
            BasicBlock(inputs, outputs, first, stride=1 if inputs == outputs else 2),
            *(BasicBlock(outputs, outputs, nn.Identity(), stride=1) for _ in range(blocks - 1)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(b, classes)`` of `images` ``(b, c, h, w)``."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(images))).flatten(1))
        return logits
