"""Sources of images that are decoded as they are needed."""

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

from hashlens.data.decode import Decoded, Decoding, Encoded, changes_line, decode
from hashlens.data.examples import Batch
from hashlens.data.reading import reading
from hashlens.data.streamed import StreamedExamples
from hashlens.errors import DataError

_log = logging.getLogger("hashlens")


@dataclass(eq=False, kw_only=True)
class ImageExamples(StreamedExamples):
    """Images of one size, decoded to uint8 ``(c, h, w)`` on a few threads and scaled to [0, 1].

    Attributes
    ----------
    shape : tuple of int
        ``(c, h, w)``, as the first image of the source has it.
    decoding : Decoding
        How files become pixels.
    """

    name: str
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    class_names: tuple[str, ...] | None
    shape: tuple[int, ...]
    decoding: Decoding
    scale: float = 1 / 255
    # Shared with the parts of these examples: what was done to images is said once.
    _logged: set[str] = field(default_factory=set, repr=False)

    @abstractmethod
    def _encoded(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        """Yield the images of all rows in order, `batch_size` at a time."""

    def _narrow(self, start: int, stop: int) -> Self:
        labels = None if self.labels is None else self.labels[start:stop]
        return replace(self, labels=labels, ids=self.ids[start:stop])

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        workers = min(4, os.cpu_count() or 1)
        pending: deque[Future[tuple[Batch, Counter[str]]]] = deque()
        changes: Counter[str] = Counter()

        def done() -> Batch:
            batch, batch_changes = pending.popleft().result()
            changes.update(batch_changes)
            return batch

        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            start = 0
            for images in self._encoded(batch_size):
                pending.append(pool.submit(self._batch, start, images))
                start += len(images)
                # Enough ahead to keep every thread busy, and no more: memory stays that of a few batches.
                if len(pending) > workers:
                    yield done()
            while pending:
                yield done()
        if changes and not self._logged:
            self._logged.add(self.name)
            _log.warning("%s: %s", self.name, changes_line(changes, len(self)))

    def _batch(self, start: int, images: Sequence[Encoded]) -> tuple[Batch, Counter[str]]:
        rows = slice(start, start + len(images))
        pixels = np.empty((len(images), *self.shape), np.uint8)
        changes: Counter[str] = Counter()
        for row, image in enumerate(images):
            decoded = checked(image, self.name, self.ids[start + row], self.decoding, self.shape)
            pixels[row] = decoded.pixels
            changes.update(decoded.changes)
        inputs = torch.from_numpy(pixels)
        labels = None if self.labels is None else torch.from_numpy(self.labels[rows])
        return Batch(inputs, labels, self.ids[rows], inputs), changes


def checked(
    encoded: Encoded,
    name: str,
    identity: int | str,
    decoding: Decoding,
    shape: tuple[int, ...] | None = None,
    channels: int | None = None,
) -> Decoded:
    """Decode one image of the source `name`; the error says which one it is.

    Raises
    ------
    DataError
        When it cannot be decoded or does not have the expected `shape`.
    """
    image_name = f"{name}: image {identity}" if isinstance(identity, str) else f"{name}: the image of row {identity}"
    # A broken file makes the decoders stumble in ways that no list could name.
    with reading(image_name, Exception):
        decoded = decode(encoded, shape[0] if shape else channels, decoding)
    if shape and decoded.pixels.shape != shape:
        size, expected = ("x".join(map(str, reversed(dims[1:]))) for dims in (decoded.pixels.shape, shape))
        sideways = decoding.orientation == "apply" and decoded.pixels.shape[:0:-1] == shape[1:]
        way_out = "orientation=ignore takes them as stored, or " if sideways else ""
        raise DataError(
            f"{image_name} is {size} pixels, the first one is {expected}; all must have one size: {way_out}resize "
            "them, or pass a DataLoader that does"
        )
    return decoded
