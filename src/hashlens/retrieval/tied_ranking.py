"""Tied rankings: measures of a ranking with ties, averaged over all orders of the ties, in closed form.

Let a group of c codes at one distance, r of them relevant, follow C other codes, R of them relevant. In a random order
the i-th code of the group is relevant with probability r/c; then R + 1 + (i - 1)(r - 1)/(c - 1) relevant codes are
expected among the first C + i. So with a = R + 1, b = (r - 1)/(c - 1) and harmonic numbers H, the group adds

    r/c * sum_i (a + b (i - 1)) / (C + i) = r/c * (b t + (a - b (C + 1)) (H[C + t] - H[C]))

to the sum of precisions, where i runs to t = c, or to the number of codes before a cutoff. Hamming distances are small
integers: for each query, histograms of the distances of relevant and of other codes are enough.

References
----------
McSherry, Najork (2008): Computing information retrieval performance measures efficiently in the presence of tied
scores. ECIR.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled
from hashlens.retrieval.popcount import popcount

QUERIES_AT_ONCE = 16
"""Number of queries that share one pass over the codes, so that each code is read from memory once for all of them."""


@compiled
def _add_group(
    size: int, hits: int, ahead: int, ahead_hits: int, cuts: Any, harmonic: Any, relevant_counts: Any, precisions: Any
) -> None:
    """Add a group of ties to the relevant codes before each cutoff, and to the sums of precisions."""
    share = hits / size
    slope = (hits - 1) / (size - 1) if size > 1 else 0.0
    level = ahead_hits + 1 - slope * (ahead + 1)
    for i in range(cuts.size):
        counted = min(size, cuts[i] - ahead)
        if counted > 0:
            relevant_counts[i] += share * counted
            precisions[i] += share * (slope * counted + level * (harmonic[ahead + counted] - harmonic[ahead]))


@compiled
def rank_codes(
    queries: Any,
    codes: Any,
    query_classes: Any,
    classes: Any,
    distances: int,
    itself: bool,
    cuts: Any,
    harmonic: Any,
    relevant_counts: Any,
    precisions: Any,
) -> None:
    """Rank all codes for each query by Hamming distance.

    Parameters
    ----------
    queries, codes : numpy.ndarray
        uint64 ``(m, w)`` and ``(n, w)``: packed rows.
    query_classes, classes : numpy.ndarray
        int64 ``(m,)`` and ``(n,)``: classes; a code is relevant if it has the class of the query.
    distances : int
        Number of possible distances: bits + 1.
    itself : bool
        Whether each query is also one of the codes, at distance 0, and is left out.
    cuts : numpy.ndarray
        int64 ``(k,)``: cutoffs of the ranking.
    harmonic : numpy.ndarray
        float64 ``(n + 1,)``: harmonic numbers from H[0] = 0.
    relevant_counts, precisions : numpy.ndarray
        float64 ``(m, k)``, zeros: outputs, the number of relevant codes before each cutoff, and the sums of precisions
        at them.
    """
    histogram = np.empty((QUERIES_AT_ONCE, 2, distances), np.int64)
    for start in range(0, queries.shape[0], QUERIES_AT_ONCE):
        several = min(QUERIES_AT_ONCE, queries.shape[0] - start)
        histogram[:] = 0
        for j in range(codes.shape[0]):
            for q in range(several):
                differing = np.uint64(0)
                for w in range(codes.shape[1]):
                    differing += popcount(queries[start + q, w] ^ codes[j, w])
                histogram[q, np.int64(query_classes[start + q] == classes[j]), differing] += 1
        for q in range(several):
            histogram[q, 1, 0] -= itself
            ahead, ahead_hits = 0, 0
            for distance in range(distances):
                hits = histogram[q, 1, distance]
                size = histogram[q, 0, distance] + hits
                if hits > 0:
                    _add_group(
                        size, hits, ahead, ahead_hits, cuts, harmonic, relevant_counts[start + q], precisions[start + q]
                    )
                ahead += size
                ahead_hits += hits


@compiled
def rank_keys(keys: Any, cuts: Any, harmonic: Any, relevant_counts: Any, precisions: Any) -> None:
    """Evaluate rankings that are already sorted.

    Parameters
    ----------
    keys : numpy.ndarray
        uint64 ``(m, n)``, each row ascending: a code's rank key in the upper bits, and 1 in the lowest bit if it is
        relevant. Codes with the same rank key are ties.
    cuts, harmonic, relevant_counts, precisions
        As in :func:`rank_codes`.
    """
    one = np.uint64(1)
    for q in range(keys.shape[0]):
        row = keys[q]
        ahead, ahead_hits = 0, 0
        while ahead < row.size:
            end, hits = ahead, 0
            while end < row.size and row[end] >> one == row[ahead] >> one:
                hits += int(row[end] & one)
                end += 1
            if hits > 0:
                _add_group(end - ahead, hits, ahead, ahead_hits, cuts, harmonic, relevant_counts[q], precisions[q])
            ahead = end
            ahead_hits += hits
