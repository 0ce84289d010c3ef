"""Results of searches: neighbours, and rows within a radius."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64

from hashlens.files import write_columns
from hashlens.report.figures import Figure, Histogram
from hashlens.result import Result
from hashlens.tables import Table, table

SHOWN_QUERIES, SHOWN_NEIGHBOURS = 10, 5
BINS = 40


@dataclass(frozen=True, eq=False)
class Neighbours(Result):
    """The k rows nearest to each of m queries.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(m, k)``: identifiers, nearest first; of rows at the same distance, the lower row number comes
        first.
    distances : numpy.ndarray
        ``(m, k)``: distances, int32 in bits; float64 if layers are weighted.
    rows : numpy.ndarray
        int64 ``(m, k)``: row numbers in the index.
    query_ids : numpy.ndarray
        ``(m,)``: identifiers of the queries.
    method : str
        Method of search, in words.
    proven : numpy.ndarray or None
        bool ``(m,)``, for weighted layers: whether it is certain that no other row is nearer than those found.
    """

    ids: npt.NDArray[Any]
    distances: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    query_ids: npt.NDArray[Any]
    method: str = "exact"
    proven: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Neighbours({len(self.ids):,} queries, {self.ids.shape[1]} nearest each, {self.method})"

    def __rich__(self) -> Table:
        shown = [
            (str(query), *_cells(ids, distances))
            for query, ids, distances in zip(self.query_ids[:SHOWN_QUERIES], self.ids, self.distances, strict=False)
        ]
        ranks = [f"rank {rank}" for rank in range(1, min(SHOWN_NEIGHBOURS, self.ids.shape[1]) + 1)]
        title = f"{self.ids.shape[1]} nearest codes of {len(self):,} queries, {self.method}: id (distance)"
        return table(title, ("query", *ranks), shown, _shown(len(self), self.ids.shape[1]))

    def to_csv(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a line for each neighbour, with the columns query, rank (from 1), id and distance; return the path."""
        m, k = self.ids.shape
        return write_columns(
            path,
            {
                "query": np.repeat(self.query_ids, k),
                "rank": np.tile(np.arange(1, k + 1), m),
                "id": self.ids.ravel(),
                "distance": self.distances.ravel(),
            },
            overwrite=overwrite,
        )

    def figures(self) -> tuple[Figure, ...]:
        """Return histograms of the distances of the nearest and of the last neighbour."""
        m, k = self.distances.shape
        if m == 0 or k == 0:
            return ()
        most, weighted = float(self.distances.max()), self.distances.dtype.kind == "f"
        # Distances are integers, so bins are not narrower than one bit.
        bins = BINS if weighted else min(BINS, int(most) + 1)
        edges = np.linspace(0, most + (0 if weighted and most else 1), bins + 1)
        ranks = {"nearest": 0} if k == 1 else {"nearest": 0, f"number {k}": k - 1}
        shares = tuple(
            (name, tuple((np.histogram(self.distances[:, rank], edges)[0] / m).tolist()))
            for name, rank in ranks.items()
        )
        result = tuple(edges.tolist())
        return (Histogram("Distances of the neighbours", "distance", result, shares, "share of queries"),)


@dataclass(frozen=True, eq=False)
class WithinRadius(Result):
    """All rows within a radius of each of m queries.

    Attributes
    ----------
    limits : numpy.ndarray
        int64 ``(m + 1,)``: the results of query i are at ``limits[i]:limits[i + 1]`` of the other arrays.
    ids : numpy.ndarray
        int64 or str: identifiers, nearest first for each query.
    distances : numpy.ndarray
        int32: distances in bits.
    rows : numpy.ndarray
        int64: row numbers in the index.
    query_ids : numpy.ndarray
        ``(m,)``: identifiers of the queries.
    radius : int
        Radius in bits, inclusive.
    """

    limits: npt.NDArray[np.int64]
    ids: npt.NDArray[Any]
    distances: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    query_ids: npt.NDArray[Any]
    radius: int

    def __len__(self) -> int:
        return len(self.query_ids)

    def __getitem__(self, query: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
        """Return the ids and the distances of the rows found for one query."""
        query = range(len(self))[query]
        place = slice(self.limits[query], self.limits[query + 1])
        return self.ids[place], self.distances[place]

    def __repr__(self) -> str:
        return f"WithinRadius({len(self):,} queries, {len(self.ids):,} rows within {self.radius:,} bits)"

    @property
    def counts(self) -> Int64[npt.NDArray[np.int64], " {len(self)}"]:
        """Number of rows found for each query, int64 ``(m,)``."""
        return np.diff(self.limits)

    def __rich__(self) -> Table:
        shown = []
        for query in range(min(SHOWN_QUERIES, len(self))):
            near = ", ".join(_cells(*self[query]))
            shown.append((str(self.query_ids[query]), f"{self.counts[query]:,}", near))
        title = f"{len(self.ids):,} codes within {self.radius:,} bits of {len(self):,} queries: id (distance)"
        most = int(self.counts.max(initial=0))
        return table(title, ("query", "found", "nearest"), shown, _shown(len(self), most))

    def to_csv(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a line for each row found, with the columns query, rank (from 1), id and distance; return the path."""
        ranks = np.arange(1, len(self.ids) + 1) - np.repeat(self.limits[:-1], self.counts)
        query = np.repeat(self.query_ids, self.counts)
        columns = {"query": query, "rank": ranks, "id": self.ids, "distance": self.distances}
        return write_columns(path, columns, overwrite=overwrite)


def _cells(ids: Sequence[Any] | npt.NDArray[Any], distances: npt.NDArray[Any]) -> list[str]:
    return [f"{one} ({distance:g})" for one, distance in zip(ids[:SHOWN_NEIGHBOURS], distances, strict=False)]


def _shown(queries: int, neighbours: int) -> str:
    if queries <= SHOWN_QUERIES and neighbours <= SHOWN_NEIGHBOURS:
        return ""
    return f"The first {SHOWN_NEIGHBOURS} of the first {SHOWN_QUERIES} queries at most; to_csv writes all of them."
