"""Bits to bytes and back: little bit order, every span padded with zeros to 64 bits.

Zero padding does not change Hamming distances, and makes every row, and every layer of a row, whole uint64 words.
"""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int64, UInt8

Packed = npt.NDArray[np.uint8]
WORD_BITS = 64
WORD_BYTES = 8
BLOCK = 1 << 18
"""Number of values compared and packed at a time with two breakpoints, so that they stay in the cache of a core."""


def packed_bytes(bits: int) -> int:
    """Return the number of bytes of a span of `bits` bits: whole words of 8 bytes.

    >>> [packed_bytes(bits) for bits in (0, 1, 64, 65)]
    [0, 8, 8, 16]
    """
    return -(-bits // WORD_BITS) * WORD_BYTES


def pack_bits(
    bits: Bool[npt.NDArray[np.bool_], "n d"], out: UInt8[Packed, "n bytes"] | None = None
) -> UInt8[Packed, "n bytes"]:
    """Pack rows of bits.

    Parameters
    ----------
    bits : numpy.ndarray
        bool ``(n, d)``: the bits.
    out : numpy.ndarray, optional
        uint8 ``(n, packed_bytes(d))`` to write into; its padding must be zero already. By default a new array.

    Returns
    -------
    numpy.ndarray
        uint8 ``(n, packed_bytes(d))``.

    >>> pack_bits(np.array([[True, False, True]]))[0, :2].tolist()
    [5, 0]
    """
    packed = np.packbits(bits, axis=1, bitorder="little")
    if out is None:
        if packed.shape[1] == packed_bytes(bits.shape[1]) and packed.flags.c_contiguous:
            return packed
        out = np.zeros((len(bits), packed_bytes(bits.shape[1])), np.uint8)
    out[:, : packed.shape[1]] = packed
    return out


def pack_two_breakpoints(
    values: Float[npt.NDArray[np.floating], "n d"],
    low: float,
    high: float,
    out: UInt8[Packed, "n bytes"] | None = None,
) -> UInt8[Packed, "n bytes"]:
    """Compare values with two breakpoints and pack the bits: for each value first ``> low``, then ``> high``.

    Each block is read from memory once. Writing comparisons into every other byte would take as long as eight passes.

    Parameters
    ----------
    values : numpy.ndarray
        Floating-point ``(n, d)``: the values.
    low, high : float
        The breakpoints.
    out : numpy.ndarray, optional
        uint8 ``(n, packed_bytes(2 d))`` of zeros to write into. By default a new array.

    Returns
    -------
    numpy.ndarray
        uint8 ``(n, packed_bytes(2 d))``.

    >>> unpack_bits(pack_two_breakpoints(np.array([[-1.0, 3.0, 7.0]]), 0.0, 6.0), 6).astype(int).tolist()
    [[0, 0, 1, 0, 1, 1]]
    """
    n, d = values.shape
    if out is None:
        out = np.zeros((n, packed_bytes(2 * d)), np.uint8)
    rows = max(1, BLOCK // max(d, 1))
    scratch = np.empty(min(n, rows) * min(d, BLOCK), np.bool_)
    for row in range(0, n, rows):
        for column in range(0, d, BLOCK):
            block = values[row : row + rows, column : column + BLOCK]
            compared = scratch[: block.size].reshape(block.shape)
            above_low, above_high = (
                _spread(np.packbits(np.greater(block, breakpoint, out=compared), axis=1, bitorder="little"))
                for breakpoint in (low, high)
            )
            above_high <<= 1
            words = above_low
            words |= above_high
            byte = column * 2 // 8
            packed = words.astype("<u2", copy=False).view(np.uint8)[:, : out.shape[1] - byte]
            out[row : row + rows, byte : byte + packed.shape[1]] = packed
    return out


def _spread(packed: Packed) -> npt.NDArray[np.uint16]:
    """Move the bits of each byte to the even bits of a 16-bit word: uint8 ``(n, w)`` to uint16 ``(n, w)``."""
    wide = packed.astype(np.uint16)
    for shift, mask in ((4, 0x0F0F), (2, 0x3333), (1, 0x5555)):
        wide |= wide << shift
        wide &= mask
    return wide


def unpack_bits(packed: UInt8[Packed, "n bytes"], bits: int) -> Bool[npt.NDArray[np.bool_], "n {bits}"]:
    """Undo :func:`pack_bits`: bool ``(n, bits)`` from uint8 ``(n, packed_bytes(bits))``."""
    return np.unpackbits(packed, axis=1, count=bits, bitorder="little").view(np.bool_)


def pack_bits_torch(bits: Bool[torch.Tensor, "n d"]) -> UInt8[torch.Tensor, "n bytes"]:
    """Pack rows of bits on their own device, for tensors on an accelerator.

    Parameters
    ----------
    bits : torch.Tensor
        bool ``(n, d)``: the bits.

    Returns
    -------
    torch.Tensor
        uint8 ``(n, packed_bytes(d))``, the same bytes as :func:`pack_bits`.
    """
    n, d = bits.shape
    whole = torch.nn.functional.pad(bits.to(torch.uint8), (0, packed_bytes(d) * 8 - d))
    # 8 bytes of 0 or 1, read as one integer; the multiplication gathers them in its top byte, first byte lowest.
    gathered = whole.view(n, packed_bytes(d), 8).view(torch.int64) * 0x0102040810204080
    return (gathered >> 56).to(torch.uint8).view(n, packed_bytes(d))


def hamming(a: UInt8[Packed, "*#n w"], b: UInt8[Packed, "*#n w"]) -> Int64[npt.NDArray[np.int64], "*#n"]:
    """Return the Hamming distances, in bits, of packed rows that broadcast: uint8 ``(..., w)`` to int64 ``(...)``.

    >>> hamming(pack_bits(np.array([[True, True]])), pack_bits(np.array([[False, True]]))).tolist()
    [1]
    """
    distances: npt.NDArray[np.int64] = np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)
    return distances
