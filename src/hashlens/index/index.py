"""Index: search in packed codes by Hamming distance, exact or approximate, in memory or from disk."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64, Shaped

from hashlens.arguments import require_whole, shortly
from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer
from hashlens.codes.packing import Packed
from hashlens.codes.provenance import Provenance, left_out_gates
from hashlens.errors import IndexFault, nearest
from hashlens.files import output_path
from hashlens.index.exact import Distances, Numbers, nearest_rows, rows_within
from hashlens.index.graph import Graph
from hashlens.index.inverted_lists import InvertedLists
from hashlens.index.neighbours import Neighbours, WithinRadius
from hashlens.index.recall import least_value, recall_of, sampled_queries
from hashlens.index.rows import Rows
from hashlens.index.searcher import Searcher, checked_options
from hashlens.index.store import INDEX_FOLDER, load_index, save_index
from hashlens.index.weighted import layer_weights, ranked_again
from hashlens.tables import Table, table

KINDS = ("exact", "ivf", "hnsw")
CANDIDATES_FOR_EACH, FEWEST_CANDIDATES = 10, 100


class Index:
    """Codes to search in: which rows are nearest to these, and how far, in bits.

    An exact index copies nothing: it searches the codes where they lie, also in a memory map larger than memory. The
    other kinds look at some of the rows and find most of the nearest: ``ivf`` keeps rows in lists around centres,
    ``hnsw`` in a graph of neighbours. :meth:`recall` measures how many.

    Parameters
    ----------
    codes : Codes
        n rows.
    kind : str
        ``exact``, ``ivf`` or ``hnsw``.
    layers : sequence of str, optional
        Globs: the layers to compare, ``!glob`` for those to leave out. All of them by default.
    ids : array, optional
        int64 or str ``(n,)``, no two alike; those of `codes` by default.
    **options
        Named as in FAISS. ``ivf``: `nlist`, the number of lists (``sqrt(n)``); `nprobe`, how many of them a search
        looks into (1 in 16); `seed`. ``hnsw``: `M`, neighbours of a row in the graph (32); `efConstruction` (80) and
        `efSearch` (64), candidates kept while a row is linked and in a search; `seed`.

    Raises
    ------
    IndexFault
        If the kind or an option is unknown, or ids repeat.

    Examples
    --------
    >>> index = Index(Codes.from_bits([[0, 0, 0], [0, 1, 1], [1, 1, 1]]))
    >>> index.search(Codes.from_bits([[0, 1, 1]]), k=2).ids.tolist()
    [[1, 2]]
    """

    def __init__(
        self,
        codes: Codes,
        kind: str = "exact",
        layers: Sequence[str] | None = None,
        *,
        ids: npt.ArrayLike | None = None,
        **options: Any,
    ) -> None:
        self._rows = Rows.of(codes, layers, ids)
        self._kind, self._searcher = kind, _searcher(kind, self._rows, options)
        if self._searcher is not None:
            for _, block in self._rows.blocks():
                self._searcher.add(block)

    @classmethod
    def build(
        cls,
        codes: Codes,
        kind: str = "exact",
        layers: Sequence[str] | None = None,
        *,
        ids: npt.ArrayLike | None = None,
        out: str | Path | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> "Index":
        """Make an index; with `out`, straight on disk, block by block.

        Parameters
        ----------
        codes, kind, layers, ids, **options
            As for :class:`Index`.
        out : str or Path, optional
            A folder to write the index to, which is then opened as :meth:`load` does: exact and IVF indexes of a folder
            of codes larger than memory are made in memory of a few blocks of 16 MiB and some 60 bytes a row.
        overwrite : bool
            Whether an index that is there already is replaced.
        """
        if out is None:
            return cls(codes, kind, layers, ids=ids, **options)
        INDEX_FOLDER.spare_other_things(output_path(out, overwrite))
        rows = Rows.of(codes, layers, ids)
        save_index(rows, kind, _searcher(kind, rows, options), out, overwrite)
        return cls.load(out, verify=False)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        layers = "1 layer" if len(self.layers) == 1 else f"{len(self.layers)} layers"
        if left_out := self.provenance.left_out:
            layers += f", {left_out_gates(left_out)}"
        size = f"{len(self):,} rows of {self._rows.code_bits:,} bits"
        return f"Index({self.kind}, {size}, {layers}, {self.provenance.model})"

    def __rich__(self) -> Table:
        rows = [
            ("kind", self.kind),
            ("rows", f"{len(self):,}"),
            ("bits", f"{self._rows.code_bits:,}"),
            ("bytes a row", f"{self._rows.row_bytes:,}"),
            ("layers", ", ".join(layer.name for layer in self.layers)),
            *((name.replace("_", " "), f"{value:,}") for name, value in self.options.items()),
        ]
        return table(f"Index of {self.provenance.model}", ("", ""), rows, self.provenance.left_out_note, names=2)

    @property
    def kind(self) -> str:
        """``exact``, ``ivf`` or ``hnsw``."""
        return self._kind

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers compared."""
        return self._rows.layers

    @property
    def ids(self) -> Shaped[npt.NDArray[Any], " {len(self)}"]:
        """The ids of the rows, int64 or str ``(n,)``."""
        return self._rows.ids

    @property
    def labels(self) -> Int64[npt.NDArray[np.int64], " {len(self)}"] | None:
        """The labels of the rows, int64 ``(n,)``, where all codes had some."""
        return self._rows.labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Name of class 0, 1, ..., where the codes had some; added codes are numbered by name."""
        return self._rows.class_names

    @property
    def provenance(self) -> Provenance:
        """The network and the data of the first codes."""
        return self._rows.parts[0].provenance

    @property
    def options(self) -> dict[str, int]:
        """What the index was made with, and the search parameter, as FAISS names them."""
        return {} if self._searcher is None else self._searcher.options()

    def add(self, codes: Codes, ids: npt.ArrayLike | None = None) -> None:
        """Add rows below those there.

        An exact index keeps `codes` as they are: a memory map stays one. The others take them in block by block; an IVF
        index that was loaded from disk is read into memory first. What is on disk does not change.

        Parameters
        ----------
        codes : Codes
            The same bits of the same network.
        ids : array, optional
            int64 or str ``(len(codes),)``; those of `codes` by default.

        Raises
        ------
        IndexFault
            If an id is there already.
        CodesError
            If the codes are of another network or of other bits.
        """
        rows = self._rows.extended(codes, ids)
        if self._searcher is not None:
            for _, block in self._rows.restricted(codes).blocks():
                self._searcher.add(block)
        self._rows = rows

    def search(
        self,
        queries: Codes,
        k: int = 10,
        *,
        nprobe: int | None = None,
        efSearch: int | None = None,
        layers: Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
        candidates: int | None = None,
    ) -> Neighbours:
        """Find the k rows nearest to each query.

        Parameters
        ----------
        queries : Codes
            m rows of the same bits of the same network; further layers are not looked at.
        k : int
            Neighbours, 1 <= k <= n.
        nprobe : int, optional
            Of ``ivf`` only: lists to look into. That of the index by default.
        efSearch : int, optional
            Of ``hnsw`` only: candidates to keep. That of the index by default.
        layers : sequence of str, optional
            Globs: compare only some of the index's layers, exactly, whatever its kind.
        weights : mapping of str to float, optional
            Weights of layers, 1 for those not named: `candidates` rows of the plain search are ranked again by the sum
            of weight times bits that differ.
        candidates : int, optional
            With `weights` only; 10 k by default, and 100 at least.

        Returns
        -------
        Neighbours
            Of rows at one distance, those of lower row number come first; which of them come in at the k-th place is
            sure for exact search only.

        Raises
        ------
        IndexFault
            If the index is empty, or k, nprobe, efSearch, layers or weights do not fit it.
        CodesError
            If the queries are of another network or of other bits.
        """
        rows, exact = self._rows.narrowed(layers), self._searcher is None or layers is not None
        packed = rows.matching(queries)
        k, value = self._checked_k(k), self._checked_parameter(exact, nprobe=nprobe, efSearch=efSearch)
        wanted = k if weights is None else self._candidates(k, candidates)
        if weights is None and candidates is not None:
            raise IndexFault("candidates are ranked again by weights: give weights= too, or no candidates=")
        distances, numbers = nearest_rows(rows, packed, wanted) if exact else self._approximate(packed, wanted, value)
        method = "exact" if exact else self.kind
        if weights is None:
            return Neighbours(rows.ids[numbers], distances, numbers, queries.ids, method)
        by_layer = layer_weights(rows, weights)
        best, numbers, proven = ranked_again(rows, packed, distances, numbers, by_layer, k)
        method = f"{wanted:,} candidates ({method}) ranked again by weights"
        return Neighbours(rows.ids[numbers], best, numbers, queries.ids, method, proven if exact else None)

    def range_search(self, queries: Codes, radius: int, *, layers: Sequence[str] | None = None) -> WithinRadius:
        """Find all rows within `radius` bits of each query, exactly, whatever the kind of the index.

        Parameters
        ----------
        queries : Codes
            m rows of the same bits of the same network.
        radius : int
            In bits, 0 or more; rows at this distance are found.
        layers : sequence of str, optional
            Globs: compare only some of the index's layers.

        Raises
        ------
        IndexFault
            If the index is empty, the radius is negative, or more than ``2**27`` pairs are found.
        """
        rows = self._rows.narrowed(layers)
        packed = rows.matching(queries)
        self._check_rows()
        require_whole(IndexFault, "radius", radius, 0)
        limits, distances, numbers = rows_within(rows, packed, min(int(radius), rows.code_bits))
        return WithinRadius(limits, rows.ids[numbers], distances, numbers, queries.ids, int(radius))

    def recall(
        self,
        queries: Codes,
        k: int = 10,
        *,
        nprobe: int | None = None,
        efSearch: int | None = None,
        sample: int = 1000,
        seed: int = 0,
    ) -> float:
        """Return the share of the k nearest rows that the index finds, against exact search.

        A row counts as found when it is no farther than the exact k-th: of rows that tie there, any will do.

        Parameters
        ----------
        queries : Codes
            m rows.
        k : int
            Neighbours.
        nprobe, efSearch : int, optional
            As for :meth:`search`.
        sample : int
            Queries to measure on at most.
        seed : int
            Of their choice.
        """
        value = self._checked_parameter(self._searcher is None, nprobe=nprobe, efSearch=efSearch)
        k = self._checked_k(k)
        packed = sampled_queries(self._rows.matching(queries), sample, seed)
        return 1.0 if self._searcher is None else self._recall(packed, k)(value or self._searcher.value)

    def tune(self, queries: Codes, k: int = 10, *, recall: float = 0.99, sample: int = 1000, seed: int = 0) -> int:
        """Set nprobe, or efSearch, to the least of 1, 2, 3, 4, 6, 8, 12, ... that reaches a recall; return it.

        Parameters
        ----------
        queries, k, sample, seed
            As for :meth:`recall`.
        recall : float
            To be reached, above 0 and up to 1.

        Raises
        ------
        IndexFault
            If the index is exact, or if no value reaches the recall.
        """
        if self._searcher is None:
            raise IndexFault("an exact index finds everything: there is nothing to tune")
        k = self._checked_k(k)
        packed = sampled_queries(self._rows.matching(queries), sample, seed)
        self._searcher.value = least_value(self._recall(packed, k), self._searcher.most, recall)
        return self._searcher.value

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the index as a folder (see :mod:`hashlens.index.store`) and return its path."""
        return save_index(self._rows, self.kind, self._searcher, path, overwrite)

    @classmethod
    def load(cls, path: str | Path, verify: bool = True) -> "Index":
        """Open a folder that :meth:`save` or :meth:`build` wrote.

        Rows and inverted lists stay on disk, memory-mapped; the graph of HNSW is read.

        Parameters
        ----------
        path : str or Path
            The folder.
        verify : bool
            Whether to check the checksums, which reads every byte once.

        Raises
        ------
        IndexFault
            If the folder is not there, incomplete, corrupt, or of a newer schema.
        """
        index = cls.__new__(cls)
        index._rows, index._kind, index._searcher = load_index(path, verify)
        return index

    def _approximate(self, packed: Packed, k: int, value: int | None) -> tuple[Distances, Numbers]:
        """Search by what the index has; queries for which it finds fewer than k rows are searched exactly."""
        assert self._searcher is not None
        distances, numbers = self._searcher.search(packed, k, value or self._searcher.value)
        short = np.flatnonzero((numbers < 0).any(axis=1))
        if len(short):
            distances[short], numbers[short] = nearest_rows(self._rows, packed[short], k)
        order = np.lexsort((numbers, distances), axis=1)
        return np.take_along_axis(distances, order, axis=1), np.take_along_axis(numbers, order, axis=1)

    def _recall(self, packed: Packed, k: int) -> Callable[[int], float]:
        return recall_of(lambda value: self._approximate(packed, k, value)[0], self._rows, packed, k)

    def _candidates(self, k: int, candidates: int | None) -> int:
        if candidates is None:
            return min(len(self), max(CANDIDATES_FOR_EACH * k, FEWEST_CANDIDATES))
        require_whole(IndexFault, "candidates", candidates, k)
        return min(len(self), int(candidates))

    def _check_rows(self) -> None:
        if len(self) == 0:
            raise IndexFault("the index is empty: add codes before searching")

    def _checked_k(self, k: int) -> int:
        self._check_rows()
        require_whole(IndexFault, "k", k)
        if k > len(self):
            raise IndexFault(f"k must be at most the {len(self):,} rows of the index, received {k:,}")
        return int(k)

    def _checked_parameter(self, exact: bool, **parameters: int | None) -> int | None:
        """Return the search parameter that a search names, which is that of the kind of the index; None for none."""
        value = None
        for name, named in parameters.items():
            if named is None:
                continue
            if exact:
                raise IndexFault(f"exact search looks at every row and takes no {name}=: leave it out")
            assert self._searcher is not None
            if name != self._searcher.parameter:
                raise IndexFault(f"an index of kind {self.kind!r} takes no {name}=: give {self._searcher.parameter}=")
            require_whole(IndexFault, name, named)
            value = int(named)
        return value


def _searcher(kind: str, rows: Rows, options: dict[str, Any]) -> Searcher | None:
    """Return what searches an index of a kind, without rows yet; None for exact search, which needs nothing."""
    if kind == "ivf":
        return InvertedLists.trained(rows, **options)
    if kind == "hnsw":
        return Graph.empty(rows, **options)
    if kind != "exact":
        raise IndexFault(f"unknown kind of index {shortly(kind)}: {nearest(kind, KINDS)}")
    checked_options(kind, options, {})
    return None
