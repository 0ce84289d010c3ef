"""The sprite of a page: one picture that contains all its thumbnails."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
THUMBNAIL_SIDES = (64, 48, 32, 24)
"""Lengths for the longer side of a thumbnail in pixels, tried in this order until the picture has at most
`MAX_CHARACTERS`; the last one is used even if the picture has more."""
MAX_CHARACTERS = 5_500_000
"""Wanted size of the picture as base64 text: a page with it, its script and its charts is smaller than 8 MB."""
JPEG_QUALITY = 88
"""Quality of the picture if it is a JPEG, on Pillow's scale of 0 to 100."""


@dataclass(frozen=True)
class SpritePicture:
    """All thumbnails in one picture, row by row, in cells of equal size.

    Attributes
    ----------
    url : str
        The picture as a ``data:`` URL.
    columns, rows : int
        Number of cells in a row, and of rows.
    width, height : int
        Size of a cell in pixels.
    """

    url: str
    columns: int
    rows: int
    width: int
    height: int


@dataclass
class Sprite:
    """The thumbnails that the sprite is made from, each identified by its position; `picture` makes it."""

    images: list[Image] = field(default_factory=list)

    def add(self, image: Image) -> int:
        """Add an image ``(h, w)`` or ``(h, w, 3)`` with values from 0 to 255, and return its position."""
        self.images.append(shrink(image))
        return len(self.images) - 1

    def add_all(self, images: Iterable[Image]) -> tuple[int, ...]:
        """Add images and return their positions."""
        return tuple(map(self.add, images))

    def picture(self) -> SpritePicture | None:
        """Return all thumbnails as one picture: PNG if all are grey, else JPEG; None if there are none."""
        if not self.images:
            return None
        for side in THUMBNAIL_SIDES:
            picture = _sprite_picture([shrink(image, side) for image in self.images])
            if len(picture.url) <= MAX_CHARACTERS:
                break
        return picture


def _sprite_picture(images: list[Image]) -> SpritePicture:
    from PIL import Image as Pillow

    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    # With this number of columns the picture is about as wide as high.
    columns = ceil(sqrt(len(images) * height / width))
    rows = ceil(len(images) / columns)
    grey = all(image.ndim == 2 for image in images)
    sheet = np.zeros((rows * height, columns * width) if grey else (rows * height, columns * width, 3), np.uint8)
    for position, image in enumerate(images):
        image_height, image_width = image.shape[:2]
        top = position // columns * height + (height - image_height) // 2
        left = position % columns * width + (width - image_width) // 2
        pixels = image if grey or image.ndim == 3 else image[:, :, None]
        sheet[top : top + image_height, left : left + image_width] = pixels
    file = io.BytesIO()
    if grey:
        Pillow.fromarray(sheet).save(file, format="PNG", optimize=True)
    else:
        Pillow.fromarray(sheet).save(file, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    file_type = "png" if grey else "jpeg"
    url = f"data:image/{file_type};base64,{base64.b64encode(file.getvalue()).decode()}"
    return SpritePicture(url, columns, rows, width, height)


def shrink(image: Image, side: int = THUMBNAIL_SIDES[0]) -> Image:
    """Return an image whose longer side has at most `side` pixels; smaller images are returned unchanged."""
    if max(image.shape[:2]) <= side:
        return image
    from PIL import Image as Pillow

    scale = side / max(image.shape[:2])
    size = tuple(max(1, round(length * scale)) for length in image.shape[1::-1])
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS))
