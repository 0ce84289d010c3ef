"""Packed row: the packed bits of all gates of a batch side by side, written in place once the widths are known."""

from itertools import accumulate
from typing import Any

import numpy as np
import torch

from hashlens.codes.packing import Packed


class PackedRow:
    """Parts of rows, collected gate by gate.

    Allocating memory costs several times as much as reading memory that is in use. So if the parts are as wide as in
    the batch before, they are written directly into the whole row instead of being joined afterwards.
    """

    def __init__(self) -> None:
        self._widths: list[int] = []
        self._ends: list[int] = []
        self.start()

    def start(self) -> None:
        """Start a new batch."""
        self._parts: list[Any] = []
        self._buffer: Packed | None = None

    def next_part(self, n: int, width: int) -> Packed:
        """Return zeros for the next part, uint8 ``(n, width)``, to be filled and appended."""
        index = len(self._parts)
        if self._widths[index : index + 1] != [width]:
            return np.zeros((n, width), np.uint8)
        if self._buffer is None:
            self._buffer = np.zeros((n, self._ends[-1]), np.uint8)
        return self._buffer[:, self._ends[index] - width : self._ends[index]]

    def append(self, part: Packed | torch.Tensor) -> None:
        """Append the next part."""
        self._parts.append(part)

    def join(self) -> Packed | torch.Tensor:
        """Return the rows of the batch, uint8 ``(n, ...)``; a tensor on an accelerator."""
        parts, earlier_widths = self._parts, self._widths
        if isinstance(parts[0], torch.Tensor):
            return torch.cat(parts, dim=1)
        self._widths = [part.shape[1] for part in parts]
        self._ends = list(accumulate(self._widths))
        if self._buffer is None or self._widths != earlier_widths:
            return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        for part, end in zip(parts, self._ends, strict=True):
            if part.base is not self._buffer:
                self._buffer[:, end - part.shape[1] : end] = part
        return self._buffer
