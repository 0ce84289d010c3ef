"""Exact search: every row is compared, block by block, directly on the memory map."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Int32, Int64, UInt8

from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault
from hashlens.index.library import load_faiss
from hashlens.index.rows import Rows

Distances = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]
MAX_PAIRS = 1 << 27
"""Largest number of results of a range search; with more, the radius is too large to be useful or fit in memory."""


def nearest_rows(
    rows: Rows, queries: UInt8[Packed, "m {rows.row_bytes}"], k: int
) -> tuple[Int32[Distances, "m {k}"], Int64[Numbers, "m {k}"]]:
    """Find the k rows nearest to each query; of rows at the same distance, the lower row number comes first.

    Whole rows in one part are searched directly on the packed bits. Otherwise blocks are searched one after another and
    the k best are kept, so that memory holds one block.

    Parameters
    ----------
    rows : Rows
        n rows to search.
    queries : numpy.ndarray
        uint8 ``(m, row_bytes)``: packed queries.
    k : int
        Number of neighbours, 1 <= k <= n.

    Returns
    -------
    distances : numpy.ndarray
        int32 ``(m, k)``, ascending, in bits.
    numbers : numpy.ndarray
        int64 ``(m, k)``, row numbers.
    """
    faiss = load_faiss()

    best: tuple[Distances, Numbers] = np.empty((len(queries), 0), np.int32), np.empty((len(queries), 0), np.int64)
    if len(queries) == 0:
        return np.empty((0, k), np.int32), np.empty((0, k), np.int64)
    for first, block in rows.blocks(whole=True):
        distances, numbers = faiss.knn_hamming(queries, block, min(k, len(block)), variant="hc")
        if first:
            numbers += first
        best = (distances, numbers) if best[0].shape[1] == 0 else _merge(best, (distances, numbers), k)
    return best


def _merge(best: tuple[Distances, Numbers], found: tuple[Distances, Numbers], k: int) -> tuple[Distances, Numbers]:
    """Return the k nearest of both; `found` has higher row numbers, so a stable sort breaks ties correctly."""
    distances = np.concatenate([best[0], found[0]], axis=1)
    numbers = np.concatenate([best[1], found[1]], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(numbers, order, axis=1)


def rows_within(
    rows: Rows, queries: UInt8[Packed, "m {rows.row_bytes}"], radius: int
) -> tuple[Int64[Numbers, " m+1"], Int32[Distances, " found"], Int64[Numbers, " found"]]:
    """Find all rows within `radius` bits of each query.

    Returns
    -------
    limits : numpy.ndarray
        int64 ``(m + 1,)``: the results of query i are at ``limits[i]:limits[i + 1]``.
    distances : numpy.ndarray
        int32, ascending for each query.
    numbers : numpy.ndarray
        int64, row numbers, ascending where distances tie.

    References
    ----------
    FAISS, ``hamming_range_search``, which finds rows at a distance strictly below the radius.
    """
    faiss = load_faiss()

    found: list[tuple[Numbers, Distances, Numbers]] = []
    total = 0
    for first, block in rows.blocks(whole=True):
        result = faiss.RangeSearchResult(len(queries))
        faiss.hamming_range_search(
            faiss.swig_ptr(queries), faiss.swig_ptr(block), len(queries), len(block), radius + 1, rows.row_bytes, result
        )
        limits = faiss.rev_swig_ptr(result.lims, len(queries) + 1).astype(np.int64)
        count = int(limits[-1])
        total += count
        if total > MAX_PAIRS:
            raise IndexFault(
                f"more than {MAX_PAIRS:,} pairs lie within a radius of {radius:,} bits: give a smaller radius or "
                "fewer queries"
            )
        if count:
            query_numbers = np.repeat(np.arange(len(queries)), np.diff(limits))
            distances = faiss.rev_swig_ptr(result.distances, count).astype(np.int32)
            found.append((query_numbers, distances, faiss.rev_swig_ptr(result.labels, count) + first))
    if not found:
        return np.zeros(len(queries) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64)
    query_numbers, distances, numbers = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((numbers, distances, query_numbers))
    limits = np.concatenate([[0], np.cumsum(np.bincount(query_numbers, minlength=len(queries)))])
    return limits, distances[order], numbers[order]
