"""Fingerprints: 16-byte hashes of codes, to measure determinism without keeping the codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xxhash

from hashlens.codes.layers import Layer
from hashlens.codes.packing import Packed
from hashlens.codes.provenance import Provenance
from hashlens.seeds import torch_seed

ROWS_AT_ONCE = 1 << 16
"""Number of rows of which bytes objects are made at once."""
SHORT = 256
"""Longest row, in bytes, that is hashed as a bytes object."""


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """128-bit hashes of the codes of n examples.

    Two different codes have the same fingerprint with a probability of about ``2**-128``. So the probability of any
    false collision among n rows is at most ``n**2 / 2**129``: below 1e-26 for a million rows.

    Attributes
    ----------
    hashes : numpy.ndarray
        uint64 ``(n, 2)``: the hashes.
    code_bits : int
        Number of bits of the hashed codes.
    labels, ids, provenance
        As in :class:`~hashlens.Codes`.
    method : str
        Hash function: ``xxh3-128``, or ``multilinear-128`` where the hashes were computed on an accelerator.
    """

    hashes: npt.NDArray[np.uint64]
    code_bits: int
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    provenance: Provenance
    method: str = "xxh3-128"

    def __len__(self) -> int:
        return len(self.hashes)

    def __repr__(self) -> str:
        return f"Fingerprints({len(self):,} rows of {self.code_bits:,}-bit codes, {self.provenance.model})"


def hash_rows(packed: Packed) -> npt.NDArray[np.uint64]:
    """Return the xxh3-128 hash of each packed row: uint8 ``(n, w)`` to uint64 ``(n, 2)``."""
    rows = np.ascontiguousarray(packed)
    width = rows.shape[1]
    digests: list[bytes] = []
    if width == 0:
        return np.zeros((len(rows), 2), np.uint64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[start : start + ROWS_AT_ONCE]
        # Short rows are hashed in less time if they are bytes objects, long ones if they are arrays.
        digests += map(xxhash.xxh3_128_digest, block.view(f"V{width}").ravel().tolist() if width <= SHORT else block)
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


def hash_padded_rows(packed: Packed, layers: Sequence[Layer]) -> npt.NDArray[np.uint64]:
    """Return hashes that do not depend on the number of zeros that each layer is padded with.

    Rows of token sequences are padded to the longest sequence of their batch. The same example has the same hash in
    every batch; two hashes are equal if the rows are equal after padding to a common length.
    """
    hashes = []
    for row in packed:
        hasher = xxhash.xxh3_128()
        for layer in layers:
            content = row[layer.byte_slice].tobytes().rstrip(b"\0")
            hasher.update(len(content).to_bytes(8, "little") + content)
        hashes.append(hasher.digest())
    return np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 2)


def multilinear_keys(width: int) -> torch.Tensor:
    """Return the fixed keys of :func:`hash_rows_torch` for rows of `width` 32-bit words, int64 ``(4, width + 1)``."""
    generator = torch.Generator().manual_seed(torch_seed(0, "multilinear"))
    return torch.randint(-(2**63), 2**63 - 1, (4, width + 1), generator=generator, dtype=torch.int64)


def hash_rows_torch(words: torch.Tensor, keys: torch.Tensor | None = None) -> torch.Tensor:
    """Return a multilinear hash of each row, computed on the device of the rows.

    It consists of four independent functions ``(a_0 + sum a_i w_i mod 2**64) >> 32`` of the 32-bit words ``w_i`` of a
    row, with fixed 64-bit keys. Each is strongly universal, so two different rows agree in all four with probability
    ``2**-128`` over the choice of keys.

    Parameters
    ----------
    words : torch.Tensor
        int32 ``(n, w)``: the rows.
    keys : torch.Tensor, optional
        Result of :func:`multilinear_keys` for w, on the device of `words`. Pass it to reuse the keys for many batches.

    Returns
    -------
    torch.Tensor
        int64 ``(n, 2)``, the four 32-bit hashes side by side.

    References
    ----------
    Lemire, Kaser (2014): Strongly universal string hashing is fast. The Computer Journal 57(11).
    """
    width = words.shape[1]
    keys = multilinear_keys(width).to(words.device) if keys is None else keys
    totals = keys[:, 0].expand(len(words), 4).clone()
    for start in range(0, width, 4096):
        part = words[:, start : start + 4096].to(torch.int64) & 0xFFFFFFFF
        for k in range(4):
            totals[:, k] += (part * keys[k, 1 + start : 1 + start + part.shape[1]]).sum(dim=1)
    high = (totals >> 32) & 0xFFFFFFFF
    return torch.stack([high[:, 0] | (high[:, 1] << 32), high[:, 2] | (high[:, 3] << 32)], dim=1)
