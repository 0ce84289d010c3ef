"""Images side by side in one picture."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import OutputError
from hashlens.files import atomic_write

Images = npt.NDArray[np.uint8]


def as_uint8(images: torch.Tensor) -> Images:
    """Return images ``(..., c, h, w)`` with pixels from 0 to 1 as uint8 ``(..., h, w)``, or ``(..., h, w, 3)``.

    If there are neither one nor three channels, the first is shown.
    """
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = pixels.movedim(-3, -1) if pixels.shape[-3] == 3 else pixels.select(-3, 0)
    array: Images = np.ascontiguousarray(pixels.cpu().numpy())
    return array


def tile_images(images: Images, columns: int) -> Images:
    """Return images ``(n, h, w)`` or ``(n, h, w, 3)`` as one image, row by row, separated by one pixel."""
    n, height, width = images.shape[:3]
    rows = -(-n // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *images.shape[3:]), 255, np.uint8)
    for i in range(n):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = images[i]
    return sheet


def write_grid(path: str | Path, images: torch.Tensor, columns: int = 10, *, overwrite: bool = False) -> Path:
    """Write images ``(n, c, h, w)`` with pixels from 0 to 1 as one PNG, and return its path.

    Raises
    ------
    OutputError
        If the suffix is not .png, the file exists and `overwrite` is false, or it cannot be written.
    """
    from PIL import Image

    if Path(path).suffix.lower() not in (".png", ""):
        raise OutputError(f"{path}: grids of images are written as .png")

    with atomic_write(path, overwrite=overwrite) as partial:
        Image.fromarray(tile_images(as_uint8(images), columns)).save(partial, format="PNG")
    return Path(path)
