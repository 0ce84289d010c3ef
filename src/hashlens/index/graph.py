"""HNSW: rows in a graph of neighbours; a search walks towards the query."""

from pathlib import Path
from typing import Any

from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault
from hashlens.index.exact import Distances, Numbers
from hashlens.index.library import load_faiss
from hashlens.index.rows import Rows
from hashlens.index.searcher import checked_options

FILE = "graph.faiss"
NEIGHBOURS, CONSTRUCTION_CANDIDATES, SEARCH_CANDIDATES = 32, 80, 64
MOST_NEIGHBOURS = 1024
"""More would take a row 8 KiB and more, for nothing."""


class Graph:
    """Rows in a hierarchical navigable small-world graph, a ``faiss.IndexBinaryHNSW``.

    Parameters
    ----------
    index : faiss.IndexBinaryHNSW
        The graph, with a copy of the rows.
    efSearch : int
        Candidates that a search keeps while it walks.
    seed : int
        That of the levels.

    References
    ----------
    Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world
    graphs", 2018.
    """

    parameter = "efSearch"

    def __init__(self, index: Any, efSearch: int, seed: int) -> None:
        self.index, self.value, self.seed = index, efSearch, seed

    @classmethod
    def empty(cls, rows: Rows, **arguments: Any) -> "Graph":
        """Return a graph for rows of this width.

        Parameters
        ----------
        rows : Rows
            They are not added yet.
        M : int, optional
            Neighbours of a row in the graph, 32 by default and 1,024 at most, twice as many on the lowest level.
        efConstruction : int, optional
            Candidates kept while a row is linked, 80 by default.
        efSearch : int, optional
            Candidates kept in a search, 64 by default.
        seed : int, optional
            Of the levels that rows are on.
        """
        faiss = load_faiss()

        options = checked_options("hnsw", arguments, {"M": 2, "efConstruction": 1, "efSearch": 1, "seed": 0})
        neighbours = options["M"] or NEIGHBOURS
        if neighbours > MOST_NEIGHBOURS:
            raise IndexFault(f"M must be at most {MOST_NEIGHBOURS:,}, received {neighbours:,}")
        index = faiss.IndexBinaryHNSW(rows.row_bytes * 8, neighbours)
        index.hnsw.efConstruction = options["efConstruction"] or CONSTRUCTION_CANDIDATES
        seed = options["seed"] or 0
        index.hnsw.rng = faiss.RandomGenerator(seed % (1 << 63))
        return cls(index, options["efSearch"] or SEARCH_CANDIDATES, seed)

    @property
    def most(self) -> int:
        """As many candidates as there are rows."""
        return max(1, int(self.index.ntotal))

    def add(self, packed: Packed) -> None:
        """Link rows into the graph."""
        self.index.add(packed)

    def search(self, queries: Packed, k: int, value: int) -> tuple[Distances, Numbers]:
        """Walk the graph; see :class:`~hashlens.index.searcher.Searcher`."""
        # Room for all candidates is taken at once: more of them than rows would only take memory.
        self.index.hnsw.efSearch = max(min(value, self.most), k)
        distances, numbers = self.index.search(queries, k)
        return distances, numbers

    def options(self) -> dict[str, int]:
        """Return neighbours of a row, candidates while linking and while searching, and the seed."""
        graph = self.index.hnsw
        return {
            "M": graph.nb_neighbors(1),
            "efConstruction": graph.efConstruction,
            "efSearch": self.value,
            "seed": self.seed,
        }

    def write(self, folder: Path, rows: Rows) -> None:
        """Write the graph as FAISS does; one that holds nothing yet is given all rows first."""
        faiss = load_faiss()

        if self.index.ntotal == 0:
            for _, block in rows.blocks():
                self.add(block)
        faiss.write_index_binary(self.index, str(folder / FILE))

    @classmethod
    def read(cls, folder: Path, rows: Rows, efSearch: int, seed: int, **_: int) -> "Graph":
        """Read the graph of a folder into memory."""
        faiss = load_faiss()

        index = faiss.read_index_binary(str(folder / FILE))
        if (index.ntotal, index.d) != (len(rows), rows.row_bytes * 8):
            raise ValueError("its graph and its rows contradict each other")
        return cls(index, efSearch, seed)
