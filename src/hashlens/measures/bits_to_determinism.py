"""Number of randomly chosen units that are enough to give (nearly) every example its own code."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from hashlens.arguments import excerpt, is_number
from hashlens.codes.codes import CHUNK_BYTES, Codes
from hashlens.codes.packing import WORD_BITS, pack_bits, packed_bytes
from hashlens.errors import MeasureError
from hashlens.measures.determinism import redundancy_ratio, require_rows
from hashlens.measures.grouping import Words, group_words, keys_of
from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import number, table


@dataclass(frozen=True)
class BitsToDeterminism(Result):
    """Redundancy ratio R as a function of the number of randomly chosen bits.

    Attributes
    ----------
    bits : int or None
        Smallest number of bits at which R <= threshold; None if R of the whole code is above it.
    threshold : float
        Requested R.
    code_bits : int
        Number of bits of the whole code.
    curve : tuple of (int, float)
        Numbers of bits that were tried, ascending, and R at each; the last is the whole code.
    """

    bits: int | None
    threshold: float
    code_bits: int
    curve: tuple[tuple[int, float], ...]

    def __rich__(self) -> RenderableType:
        result = "not with all bits" if self.bits is None else f"with {self.bits:,} of {self.code_bits:,} bits"
        rows = [(number(bits), number(ratio)) for bits, ratio in self.curve]
        return table(f"R <= {self.threshold:g} {result}", ("random bits", "R"), rows)


def bits_to_determinism(codes: Codes, threshold: float = 0.01, seed: int = 0) -> BitsToDeterminism:
    """Find the smallest number of randomly chosen bits at which the redundancy ratio R is at most `threshold`.

    Bits are added in one random order, so R never increases; the number is found by doubling, then by bisection.

    Parameters
    ----------
    codes : Codes
        n rows.
    threshold : float
        Requested R, in [0, 1].
    seed : int
        Seed of the random order.

    Raises
    ------
    MeasureError
        If there are no rows or no bits, or the threshold is not in [0, 1].
    """
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise MeasureError(f"threshold must be a redundancy ratio in [0, 1], received {excerpt(threshold)}")
    require_rows(codes)
    if codes.code_bits == 0:
        raise MeasureError("bits_to_determinism needs codes of at least one bit, received none")
    order = numpy_generator(seed, "bits to determinism").permutation(codes.code_bits)
    full_ratio = redundancy_ratio(codes)
    tried = {codes.code_bits: full_ratio}
    lower, upper = 0, 1
    while True:
        upper = min(upper, codes.code_bits)
        words = chosen_bits(codes, order[:upper])
        tried.setdefault(upper, ratio_of_first(words, upper))
        if tried[upper] <= threshold or upper == codes.code_bits:
            break
        lower, upper = upper, 2 * upper
    bits = upper if tried[upper] <= threshold else None
    while bits is not None and bits - lower > 1:
        middle = (lower + bits) // 2
        tried[middle] = ratio_of_first(words, middle)
        lower, bits = (lower, middle) if tried[middle] <= threshold else (middle, bits)
    return BitsToDeterminism(bits, threshold, codes.code_bits, tuple(sorted(tried.items())))


def chosen_bits(codes: Codes, positions: npt.NDArray[np.int64]) -> Words:
    """Return the bits at `positions` ``(b,)`` of each code, in that order, packed: uint64 ``(n, ceil(b / 64))``."""
    in_row = np.concatenate([layer.start + np.arange(layer.bits) for layer in codes.layers])[positions]
    packed = np.empty((len(codes), packed_bytes(len(positions))), np.uint8)
    step = max(1, CHUNK_BYTES // len(positions))
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        bits = codes.packed[rows, in_row >> 3] >> (in_row & 7).astype(np.uint8) & 1
        packed[rows] = pack_bits(bits.astype(np.bool_))
    return packed.view(np.uint64)


def ratio_of_first(rows: Words, bits: int) -> float:
    """Return R of the first `bits` bits of each row of words, uint64 ``(n, w)``."""
    first = rows[:, : -(-bits // WORD_BITS)].copy()
    first[:, -1] &= np.uint64(2 ** (bits - WORD_BITS * (first.shape[1] - 1)) - 1)
    groups = group_words(first, keys_of(first) if first.shape[1] > 1 else first[:, 0])
    return (len(rows) - len(groups)) / len(rows)
