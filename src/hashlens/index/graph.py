"""HNSW: approximate search in a graph of neighbours."""

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
MAX_NEIGHBOURS = 1024
"""Largest number of neighbours; more would take 8 KiB or more per row, without benefit."""


class Graph:
    """Rows in a hierarchical navigable small-world graph, a ``faiss.IndexBinaryHNSW``.

    Parameters
    ----------
    index : faiss.IndexBinaryHNSW
        The graph, with a copy of the rows.
    efSearch : int
        Number of candidates kept in a search.
    seed : int
        Seed of the levels.

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
        """Return an empty graph for rows of this width.

        Parameters
        ----------
        rows : Rows
            Rows whose width is used; they are not added.
        M : int, optional
            Number of neighbours of a row in the graph, 32 by default and 1,024 at most; twice as many on the lowest
            level.
        efConstruction : int, optional
            Number of candidates kept while a row is added, 80 by default.
        efSearch : int, optional
            Number of candidates kept in a search, 64 by default.
        seed : int, optional
            Seed of the levels of rows.
        """
        faiss = load_faiss()

        options = checked_options("hnsw", arguments, {"M": 2, "efConstruction": 1, "efSearch": 1, "seed": 0})
        neighbours = options["M"] or NEIGHBOURS
        if neighbours > MAX_NEIGHBOURS:
            raise IndexFault(f"M must be at most {MAX_NEIGHBOURS:,}, received {neighbours:,}")
        index = faiss.IndexBinaryHNSW(rows.row_bytes * 8, neighbours)
        index.hnsw.efConstruction = options["efConstruction"] or CONSTRUCTION_CANDIDATES
        seed = options["seed"] or 0
        index.hnsw.rng = faiss.RandomGenerator(seed % (1 << 63))
        return cls(index, options["efSearch"] or SEARCH_CANDIDATES, seed)

    @property
    def most(self) -> int:
        """Largest useful number of candidates: the number of rows."""
        return max(1, int(self.index.ntotal))

    def add(self, packed: Packed) -> None:
        """Add rows to the graph."""
        self.index.add(packed)

    def search(self, queries: Packed, k: int, value: int) -> tuple[Distances, Numbers]:
        """Search the graph; see :class:`~hashlens.index.searcher.Searcher`."""
        # FAISS allocates memory for all candidates at once: more than the number of rows would be wasted.
        self.index.hnsw.efSearch = max(min(value, self.most), k)
        distances, numbers = self.index.search(queries, k)
        return distances, numbers

    def options(self) -> dict[str, int]:
        """Return the options: `M`, `efConstruction`, `efSearch` and the seed."""
        graph = self.index.hnsw
        return {
            "M": graph.nb_neighbors(1),
            "efConstruction": graph.efConstruction,
            "efSearch": self.value,
            "seed": self.seed,
        }

    def write(self, folder: Path, rows: Rows) -> None:
        """Write the graph in the format of FAISS; all rows are added first if it is empty."""
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
