"""Decorrelation: a greedy choice of bits with high variance and low correlation to those chosen before.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled
from hashlens.retrieval.popcount import popcount


@compiled
def choose_decorrelated(columns: Any, rows: int, chosen: Any) -> None:
    """Choose bits by variance times 1 - the largest squared correlation with a bit chosen before.

    Co-occurrences are counted on packed words, so that a step over d candidates reads d / 8 bytes for each row.

    Parameters
    ----------
    columns : numpy.ndarray
        uint64 ``(d, w)``: each candidate bit over all rows, 64 rows to a word, padded with zeros.
    rows : int
        Number of rows, at least one.
    chosen : numpy.ndarray
        int64 ``(b,)``, b <= d: output, the positions of the chosen bits, in order. Of equal bits the lowest comes
        first.
    """
    candidates = columns.shape[0]
    mean = np.empty(candidates)
    for j in range(candidates):
        ones = np.uint64(0)
        for w in range(columns.shape[1]):
            ones += popcount(columns[j, w])
        mean[j] = ones / rows
    variance = mean * (1 - mean)
    similarity = np.zeros(candidates)
    free = np.ones(candidates, np.bool_)
    for step in range(chosen.size):
        best = -1
        for j in range(candidates):
            if free[j] and (
                best < 0 or variance[j] * (1 - similarity[j]) > variance[best] * (1 - similarity[best]) + 1e-12
            ):
                best = j
        chosen[step] = best
        free[best] = False
        if variance[best] == 0:  # then all remaining bits have variance 0 too
            continue
        for j in range(candidates):
            if free[j] and variance[j] > 0:
                both = np.uint64(0)
                for w in range(columns.shape[1]):
                    both += popcount(columns[j, w] & columns[best, w])
                covariance = both / rows - mean[j] * mean[best]
                similarity[j] = max(similarity[j], covariance * covariance / (variance[j] * variance[best]))
