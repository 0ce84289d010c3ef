"""Exact grouping of rows by equal code: a sort of 64-bit hashes, checked word by word."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.codes.codes import CHUNK_BYTES, Codes
from hashlens.codes.fingerprint import Fingerprints, hash_rows

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows grouped by equal code.

    Attributes
    ----------
    order : numpy.ndarray
        int64 ``(n,)``: rows, group by group, ascending within a group.
    starts : numpy.ndarray
        int64 ``(g + 1,)``: group i is ``order[starts[i]:starts[i + 1]]``.
    """

    order: Rows
    starts: Rows

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Rows:
        """Number of rows of each group, int64 ``(g,)``."""
        return np.diff(self.starts)

    @property
    def firsts(self) -> Rows:
        """First row of each group, int64 ``(g,)``."""
        return self.order[self.starts[:-1]]

    def of_rows(self) -> Rows:
        """Return the group of each row, int64 ``(n,)``."""
        groups = np.empty(len(self.order), np.int64)
        groups[self.order] = np.repeat(np.arange(len(self)), self.sizes)
        return groups


def group_rows(codes: Codes | Fingerprints) -> Groups:
    """Group the rows of codes, or of their fingerprints, by equality."""
    if isinstance(codes, Fingerprints):
        return group_words(codes.hashes, codes.hashes[:, 0])
    words = codes.words
    return group_words(words, words[:, 0] if words.shape[1] == 1 else keys_of(words))


def keys_of(words: Words) -> Words:
    """Return a 64-bit hash of each row: uint64 ``(n, w)`` to ``(n,)``."""
    keys = np.empty(len(words), np.uint64)
    step = max(1, CHUNK_BYTES // (8 * max(1, words.shape[1])))
    for start in range(0, len(words), step):
        keys[start : start + step] = hash_rows(words[start : start + step].view(np.uint8))[:, 0]
    return keys


def group_words(words: Words, keys: Words) -> Groups:
    """Group equal rows of words.

    Rows are sorted by their keys. Neighbours with equal keys are then compared in full, so that the groups are exact
    even if different rows have equal keys.

    Parameters
    ----------
    words : numpy.ndarray
        uint64 ``(n, w)``: the rows.
    keys : numpy.ndarray
        uint64 ``(n,)``: a hash of each row.
    """
    rows, width = words.shape
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    if width > 1:
        suspects = np.flatnonzero(same)
        if not _neighbours_equal(words, order, suspects):
            return _group_by_all_words(words)
    starts = np.concatenate([np.flatnonzero(np.concatenate([np.ones(min(rows, 1), np.bool_), ~same])), [rows]])
    return Groups(order, starts)


def _neighbours_equal(words: Words, order: Rows, positions: Rows) -> bool:
    """Return whether row ``order[i]`` equals row ``order[i + 1]`` for every i of `positions`."""
    step = max(1, CHUNK_BYTES // (8 * max(1, words.shape[1])))
    for start in range(0, len(positions), step):
        block = positions[start : start + step]
        if not np.array_equal(words[order[block]], words[order[block + 1]]):
            return False
    return True


def _group_by_all_words(words: Words) -> Groups:
    """Group by a sort of whole rows: slow, and needed only if two different rows have the same key."""
    order = np.lexsort(words.T[::-1])
    ordered = words[order]
    different = (ordered[1:] != ordered[:-1]).any(axis=1)
    starts = np.concatenate([[0], np.flatnonzero(different) + 1, [len(words)]])
    return Groups(order, starts)
