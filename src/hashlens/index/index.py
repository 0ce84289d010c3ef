"""Index: search in packed codes by Hamming distance, exact or approximate, in memory or from disk."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64, Shaped

from hashlens.arguments import excerpt, require_whole
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
from hashlens.index.recall import recall_of, sampled_queries, smallest_value
from hashlens.index.rows import Rows
from hashlens.index.searcher import Searcher, checked_options
from hashlens.index.store import INDEX_FOLDER, load_index, save_index
from hashlens.index.weighted import layer_weights, rerank
from hashlens.tables import Table, table

KINDS = ("exact", "ivf", "hnsw")
CANDIDATES_FOR_EACH, FEWEST_CANDIDATES = 10, 100


class Index:
    """Index of codes for nearest-neighbour search by Hamming distance.

    An exact index copies nothing: it searches the codes in place, also in a memory map larger than memory. The other
    kinds compare only some of the rows and find most of the nearest: ``ivf`` keeps rows in lists around centres,
    ``hnsw`` in a graph of neighbours. :meth:`recall` measures the share that they find.

    Parameters
    ----------
    codes : Codes
        n rows to search.
    kind : str
        Kind of index: ``exact``, ``ivf`` or ``hnsw``.
    layers : sequence of str, optional
        Globs over the layers to compare; ``!glob`` leaves layers out. By default all layers.
    ids : array, optional
        int64 or str ``(n,)``, unique: identifiers of the rows; those of `codes` by default.
    **options
        Options named as in FAISS. For ``ivf``: `nlist`, number of lists (default ``sqrt(n)``); `nprobe`, number of
        lists that a search visits (default 1 in 16); `seed`. For ``hnsw``: `M`, number of neighbours of a row in the
        graph (default 32); `efConstruction` (default 80) and `efSearch` (default 64), numbers of candidates kept while
        a row is added and in a search; `seed`.

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
        """Build an index; with `out`, directly on disk, block by block.

        Parameters
        ----------
        codes, kind, layers, ids, **options
            As in :class:`Index`.
        out : str or Path, optional
            Folder to write the index to, which is then opened as by :meth:`load`. Exact and IVF indexes of codes larger
            than memory can be built in this way: it takes a few blocks of 16 MiB and about 60 bytes per row. By default
            the index is built in memory.
        overwrite : bool
            Whether an existing index in `out` is replaced.
        """
        if out is None:
            return cls(codes, kind, layers, ids=ids, **options)
        INDEX_FOLDER.require_replaceable(output_path(out, overwrite))
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
            ("bytes per row", f"{self._rows.row_bytes:,}"),
            ("layers", ", ".join(layer.name for layer in self.layers)),
            *((name.replace("_", " "), f"{value:,}") for name, value in self.options.items()),
        ]
        return table(f"Index of {self.provenance.model}", ("", ""), rows, self.provenance.left_out_note, names=2)

    @property
    def kind(self) -> str:
        """Kind of index: ``exact``, ``ivf`` or ``hnsw``."""
        return self._kind

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Compared layers."""
        return self._rows.layers

    @property
    def ids(self) -> Shaped[npt.NDArray[Any], " {len(self)}"]:
        """Identifiers of the rows, int64 or str ``(n,)``."""
        return self._rows.ids

    @property
    def labels(self) -> Int64[npt.NDArray[np.int64], " {len(self)}"] | None:
        """Labels of the rows, int64 ``(n,)``; None unless all codes had labels."""
        return self._rows.labels

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of classes 0, 1, ...; None if the codes had none. Classes of added codes are matched by name."""
        return self._rows.class_names

    @property
    def provenance(self) -> Provenance:
        """Network and data of the first codes."""
        return self._rows.parts[0].provenance

    @property
    def options(self) -> dict[str, int]:
        """Options of the index, including the search parameter, named as in FAISS."""
        return {} if self._searcher is None else self._searcher.options()

    def add(self, codes: Codes, ids: npt.ArrayLike | None = None) -> None:
        """Append rows.

        An exact index keeps `codes` without a copy, also memory-mapped ones. The other kinds add them block by block;
        an IVF index that was loaded from disk is read into memory first. Files on disk do not change.

        Parameters
        ----------
        codes : Codes
            Rows of the same bits of the same network.
        ids : array, optional
            int64 or str ``(len(codes),)``: identifiers; those of `codes` by default.

        Raises
        ------
        IndexFault
            If the index already has one of the ids.
        CodesError
            If the codes come from another network or have other bits.
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
            m rows of the same bits of the same network; additional layers are ignored.
        k : int
            Number of neighbours, 1 <= k <= n.
        nprobe : int, optional
            Number of lists to visit, only for ``ivf``; by default the index's option.
        efSearch : int, optional
            Number of candidates to keep, only for ``hnsw``; by default the index's option.
        layers : sequence of str, optional
            Globs over the layers to compare, by an exact search for every kind of index; by default all layers of the
            index.
        weights : mapping of str to float, optional
            Weights of layers, 1 for layers that are not named. `candidates` rows found without weights are ranked again
            by the sum over layers of weight times number of differing bits.
        candidates : int, optional
            Number of rows to rank again, only with `weights`; by default 10 k, and at least 100.

        Returns
        -------
        Neighbours
            The neighbours. Of rows at the same distance, the lower row number comes first; only exact search guarantees
            this at the k-th place.

        Raises
        ------
        IndexFault
            If the index is empty, or k, nprobe, efSearch, layers or weights do not fit it.
        CodesError
            If the queries come from another network or have other bits.
        """
        rows, exact = self._rows.select_layers(layers), self._searcher is None or layers is not None
        packed = rows.matching(queries)
        k, value = self._checked_k(k), self._checked_parameter(exact, nprobe=nprobe, efSearch=efSearch)
        wanted = k if weights is None else self._candidates(k, candidates)
        if weights is None and candidates is not None:
            raise IndexFault("candidates= needs weights=: give weights= too, or leave candidates= out")
        distances, numbers = nearest_rows(rows, packed, wanted) if exact else self._approximate(packed, wanted, value)
        method = "exact" if exact else self.kind
        if weights is None:
            return Neighbours(rows.ids[numbers], distances, numbers, queries.ids, method)
        by_layer = layer_weights(rows, weights)
        best, numbers, proven = rerank(rows, packed, distances, numbers, by_layer, k)
        method = f"{wanted:,} candidates ({method}) ranked again by weights"
        return Neighbours(rows.ids[numbers], best, numbers, queries.ids, method, proven if exact else None)

    def range_search(self, queries: Codes, radius: int, *, layers: Sequence[str] | None = None) -> WithinRadius:
        """Find all rows within `radius` bits of each query, by exact search for every kind of index.

        Parameters
        ----------
        queries : Codes
            m rows of the same bits of the same network.
        radius : int
            Largest Hamming distance in bits, 0 or more, inclusive.
        layers : sequence of str, optional
            Globs over the layers to compare; by default all layers of the index.

        Raises
        ------
        IndexFault
            If the index is empty, the radius is negative, or more than ``2**27`` pairs are found.
        """
        rows = self._rows.select_layers(layers)
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
        """Return the recall: the share of the k nearest rows, by exact search, that the index finds.

        A row counts as found if it is no farther than the exact k-th neighbour: any of the rows tied there will do.

        Parameters
        ----------
        queries : Codes
            m rows.
        k : int
            Number of neighbours.
        nprobe, efSearch : int, optional
            As in :meth:`search`.
        sample : int
            Largest number of queries to measure on.
        seed : int
            Seed of the sample of queries.
        """
        value = self._checked_parameter(self._searcher is None, nprobe=nprobe, efSearch=efSearch)
        k = self._checked_k(k)
        packed = sampled_queries(self._rows.matching(queries), sample, seed)
        return 1.0 if self._searcher is None else self._recall(packed, k)(value or self._searcher.value)

    def tune(self, queries: Codes, k: int = 10, *, recall: float = 0.99, sample: int = 1000, seed: int = 0) -> int:
        """Set nprobe, or efSearch, to the smallest of 1, 2, 3, 4, 6, 8, 12, ... that reaches a recall; return it.

        Parameters
        ----------
        queries, k, sample, seed
            As in :meth:`recall`.
        recall : float
            Required recall, above 0 and up to 1.

        Raises
        ------
        IndexFault
            If the index is exact, or if no value reaches the recall.
        """
        if self._searcher is None:
            raise IndexFault("an exact index finds all nearest rows: there is nothing to tune")
        k = self._checked_k(k)
        packed = sampled_queries(self._rows.matching(queries), sample, seed)
        self._searcher.value = smallest_value(self._recall(packed, k), self._searcher.most, recall)
        return self._searcher.value

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the index as a folder (see :mod:`hashlens.index.store`) and return its path."""
        return save_index(self._rows, self.kind, self._searcher, path, overwrite)

    @classmethod
    def load(cls, path: str | Path, verify: bool = True) -> "Index":
        """Open a folder that :meth:`save` or :meth:`build` wrote.

        Rows and inverted lists stay on disk, memory-mapped; the graph of HNSW is read into memory.

        Parameters
        ----------
        path : str or Path
            Path of the folder.
        verify : bool
            Whether to verify the checksums, which reads every byte once.

        Raises
        ------
        IndexFault
            If the folder is missing, incomplete, corrupt, or of a newer schema.
        """
        index = cls.__new__(cls)
        index._rows, index._kind, index._searcher = load_index(path, verify)
        return index

    def _approximate(self, packed: Packed, k: int, value: int | None) -> tuple[Distances, Numbers]:
        """Search approximately; queries with fewer than k results are searched exactly."""
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
        """Return the search parameter of a call; None if there is none. Raise for a parameter of another kind."""
        value = None
        for name, named in parameters.items():
            if named is None:
                continue
            if exact:
                raise IndexFault(f"exact search compares every row and takes no {name}=: leave it out")
            assert self._searcher is not None
            if name != self._searcher.parameter:
                raise IndexFault(f"an index of kind {self.kind!r} takes no {name}=: give {self._searcher.parameter}=")
            require_whole(IndexFault, name, named)
            value = int(named)
        return value


def _searcher(kind: str, rows: Rows, options: dict[str, Any]) -> Searcher | None:
    """Return an empty searcher for a kind of index; None for exact search, which needs none."""
    if kind == "ivf":
        return InvertedLists.trained(rows, **options)
    if kind == "hnsw":
        return Graph.empty(rows, **options)
    if kind != "exact":
        raise IndexFault(f"unknown kind of index {excerpt(kind)}: {nearest(kind, KINDS)}")
    checked_options(kind, options, {})
    return None
