"""Recall of an approximate index, and the smallest search parameter that reaches a recall."""

from collections.abc import Callable

import numpy as np

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault
from hashlens.index.exact import Distances, nearest_rows
from hashlens.index.rows import Rows
from hashlens.seeds import numpy_generator


def sampled_queries(packed: Packed, sample: int, seed: int) -> Packed:
    """Return a random sample of at most `sample` queries, in their order."""
    require_whole(IndexFault, "sample", sample)
    if len(packed) == 0:
        raise IndexFault("recall is measured on one query or more, received none")
    if len(packed) <= sample:
        return packed
    chosen = numpy_generator(seed, "index", "recall").choice(len(packed), sample, replace=False)
    return packed[np.sort(chosen)]


def recall_of(found: Callable[[int], Distances], rows: Rows, queries: Packed, k: int) -> Callable[[int], float]:
    """Return a function from a search parameter to the recall on some queries; the exact search is done only once.

    Parameters
    ----------
    found : callable
        Function from a search parameter to distances ``(m, k)``.
    rows : Rows
        The rows that are searched.
    queries : numpy.ndarray
        uint8 ``(m, row_bytes)``: packed queries.
    k : int
        Number of neighbours.
    """
    farthest = nearest_rows(rows, queries, k)[0][:, -1:]
    return lambda value: float(np.mean(found(value) <= farthest))


def smallest_value(measured: Callable[[int], float], most: int, recall: float) -> int:
    """Return the smallest search parameter, of 1, 2, 3, 4, 6, 8, 12, ... and `most`, that reaches a recall.

    Raises
    ------
    IndexFault
        If none of them does.
    """
    if not is_number(recall) or not 0 < recall <= 1:
        raise IndexFault(f"recall must be above 0 and up to 1, received {excerpt(recall)}")
    value = 1
    while (reached := measured(value)) < recall:
        if value >= most:
            raise IndexFault(
                f"the index reaches a recall of at most {reached:.4f} on these queries, but {recall} was "
                "requested: build it with a larger M and efConstruction, or as 'ivf'"
            )
        value = min(next_value(value), most)
    return value


def next_value(value: int) -> int:
    """Return the next of 1, 2, 3, 4, 6, 8, 12, 16, ...: powers of two, and the numbers halfway between them.

    >>> [next_value(value) for value in (1, 2, 3, 4, 6, 8)]
    [2, 3, 4, 6, 8, 12]
    """
    power = 1 << (value.bit_length() - 1)
    return max(value + 1, 2 * power if value > power else power + power // 2)
