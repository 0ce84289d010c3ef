"""Subsets, splits and repetitions of examples."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hashlens.data.examples import ArrayExamples, Examples
from hashlens.errors import DataError


def subset(examples: Examples, rows: int | Sequence[int] | npt.NDArray[np.integer]) -> ArrayExamples:
    """Return the first `rows` examples, or the rows listed, in that order, with their ids.

    Parameters
    ----------
    examples : Examples
        n examples.
    rows : int, or sequence of int
        The number of examples, from the first on (the others are not read), or indices from 0 to n - 1.

    Raises
    ------
    DataError
        If `rows` is empty or out of range.
    """
    count = len(examples)
    if isinstance(rows, int | np.integer):
        if not 0 < rows <= count:
            raise DataError(f"{examples.name}: requested {rows} examples, but there are {count}; request 1 to {count}")
        return examples.narrow(0, int(rows)).load()
    index = np.asarray(rows)
    if index.ndim != 1 or index.dtype.kind not in "iu" or len(index) == 0:
        raise DataError(
            f"{examples.name}: rows must be a number or a list of integers that is not empty, "
            f"received {index.dtype} of shape {index.shape}"
        )
    if index.min() < 0 or index.max() >= count:
        outside = index[(index < 0) | (index >= count)][0]
        raise DataError(f"{examples.name}: there is no row {outside}; rows are 0 to {count - 1}")
    return examples.load().select(index.astype(np.int64))


def tile(examples: Examples, n: int) -> ArrayExamples:
    """Return `n` examples by repetition, so that a small sample takes as many training steps as a large one.

    Ids repeat with the examples. The inputs are copied only if `n` is larger than the number of examples.

    Raises
    ------
    DataError
        If `n` is not positive.
    """
    if n < 1:
        raise DataError(f"{examples.name}: cannot be tiled to {n} examples; expected 1 or more")
    if n <= len(examples):
        return subset(examples, n)
    return examples.load().select(np.arange(n) % len(examples))


def split(examples: Examples, fraction: float = 0.8) -> tuple[ArrayExamples, ArrayExamples]:
    """Return the first part and the rest, without a copy: for 60,000 examples the first 48,000 and the last 12,000.

    Parameters
    ----------
    examples : Examples
        n examples.
    fraction : float
        Share of the first part, which has ``floor(fraction * n)`` examples.

    Raises
    ------
    DataError
        If a part would be empty.
    """
    # Without 1e-9, .29 * 100 would be rounded down to 28.
    first = int(np.floor(fraction * len(examples) + 1e-9))
    if not 0 < first < len(examples):
        raise DataError(
            f"{examples.name}: {fraction} of {len(examples)} examples are {first}, which leaves one part empty; "
            "expected a fraction between 0 and 1, and enough examples"
        )
    whole = examples.load()
    return whole.narrow(0, first), whole.narrow(first, None)
