"""Images for generative models: ``(c, h, w)``, with pixels from 0 to 1."""

from collections.abc import Iterator
from typing import Any

import torch

from hashlens.data.examples import ArrayExamples
from hashlens.data.finite import require_finite
from hashlens.data.sources import load_data, load_training_data
from hashlens.errors import DataError
from hashlens.generative.networks import Shape

Tensor = torch.Tensor
CHECKED = 4096
"""Number of images whose range is checked."""


def training_images(data: Any) -> ArrayExamples:
    """Return the training images, all in memory.

    Raises
    ------
    DataError
        If there are fewer than two, they are not images ``(c, h, w)``, values are not finite, or pixels of the first
        4,096 are below 0 or above 1.
    """
    examples = load_training_data(data).load()
    if len(examples) < 2:
        only = "only one image" if len(examples) else "no images"
        raise DataError(f"{examples.name} has {only}: training needs two or more")
    shape = tuple(examples.tensor(slice(0, 1)).shape[1:])
    if len(shape) != 3:
        raise DataError(
            f"{examples.name}: generative models learn images (c, h, w), received examples of shape {shape}: "
            "reshape them"
        )
    require_finite("train", examples, torch.float32)
    _check_range(examples.name, examples.tensor(slice(0, CHECKED)))
    return examples


def image_batches(data: Any, shape: Shape, batch_size: int = 512) -> Iterator[Tensor]:
    """Yield the images of any data, float32 ``(b, c, h, w)``.

    Raises
    ------
    DataError
        If the images have another shape, or pixels are below 0 or above 1.
    """
    examples = load_data(data[None] if isinstance(data, Tensor) and data.ndim == 3 else data)
    for batch in examples.batches(batch_size):
        images = batch.inputs.float()
        if tuple(images.shape[1:]) != shape:
            raise DataError(
                f"{examples.name}: the model is of images {shape}, received images {tuple(images.shape[1:])}: give "
                "images of that size and as many channels"
            )
        _check_range(examples.name, images)
        yield images


def _check_range(name: str, images: Tensor) -> None:
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"{name}: pixels must be from 0 to 1, received {low:.3g} to {high:.3g}: rescale them, and leave out "
            "normalisation"
        )


def batch_of(images: ArrayExamples, rows: Tensor, device: torch.device) -> Tensor:
    """Return some images in the form that networks take, float32 ``(b, c, h, w)``."""
    return images.tensor(rows).to(device, torch.float32)  # type: ignore[arg-type]
