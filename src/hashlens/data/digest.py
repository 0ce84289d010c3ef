"""Digest of examples, whole or in pieces, so that a result can identify its data."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xxhash


def _leaves(inputs: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each tensor in nested dicts and lists with its path."""
    if isinstance(inputs, Mapping):
        inputs = list(inputs.items())
    elif isinstance(inputs, list | tuple):
        inputs = list(enumerate(inputs))
    else:
        yield path, inputs
        return
    for key, item in inputs:
        yield from _leaves(item, f"{path}/{key}")


class ExamplesDigest:
    """xxh3-128 of inputs and labels; it does not depend on how the inputs are divided into pieces."""

    def __init__(self) -> None:
        self._hashers: dict[str, xxhash.xxh3_128] = {}
        self._forms: dict[str, str] = {}

    def add(self, inputs: Any) -> None:
        """Add the next inputs: a tensor ``(b, ...)``, or tensors in nested dicts and lists."""
        for path, leaf in _leaves(inputs):
            hasher = self._hashers.setdefault(path, xxhash.xxh3_128())
            if isinstance(leaf, torch.Tensor):
                self._forms.setdefault(path, f"{tuple(leaf.shape[1:])} {leaf.dtype}")
                hasher.update(leaf.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
            else:
                hasher.update(repr(leaf).encode())

    def finish(self, scale: float, labels: npt.NDArray[np.int64] | None) -> str:
        """Return the digest of all inputs added, their `scale` and the `labels`, as 32 hexadecimal digits."""
        total = xxhash.xxh3_128(f"{scale}".encode())
        for path in sorted(self._hashers):
            total.update(f" {path} {self._forms.get(path)} ".encode() + self._hashers[path].digest())
        if labels is not None:
            total.update(np.ascontiguousarray(labels).data)
        return total.hexdigest()


def tensor_digest(tensor: torch.Tensor) -> str:
    """Return the digest of the values, dtype and shape of a tensor, as 32 hexadecimal digits."""
    digest = ExamplesDigest()
    digest.add(tensor)
    return digest.finish(1.0, None)
