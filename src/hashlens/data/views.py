"""Views of images, to find altered copies: mirrored, brighter or darker, rotated, zoomed in or out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import cos, radians, sin
from typing import Any, Self

import torch
from torch import Tensor

from hashlens.data.examples import Batch, Examples
from hashlens.data.input_digests import are_images
from hashlens.data.streamed import StreamedExamples
from hashlens.data.transformed import TransformedExamples
from hashlens.errors import DataError, nearest

BRIGHTNESS = 1.3
DEGREES = 5.0
ZOOM = 0.9
"""Share of width and height that remains in the view ``nearer``."""
Bounds = tuple[Tensor, Tensor]
"""Values of black and white, each ``(1, c, 1, 1)``."""


def mirror(images: Tensor, bounds: Bounds) -> Tensor:
    """Return the images mirrored left to right."""
    return images.flip(-1)


def brighten(images: Tensor, bounds: Bounds, factor: float) -> Tensor:
    """Return the images with their difference from black multiplied, clipped at white."""
    black, white = bounds
    return torch.minimum(black + (images - black) * factor, white)


def rotate(images: Tensor, bounds: Bounds, degrees: float) -> Tensor:
    """Return the images rotated clockwise about their center; corners are filled by reflection."""
    height, width = images.shape[2:]
    cosine, sine = cos(radians(degrees)), sin(radians(degrees))
    # Sampling coordinates are in units of half a side, which differ for images that are not square.
    return _sample(images, [[cosine, sine * height / width, 0.0], [-sine * width / height, cosine, 0.0]])


def zoom(images: Tensor, bounds: Bounds, share: float) -> Tensor:
    """Return the central part of the images, a share of each side, resized; a share above 1 adds reflected borders."""
    return _sample(images, [[share, 0.0, 0.0], [0.0, share, 0.0]])


VIEWS: dict[str, Callable[[Tensor, Bounds], Tensor]] = {
    "mirrored": mirror,
    "brighter": lambda images, bounds: brighten(images, bounds, BRIGHTNESS),
    "darker": lambda images, bounds: brighten(images, bounds, 1 / BRIGHTNESS),
    "turned left": lambda images, bounds: rotate(images, bounds, -DEGREES),
    "turned right": lambda images, bounds: rotate(images, bounds, DEGREES),
    "nearer": lambda images, bounds: zoom(images, bounds, ZOOM),
    "farther": lambda images, bounds: zoom(images, bounds, 1 / ZOOM),
}
"""Views by name: 1.3 times as bright or as dark, rotated by 5 degrees, zoomed in to 0.9 and out to 1.1."""


def view_names(views: bool | str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the requested views: all for True, none for False.

    Raises
    ------
    DataError
        If there is no view with such a name.
    """
    if isinstance(views, bool):
        return tuple(VIEWS) if views else ()
    names = (views,) if isinstance(views, str) else tuple(views)
    for name in names:
        if name not in VIEWS:
            raise DataError(f"no view {name!r} of an image: {nearest(str(name), VIEWS)}")
    return tuple(dict.fromkeys(names))


def view_of(examples: Examples, name: str) -> Examples:
    """Return the same images in another view.

    A normalisation by the `transform` of :func:`hashlens.load_data` is applied after the view. Black and white are 0
    and 1 if all numbers are in this range. Otherwise, as in a data set that normalises itself, they are the smallest
    and the largest number of each channel in the first batch.

    Raises
    ------
    DataError
        If the inputs of a batch are not images ``(b, c, h, w)`` with 1, 3 or 4 channels; raised when it is read.
    """
    if isinstance(examples, TransformedExamples):
        return examples.with_examples(view_of(examples.inner, name))
    return ViewedExamples(examples, name)


class ViewedExamples(StreamedExamples):
    """Images in one of :data:`VIEWS`."""

    def __init__(self, examples: Examples, view: str) -> None:
        self.name = f"{examples.name} | {view}"
        self.labels = examples.labels
        self.class_names = examples.class_names
        self._examples, self._view = examples, view

    @property
    def ids(self) -> Any:  # type: ignore[override]
        """Ids of the examples."""
        return self._examples.ids

    @property
    def known_length(self) -> int | None:
        """Number of the underlying examples, if it is known."""
        return self._examples.known_length

    def _narrow(self, start: int, stop: int) -> Self:
        return type(self)(self._examples.narrow(start, stop), self._view)

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        bounds: Bounds | None = None
        for batch in self._examples.batches(batch_size):
            inputs = require_images(batch.inputs, self._examples.name)
            bounds = _bounds(inputs) if bounds is None else bounds
            viewed = VIEWS[self._view](inputs.to(torch.float32), bounds)
            viewed = viewed.to(inputs.dtype) if inputs.is_floating_point() else viewed.round().to(inputs.dtype)
            yield replace(batch, inputs=viewed, raw=viewed)


def require_images(inputs: Any, name: str) -> Tensor:
    """Return the inputs of a batch; raise DataError if they are not images."""
    if not are_images(inputs):
        received = tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise DataError(
            f"{name}: views need images (b, c, h, w) with 1, 3 or 4 channels of 8 pixels and more a side, "
            f"received {received}: leave views= out"
        )
    images: Tensor = inputs
    return images


def _bounds(images: Tensor) -> Bounds:
    axes, floating = (0, 2, 3), images.is_floating_point()
    lowest, highest = images.amin(axes, keepdim=True).float(), images.amax(axes, keepdim=True).float()
    if bool((lowest >= 0).all()) and bool((highest <= (1 if floating else 255)).all()):
        return torch.zeros_like(lowest), torch.full_like(highest, 1.0 if floating else 255.0)
    return lowest, highest


def _sample(images: Tensor, affine: list[list[float]]) -> Tensor:
    grid = torch.nn.functional.affine_grid(
        torch.tensor([affine], dtype=images.dtype, device=images.device).expand(len(images), 2, 3),
        list(images.shape),
        align_corners=False,
    )
    return torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
