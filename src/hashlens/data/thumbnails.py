"""Examples as small images, for pages."""

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.examples import Examples
from hashlens.errors import DataError
from hashlens.report.sprite import Image, shrink

BATCH = 64
Rows = npt.NDArray[np.int64]


def thumbnails(examples: Examples | None, rows: Rows) -> list[Image]:
    """Return some rows as images, in their order, in one pass over the data.

    Parameters
    ----------
    examples : Examples, optional
        The examples.
    rows : numpy.ndarray
        int64 ``(k,)``: row numbers.

    Returns
    -------
    list of numpy.ndarray
        uint8 ``(h, w)`` or ``(h, w, 3)``; empty if the examples are not images or cannot be read again.
    """
    images = {} if examples is None else _images(examples, rows)
    return [images[int(row)] for row in rows] if images else []


def _images(examples: Examples, rows: Rows) -> dict[int, Image]:
    """Return images by row, in one pass; empty if the examples are not images or cannot be read again."""
    unique_rows = np.unique(rows)
    images: dict[int, Image] = {}
    if len(unique_rows) == 0:
        return images
    first = start = int(unique_rows[0])
    try:
        for batch in examples.narrow(first, int(unique_rows[-1]) + 1).batches(BATCH):
            for row in unique_rows[(unique_rows >= start) & (unique_rows < start + len(batch))].tolist():
                image = as_image(batch.inputs[row - start]) if isinstance(batch.inputs, torch.Tensor) else None
                if image is None:
                    return {}
                images[row] = shrink(image)
            start += len(batch)
    except DataError:
        return {}
    return images


def as_image(example: torch.Tensor) -> Image | None:
    """Return an example as an image ``(h, w)`` or ``(h, w, 3)``, scaled to 0 to 255; None if it is not an image."""
    pixels = np.asarray(example.detach().cpu().float())
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        pixels = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    if pixels.ndim not in (2, 3) or min(pixels.shape[:2]) < 2 or pixels.shape[2:] not in ((), (3,)):
        return None
    low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    spread = high - low if high > low else 1.0
    return np.nan_to_num((pixels - low) / spread * 255).round().astype(np.uint8)
