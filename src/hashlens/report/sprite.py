"""The sprite of a page: one picture that contains all its thumbnails."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
SIDES = (64, 48, 32, 24)
"""Possible sides of thumbnails in pixels; the first with which the sprite is no larger than `LETTERS` is used."""
LETTERS = 5_500_000
"""Largest size of the sprite in characters, so that a page stays below 8 MB."""
QUALITY = 88


@dataclass(frozen=True)
class Encoded:
    """One picture with all thumbnails: its source, columns, and the width and height of each in pixels."""

    source: str
    columns: int
    rows: int
    width: int
    height: int


@dataclass
class Sprite:
    """A collection of thumbnails, each identified by its position."""

    images: list[Image] = field(default_factory=list)

    def add(self, image: Image) -> int:
        """Add an image ``(h, w)`` or ``(h, w, 3)`` with values from 0 to 255, and return its position."""
        self.images.append(fitted(image))
        return len(self.images) - 1

    def add_all(self, images: Iterable[Image]) -> tuple[int, ...]:
        """Add images and return their positions."""
        return tuple(map(self.add, images))

    def encoded(self) -> Encoded | None:
        """Return all thumbnails as one picture: PNG if all are grey, else JPEG; None if there are none."""
        if not self.images:
            return None
        for side in SIDES:
            encoded = _encode([fitted(image, side) for image in self.images])
            if len(encoded.source) <= LETTERS:
                break
        return encoded


def _encode(images: list[Image]) -> Encoded:
    from PIL import Image as Pillow

    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    columns = int(np.ceil(np.sqrt(len(images) * height / width)))
    rows = -(-len(images) // columns)
    grey = all(image.ndim == 2 for image in images)
    sheet = np.zeros((rows * height, columns * width) if grey else (rows * height, columns * width, 3), np.uint8)
    for position, image in enumerate(images):
        top, left = position // columns * height, position % columns * width
        top, left = top + (height - image.shape[0]) // 2, left + (width - image.shape[1]) // 2
        pixels = image if grey or image.ndim == 3 else image[:, :, None]
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = pixels
    picture = io.BytesIO()
    if grey:
        Pillow.fromarray(sheet).save(picture, format="PNG", optimize=True)
    else:
        Pillow.fromarray(sheet).save(picture, format="JPEG", quality=QUALITY, subsampling=0)
    kind = "png" if grey else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(picture.getvalue()).decode()}"
    return Encoded(source, columns, rows, width, height)


def fitted(image: Image, side: int = SIDES[0]) -> Image:
    """Return an image, reduced to at most `side` pixels if it is larger."""
    if max(image.shape[:2]) <= side:
        return image
    from PIL import Image as Pillow

    scale = side / max(image.shape[:2])
    size = tuple(max(1, round(length * scale)) for length in image.shape[1::-1])
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS))
