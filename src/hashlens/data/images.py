"""Images that are decoded as they are needed."""

import io
import os
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from hashlens.data.examples import Batch
from hashlens.data.reading import reading
from hashlens.data.streamed import StreamedExamples
from hashlens.errors import DataError

# Raster formats only: Pillow hands others, as EPS, to outside interpreters.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")

Encoded = bytes | Path | Image.Image
Pixels = npt.NDArray[np.uint8]


def decode(encoded: Encoded, channels: int | None = None) -> Pixels:
    """Return the pixels of one image.

    Parameters
    ----------
    encoded : bytes, pathlib.Path or PIL.Image.Image
        The content of an image file, its path, or an image that is open.
    channels : int, optional
        1 or 3, expected; a grey image is taken as colour where 3 are. As in the image by default, transparency dropped.

    Returns
    -------
    numpy.ndarray
        uint8 ``(c, h, w)``.

    Raises
    ------
    ValueError
        When the image has more than 8 bits for a channel, or colour where grey is expected. What a broken file makes
        Pillow raise passes through.
    """
    if isinstance(encoded, Image.Image):
        return _pixels(encoded, channels)
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=FORMATS) as image:
        return _pixels(image, channels)


def _pixels(image: Image.Image, channels: int | None) -> Pixels:
    if image.mode not in GREY + COLOUR:
        raise ValueError(f"mode {image.mode!r} is not 8-bit grey or colour; convert it first")
    if channels == 1 and image.mode in COLOUR:
        raise ValueError("it is in colour, and the first image is grey; convert all to one of them")
    mode = "RGB" if channels == 3 or image.mode in COLOUR else "L"
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)


@dataclass(eq=False, kw_only=True)
class ImageExamples(StreamedExamples):
    """Images of one size, decoded to uint8 ``(c, h, w)`` on a few threads and scaled to [0, 1].

    Attributes
    ----------
    shape : tuple of int
        ``(c, h, w)``, as the first image of the source has it.
    """

    name: str
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    class_names: tuple[str, ...] | None
    shape: tuple[int, ...]
    scale: float = 1 / 255

    @abstractmethod
    def _encoded(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        """Yield the images of all rows in order, `batch_size` at a time."""

    def _narrow(self, start: int, stop: int) -> Self:
        labels = None if self.labels is None else self.labels[start:stop]
        return replace(self, labels=labels, ids=self.ids[start:stop])

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        workers = min(4, os.cpu_count() or 1)
        pending: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            start = 0
            for images in self._encoded(batch_size):
                pending.append(pool.submit(self._batch, start, images))
                start += len(images)
                # Enough ahead to keep every thread busy, and no more: memory stays that of a few batches.
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _batch(self, start: int, images: Sequence[Encoded]) -> Batch:
        rows = slice(start, start + len(images))
        pixels = np.empty((len(images), *self.shape), np.uint8)
        for row, image in enumerate(images):
            pixels[row] = checked(image, self.shape, self.name, self.ids[start + row])
        inputs = torch.from_numpy(pixels)
        return Batch(
            inputs, None if self.labels is None else torch.from_numpy(self.labels[rows]), self.ids[rows], inputs
        )


def checked(encoded: Encoded, shape: tuple[int, ...] | None, name: str, identity: int | str) -> Pixels:
    """Decode one image of the source `name`; the error says which one it is.

    Raises
    ------
    DataError
        When it cannot be decoded or does not have the expected `shape`.
    """
    where = f"{name}: image {identity}" if isinstance(identity, str) else f"{name}: the image of row {identity}"
    # A broken file makes the decoders stumble in ways that no list could name.
    with reading(where, Exception):
        pixels = decode(encoded, shape[0] if shape else None)
    if shape and pixels.shape != shape:
        size, expected = ("x".join(map(str, reversed(each[1:]))) for each in (pixels.shape, shape))
        raise DataError(
            f"{where} is {size} pixels, the first one is {expected}; all must have one size: resize them, or pass a "
            "DataLoader that does"
        )
    return pixels
