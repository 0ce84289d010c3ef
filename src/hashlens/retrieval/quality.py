"""Retrieval quality: how highly the rows of a query's class are ranked by distance."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Num
from rich.console import RenderableType

from hashlens.arguments import excerpt, is_whole
from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import MeasureError, nearest
from hashlens.measures.classes import Labels, labelled_codes, labelled_pair, labelled_row_pairs, labelled_rows
from hashlens.measures.features import Features, as_features, full_precision
from hashlens.progress import bar
from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result
from hashlens.tables import number, table

Distance = Literal["cosine", "euclidean"]
Scores = npt.NDArray[np.float64]
QUERIES_A_TASK = 128
KEYS_BYTES = 1 << 26


@dataclass(frozen=True)
class RetrievalQuality(Result):
    """Measures of retrieval; if distances tie, their expected values over all orders of the ties.

    A row is relevant to a query if it has the same class.

    Attributes
    ----------
    mean_average_precision : float
        Average precision of the whole ranking, averaged over the queries (mAP).
    standard_error : float
        Standard error of this mean, for the queries as a sample.
    k : tuple of int
        Cutoffs of the ranking.
    precision : tuple of float
        For each cutoff k: share of the first k rows that are relevant.
    recall : tuple of float
        For each cutoff k: share of the relevant rows that are among the first k.
    mean_average_precision_at : tuple of float
        For each cutoff k: sum of the precisions at the relevant rows among the first k, divided by min(k, number of
        relevant rows); 1 for a perfect ranking.
    queries : int
        Number of queries with at least one relevant row, over which the means are taken.
    without_relevant : int
        Number of queries of a class that no row has; they are left out.
    rows : int
        Number of rows ranked for each query.
    without_label : int
        Number of queries and rows without a label; they are left out.
    """

    mean_average_precision: float
    standard_error: float
    k: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    mean_average_precision_at: tuple[float, ...]
    queries: int
    without_relevant: int
    rows: int
    without_label: int = 0

    def __rich__(self) -> RenderableType:
        lines = [
            (number(k), number(precision), number(recall), number(average))
            for k, precision, recall, average in zip(
                self.k, self.precision, self.recall, self.mean_average_precision_at, strict=True
            )
        ]
        left_out = f", {self.without_relevant:,} without a relevant row left out" if self.without_relevant else ""
        left_out += f", {self.without_label:,} without a label left out" if self.without_label else ""
        return table(
            f"Retrieval: mAP {self.mean_average_precision:.4f} ± {self.standard_error:.4f}",
            ("first k", "precision", "recall", "mAP at k"),
            lines,
            f"{self.queries:,} queries{left_out}; {self.rows:,} rows each. Relevant: the same label. Ties averaged.",
        )

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of precision, recall and mAP at every cutoff."""
        k = tuple(map(float, self.k))
        lines = (
            ("precision", self.precision), ("recall", self.recall), ("mAP at k", self.mean_average_precision_at),
        )  # fmt: skip
        series = tuple(Series(name, k, values) for name, values in lines)
        title = f"Retrieval: mAP {self.mean_average_precision:.4f} of whole rankings"
        return (Lines(title, "first k", "share", series, log_x=True),)


def retrieval_quality(
    queries: Codes,
    codes: Codes | None = None,
    query_labels: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    k: Sequence[int] | int = (1, 10, 100),
) -> RetrievalQuality:
    """Rank the codes for each query by Hamming distance, and measure how highly those of its class are ranked.

    Only a histogram of distances for each query in progress is stored, not a matrix of all distances.

    Parameters
    ----------
    queries : Codes
        m rows.
    codes : Codes, optional
        n rows of the same bits to rank. By default the queries themselves, each left out of its own ranking.
    query_labels, labels : array, optional
        ``(m,)`` and ``(n,)``: class numbers or class names; by default those of the codes. Without `codes` both are
        labels of the same rows, and only one may be passed. Classes are matched by name where they have names, and rows
        without a label are left out.
    k : int or sequence of int
        Cutoffs of the ranking, ``1 <= k <= n``.

    Raises
    ------
    MeasureError
        If labels are missing or passed twice, a cutoff is out of range, the codes have no bits, or no query has a
        relevant row.
    CodesError
        If queries and codes are not the same bits of the same network.

    References
    ----------
    McSherry, Najork (2008): Computing information retrieval performance measures efficiently in the presence of tied
    scores. ECIR.

    Examples
    --------
    Two codes tie with the query, and one of them is relevant: its average precision is 1 or 1/2.

    >>> retrieval_quality(
    ...     Codes.from_bits([[1, 1]], labels=[0]), Codes.from_bits([[1, 0], [0, 1]], labels=[0, 1]), k=1
    ... ).mean_average_precision
    0.75
    """
    from hashlens.retrieval.tied_ranking import rank_codes

    known = queries if codes is None else codes
    require_same_code(queries, known)
    if known.code_bits == 0:
        raise MeasureError(
            "retrieval needs codes of at least one bit, received none: all rows would have the same code"
        )
    left_out = 0
    if codes is None:
        chosen = _one_set(query_labels, labels)
        queries, query_classes, _ = labelled_codes(queries, chosen, "retrieval quality")
        left_out = len(known) - len(queries)
        known, classes = queries, query_classes
    else:
        pair = labelled_pair(known, queries, "retrieval quality", labels, query_labels)
        pair.log()
        known, queries, left_out = pair.reference, pair.queries, sum(pair.left_out)
        query_classes, classes = pair.query_labels, pair.reference_labels
    task = _RankingTask.of(query_classes, classes, k, codes is None, left_out)
    query_rows, rows = _words(queries), _words(known)

    def rank(part: slice, relevant_counts: Scores, precisions: Scores) -> None:
        rank_codes(
            query_rows[part], rows, task.query_classes[part], task.classes, known.code_bits + 1, task.itself,
            task.cuts, task.harmonic, relevant_counts, precisions,
        )  # fmt: skip

    return task.run(rank, QUERIES_A_TASK)


@full_precision()
def retrieval_quality_features(
    queries: Num[Features, "m d"],
    features: Num[Features, "n d"] | None,
    query_labels: npt.ArrayLike | None,
    labels: npt.ArrayLike | None = None,
    *,
    k: Sequence[int] | int = (1, 10, 100),
    distance: Distance = "cosine",
) -> RetrievalQuality:
    """Rank real-valued rows for each query by cosine or Euclidean distance; see :func:`retrieval_quality`.

    Distances tie only if they are equal to the last bit of float32.

    Parameters
    ----------
    queries : array
        ``(m, d)``: queries.
    features : array or None
        ``(n, d)``: rows to rank; None for the queries themselves, each left out of its own ranking.
    query_labels, labels : array
        ``(m,)`` and ``(n,)``: class numbers, or class names, which are matched by name. `labels` is not needed if
        `features` is None.
    k : int or sequence of int
        Cutoffs of the ranking.
    distance : {"cosine", "euclidean"}
        Distance to rank by. A row of zeros has the cosine 0 with every other row.

    Raises
    ------
    MeasureError
        In the cases of :func:`retrieval_quality`, and if numbers of columns differ or values are NaN.
    """
    from hashlens.retrieval.tied_ranking import rank_keys

    if distance not in get_args(Distance):
        raise MeasureError(f"no distance {excerpt(distance)}: {nearest(distance, get_args(Distance))}")
    query_rows = as_features(queries)
    rows = query_rows if features is None else as_features(features)
    if query_rows.shape[1] != rows.shape[1]:
        raise MeasureError(f"queries of {query_rows.shape[1]} columns cannot be compared with rows of {rows.shape[1]}")
    same = features is None
    if same:
        query_classes, kept = labelled_rows(
            _one_set(query_labels, labels), len(query_rows), "retrieval quality of queries"
        )
        classes, kept_rows = query_classes, kept
    else:
        (classes, kept_rows), (query_classes, kept) = labelled_row_pairs(
            (labels, len(rows)), (query_labels, len(query_rows)), "retrieval quality"
        )
    left_out = len(query_rows) - len(query_classes) + (0 if same else len(rows) - len(classes))
    query_rows, rows = query_rows[kept], rows[kept_rows]
    task = _RankingTask.of(query_classes, classes, k, same, left_out)
    if distance == "cosine":
        query_rows, rows = (torch.nn.functional.normalize(part, dim=1) for part in (query_rows, rows))
        lengths = torch.zeros(len(rows))
    else:
        # Centring does not change distances, and reduces the cancellation in |f|^2 - 2 q f.
        centre = rows.mean(dim=0)
        query_rows, rows = query_rows - centre, rows - centre
        lengths = rows.square().sum(dim=1)

    def rank(part: slice, relevant_counts: Scores, precisions: Scores) -> None:
        # |q|^2 is the same for all rows and left out; cosine distance is -2 q f up to a factor.
        ranked = torch.addmm(lengths, query_rows[part], rows.T, alpha=-2).numpy()
        keys = _sortable(ranked, task.query_classes[part, None] == task.classes)
        if task.itself:
            keys[np.arange(len(keys)), np.arange(part.start, part.start + len(keys))] = np.iinfo(np.uint64).max
        keys.sort(axis=1)
        rank_keys(keys[:, : task.ranked], task.cuts, task.harmonic, relevant_counts, precisions)

    return task.run(rank, max(1, KEYS_BYTES // (8 * len(rows))))


def _one_set(query_labels: Any, labels: Any) -> Any:
    """Return the labels of rows that are both queries and ranked rows."""
    if query_labels is not None and labels is not None and not np.array_equal(query_labels, labels):
        raise MeasureError(
            "query_labels and labels are two sets of labels for the same rows: give one of them, or give "
            "codes= to search"
        )
    return labels if query_labels is None else query_labels


def _words(codes: Codes) -> npt.NDArray[np.uint64]:
    return np.asarray(np.ascontiguousarray(codes.packed)).view(np.uint64)


def _sortable(values: npt.NDArray[np.float32], relevant: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Return integers whose upper 63 bits are in the order of `values`; the lowest bit is 1 where `relevant`."""
    values += np.float32(0)  # -0 is 0
    raw = values.view(np.uint32)
    # The bits of floats are ordered like integers after those of negative ones are inverted.
    ordered = np.where(raw >> 31, ~raw, raw | np.uint32(1 << 31)).astype(np.uint64)
    return (ordered << np.uint64(1)) | relevant


@dataclass(frozen=True, eq=False)
class _RankingTask:
    """A ranking task: checked queries and rows, and the averages over queries."""

    query_classes: Labels
    classes: Labels
    relevant: npt.NDArray[np.int64]
    k: tuple[int, ...]
    cuts: npt.NDArray[np.int64]
    harmonic: Scores
    itself: bool
    left_out: int

    @classmethod
    def of(
        cls, query_classes: Labels, classes: Labels, k: Sequence[int] | int, itself: bool, left_out: int
    ) -> "_RankingTask":
        queries, rows = len(query_classes), len(classes)
        names, counts = np.unique(classes, return_counts=True)
        position = np.minimum(np.searchsorted(names, query_classes), len(names) - 1)
        relevant = np.where(names[position] == query_classes, counts[position], 0) - itself
        if not relevant.any():
            raise MeasureError(
                f"none of the {queries:,} queries has a relevant row: the labels of queries and rows differ"
            )
        ranked = rows - itself
        cuts = checked_cuts(k, ranked)
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, ranked + 1))])
        return cls(query_classes, classes, relevant, cuts, np.array([*cuts, ranked]), harmonic, itself, left_out)

    @property
    def ranked(self) -> int:
        """Number of rows ranked for each query."""
        return len(self.classes) - self.itself

    def run(self, rank: Callable[[slice, Scores, Scores], None], step: int) -> RetrievalQuality:
        """Rank `step` queries at a time, with torch's number of threads, and return the averages."""
        relevant_counts, precisions = np.zeros((2, len(self.query_classes), len(self.cuts)))
        parts = [slice(start, start + step) for start in range(0, len(precisions), step)]
        with (
            bar("ranking", len(parts)) as advance,
            ThreadPoolExecutor(max(1, torch.get_num_threads()), thread_name_prefix="rank") as pool,
        ):
            for _ in pool.map(lambda part: rank(part, relevant_counts[part], precisions[part]), parts):
                advance("")
        return self._average(relevant_counts, precisions)

    def _average(self, relevant_counts: Scores, precisions: Scores) -> RetrievalQuality:
        kept = self.relevant > 0
        relevant = self.relevant[kept, None]
        averages = precisions[kept] / np.minimum(self.cuts, relevant)
        means = averages.mean(axis=0)

        def heads(values: Any) -> tuple[float, ...]:
            return tuple(float(value) for value in values[: len(self.k)])

        answered = int(kept.sum())
        return RetrievalQuality(
            mean_average_precision=float(means[-1]),
            standard_error=float(averages[:, -1].std() / np.sqrt(answered)),
            k=self.k,
            precision=heads((relevant_counts[kept] / self.cuts).mean(axis=0)),
            recall=heads((relevant_counts[kept] / relevant).mean(axis=0)),
            mean_average_precision_at=heads(means),
            queries=answered,
            without_relevant=len(kept) - answered,
            rows=self.ranked,
            without_label=self.left_out,
        )


def checked_cuts(k: Any, rows: int) -> tuple[int, ...]:
    """Return the cutoffs in ascending order.

    Raises
    ------
    MeasureError
        If one is not an integer from 1 to `rows`.
    """
    cuts = [k] if is_whole(k) else list(k) if isinstance(k, (list, tuple, range, np.ndarray)) else None
    if cuts is None or not all(is_whole(cut) and 1 <= cut <= rows for cut in cuts):
        raise MeasureError(
            f"k must be whole numbers from 1 to the {rows:,} rows that are ranked, received {excerpt(k)}: lower k or "
            "give more rows"
        )
    return tuple(sorted({int(cut) for cut in cuts}))
