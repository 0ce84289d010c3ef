"""LeNet-5 with ReLU units and max-pooling."""

from collections import OrderedDict

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.mlp import dense_block


def _convolution_block(inputs: int, outputs: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel_size=5, padding=padding),
            relu=nn.ReLU(inplace=True),
            pool=nn.MaxPool2d(2),
        )
    )


class LeNet(nn.Module):
    """LeNet-5: two 5x5 convolutions (6 and 16 channels), hidden layers of 120 and 84 units, a linear head.

    Images smaller than 32x32 are padded by two pixels, so that 28x28 and 32x32 give the same network.

    Parameters
    ----------
    classes : int
        Number of outputs (logits).
    in_channels : int
        Number of channels of an image.
    input_size : int or tuple of int
        Height and width of an image in pixels, at least 12.

    Raises
    ------
    ModelError
        If the images are too small.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. Proc. IEEE, 1998.
    """

    def __init__(self, classes: int = 10, in_channels: int = 1, input_size: int | tuple[int, int] = 28) -> None:
        super().__init__()
        height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
        padding = 2 if min(height, width) < 32 else 0
        rows, columns = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in (height, width))
        if min(rows, columns) < 1:
            raise ModelError(
                f"lenet needs images of at least 12x12 pixels, received {height}x{width}: enlarge them or use an mlp"
            )
        self.features = nn.Sequential(_convolution_block(in_channels, 6, padding), _convolution_block(6, 16, 0))
        self.hidden = nn.Sequential(
            dense_block(16 * rows * columns, 120, batch_norm=False, dropout=0.0),
            dense_block(120, 84, batch_norm=False, dropout=0.0),
        )
        self.head = nn.Linear(84, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(b, classes)`` of `images` ``(b, c, h, w)``."""
        logits: torch.Tensor = self.head(self.hidden(self.features(images).flatten(1)))
        return logits
