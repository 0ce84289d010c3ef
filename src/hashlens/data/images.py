"""Sources of images that are decoded when needed."""

import logging
import os
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.decode import TURNED, Decoded, Decoding, Encoded, changes_line, decode
from hashlens.data.examples import Batch
from hashlens.data.reading import reading
from hashlens.data.streamed import StreamedExamples
from hashlens.errors import DataError

_log = logging.getLogger("hashlens")


@dataclass(eq=False, kw_only=True)
class ImageExamples(StreamedExamples):
    """Images of equal size, decoded to uint8 ``(c, h, w)`` by a few threads and scaled to [0, 1].

    Attributes
    ----------
    shape : tuple of int
        Shape ``(c, h, w)`` of the first image; all images must have it.
    decoding : Decoding
        Settings for decoding image files.
    name, labels, ids, class_names
        As in :class:`~hashlens.data.examples.Examples`.
    scale : float
        Factor of the pixels, 1/255.
    """

    name: str
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    class_names: tuple[str, ...] | None
    shape: tuple[int, ...]
    decoding: Decoding
    scale: float = 1 / 255
    # Shared with parts of these examples, so that each message is logged once.
    _logged: set[str] = field(default_factory=set, repr=False)

    @abstractmethod
    def _encode(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        """Yield the encoded images of all rows in order, `batch_size` at a time."""

    def _narrow(self, start: int, stop: int) -> Self:
        labels = None if self.labels is None else self.labels[start:stop]
        return replace(self, labels=labels, ids=self.ids[start:stop])

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        workers = min(4, os.cpu_count() or 1)
        pending: deque[Future[tuple[Batch, Counter[str]]]] = deque()
        changes: Counter[str] = Counter()

        def finished_batch() -> Batch:
            batch, batch_changes = pending.popleft().result()
            changes.update(batch_changes)
            return batch

        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            start = 0
            for images in self._encode(batch_size):
                pending.append(pool.submit(self._batch, start, images))
                start += len(images)
                # Just enough batches are decoded ahead to keep every thread busy, so that memory holds only a few.
                if len(pending) > workers:
                    yield finished_batch()
            while pending:
                yield finished_batch()
        if changes and not self._logged:
            self._logged.add(self.name)
            _log.warning("%s: %s", self.name, changes_line(changes, len(self), self.decoding.hints))

    def _batch(self, start: int, images: Sequence[Encoded]) -> tuple[Batch, Counter[str]]:
        rows = slice(start, start + len(images))
        pixels = np.empty((len(images), *self.shape), np.uint8)
        changes: Counter[str] = Counter()
        for row, image in enumerate(images):
            decoded = decode_named(image, self.name, self.ids[start + row], self.decoding, self.shape)
            pixels[row] = decoded.pixels
            changes.update(decoded.changes)
        inputs = torch.from_numpy(pixels)
        labels = None if self.labels is None else torch.from_numpy(self.labels[rows])
        return Batch(inputs, labels, self.ids[rows], inputs), changes


def decode_named(
    encoded: Encoded,
    name: str,
    identity: int | str,
    decoding: Decoding,
    shape: tuple[int, ...] | None = None,
    channels: int | None = None,
) -> Decoded:
    """Decode one image of the source `name`; errors name the image.

    Raises
    ------
    DataError
        If it cannot be decoded or does not have the expected `shape`.
    """
    image_name = f"{name}: image {identity}" if isinstance(identity, str) else f"{name}: the image of row {identity}"
    # Damaged files make decoders raise any kind of error.
    with reading(image_name, Exception):
        decoded = decode(encoded, shape[0] if shape else channels, decoding)
    if shape and decoded.pixels.shape != shape:
        size, expected = ("x".join(map(str, reversed(dims[1:]))) for dims in (decoded.pixels.shape, shape))
        sideways = decoding.orientation == "apply" and decoded.pixels.shape[:0:-1] == shape[1:]
        way_out = f"{decoding.hints[TURNED]}, or " if sideways and TURNED in decoding.hints else ""
        raise DataError(
            f"{image_name} is {size} pixels, the first one is {expected}; all must have one size: {way_out}resize "
            "them, or pass a DataLoader that does"
        )
    return decoded
