"""Exhibits: examples to inspect, found during a measurement: a map, collisions, doubtful labels, novel examples."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.measures import CollisionGroup, Determinism
from hashlens.measures.knn import Distances, Rows
from hashlens.measures.prepared import Prepared
from hashlens.measures.projection import ProjectionMethod, project
from hashlens.plain import written_as
from hashlens.result import Result, Split
from hashlens.seeds import numpy_generator

MAX_MAP_ROWS = 2000
"""Largest number of examples on the map."""
MAX_LISTED = 120
"""Largest number of examples in each list."""
MAX_COLLISIONS, MAX_SHOWN = 60, 6
"""Largest number of shared codes listed of each split, and of examples shown of each code."""
MIN_AGREEMENT = 2 / 3
"""Smallest share of the neighbours of a doubtful label that agree on another class."""
Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class CodeMap(Result):
    """Map of test examples: their codes projected to two dimensions.

    Attributes
    ----------
    method : {"pca", "umap"}
        Method of :class:`~hashlens.measures.projection.Projection`.
    rows, ids, labels : numpy.ndarray
        ``(m,)``: rows, identifiers and labels of the test examples: all, or a seeded sample in order.
    x, y : numpy.ndarray
        float64 ``(m,)``: coordinates.
    variance : tuple of float or None
        Share of the variance along x and y; only for PCA.
    drawn_from : int
        Number of test examples that they are drawn from.
    """

    method: ProjectionMethod
    rows: Rows
    ids: Ids
    labels: Rows
    x: Floats
    y: Floats
    variance: tuple[float, float] | None
    drawn_from: int


@dataclass(frozen=True, eq=False)
class Collision(Result):
    """Examples that share one code.

    Attributes
    ----------
    size : int
        Number of examples that share it.
    conflicting : bool
        Whether they have different labels.
    rows, ids, labels : numpy.ndarray
        ``(c,)``: rows, identifiers and labels of some of them, from as many classes as possible.
    """

    size: int
    conflicting: bool
    rows: Rows
    ids: Ids
    labels: Rows


@dataclass(frozen=True, eq=False)
class DoubtfulLabels(Result):
    """Test examples of whose nearest training codes two thirds or more have one other class, largest share first.

    Attributes
    ----------
    rows, ids : numpy.ndarray
        ``(m,)``: rows and identifiers of the test examples.
    given, suggested : numpy.ndarray
        int64 ``(m,)``: the label, and the class of most neighbours.
    share : numpy.ndarray
        float64 ``(m,)``: share of the neighbours that have the suggested class.
    found : int
        Number of such examples, of which the first m are listed.
    """

    rows: Rows
    ids: Ids
    given: Rows
    suggested: Rows
    share: Floats
    found: int


@dataclass(frozen=True, eq=False)
class NovelExamples(Result):
    """Test examples that are farther from the training codes than the median example, farthest first.

    Attributes
    ----------
    rows, ids, labels : numpy.ndarray
        ``(m,)``: rows, identifiers and labels of the test examples.
    distances : numpy.ndarray
        float64 ``(m,)``: distance to the k-th nearest training code, in bits; Euclidean for channel values.
    median_distance : float
        Median of that distance over all test examples.
    """

    rows: Rows
    ids: Ids
    labels: Rows
    distances: Floats
    median_distance: float = field(metadata=written_as("ordinary"))


@dataclass(frozen=True, eq=False)
class Exhibits(Result):
    """Examples to inspect: their rows, identifiers and numbers, without inputs.

    Attributes
    ----------
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where they have none.
    k : int
        Number of neighbours.
    bits : int
        Number of informative bits compared; for channel values, number of channels.
    map : CodeMap
        Map of test examples.
    collisions : Split of tuple of Collision
        Groups of examples that share a code: those with different labels first, then the largest.
    labels : DoubtfulLabels
        Labels to check.
    novel : NovelExamples
        Test examples that are far from the training codes.
    """

    class_names: tuple[str, ...]
    k: int
    bits: int
    map: CodeMap
    collisions: Split[tuple[Collision, ...]]
    labels: DoubtfulLabels
    novel: NovelExamples


def exhibits(
    prepared: Prepared,
    distances: Distances,
    neighbours: Rows,
    determinism: Split[Determinism],
    class_names: tuple[str, ...] | None = None,
    projection: ProjectionMethod = "pca",
    seed: int = 0,
) -> Exhibits:
    """Choose the examples to inspect, from intermediate results of a measurement.

    Parameters
    ----------
    prepared : Prepared
        Codes of n labelled train and m labelled test examples.
    distances, neighbours : numpy.ndarray
        ``(m, k)``: the k nearest train examples of each test example, nearest first.
    determinism : Split of Determinism
        Determinism of the codes, with groups of rows that share a code.
    class_names : tuple of str, optional
        Names of classes 0, 1, ...
    projection : {"pca", "umap"}
        Method of projection for the map.
    seed : int
        Seed of the sample on the map.
    """
    code_map, doubtful = _code_map(prepared, projection, seed), _doubtful_labels(prepared, distances, neighbours)
    novel = _novel_examples(prepared, distances)
    return Exhibits(
        class_names=class_names or (),
        k=distances.shape[1],
        bits=prepared.bits_used,
        map=replace(code_map, rows=_test_rows(prepared, code_map.rows)),
        collisions=Split(_collisions(determinism.train), _collisions(determinism.test)),
        labels=replace(doubtful, rows=_test_rows(prepared, doubtful.rows)),
        novel=replace(novel, rows=_test_rows(prepared, novel.rows)),
    )


def _test_rows(prepared: Prepared, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row numbers in the test examples of some prepared rows."""
    return rows if prepared.test_rows is None else prepared.test_rows[rows]


def _code_map(prepared: Prepared, projection: ProjectionMethod, seed: int) -> CodeMap:
    test = prepared.codes.test
    assert test.labels is not None
    rows = np.arange(len(test))
    if len(rows) > MAX_MAP_ROWS:
        rows = np.sort(numpy_generator(seed, "map").choice(len(rows), MAX_MAP_ROWS, replace=False))
    projected = project(test[rows] if prepared.features is None else prepared.features.test[rows], projection, seed)
    x, y = projected.places.T
    return CodeMap(projected.method, rows, test.ids[rows], test.labels[rows], x, y, projected.variance, len(test))


def _collisions(result: Determinism) -> tuple[Collision, ...]:
    ranked = [*result.conflicts, *(group for group in result.groups if not group.conflicting)]
    return tuple(_collision(group) for group in ranked[:MAX_COLLISIONS])


def _collision(group: CollisionGroup) -> Collision:
    """Return a few examples of a group: one of each class before a second of any."""
    assert group.labels is not None
    order = np.argsort(group.labels, kind="stable")
    ordered = group.labels[order]
    place_in_class = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    chosen = np.sort(order[np.lexsort([order, place_in_class])][:MAX_SHOWN])
    return Collision(len(group), group.conflicting, group.rows[chosen], group.ids[chosen], group.labels[chosen])


def _doubtful_labels(prepared: Prepared, distances: Distances, neighbours: Rows) -> DoubtfulLabels:
    train, test = prepared.codes.train, prepared.codes.test
    assert train.labels is not None
    assert test.labels is not None
    votes = np.sort(train.labels[neighbours], axis=1)
    # Votes are sorted: a class with more than half of the votes, the only kind of interest, is in the middle.
    suggested = votes[:, votes.shape[1] // 2]
    share = (votes == suggested[:, None]).mean(axis=1)
    doubtful = np.flatnonzero((suggested != test.labels) & (share >= MIN_AGREEMENT))
    # Among equal agreements, those with nearer neighbours come first.
    ranked = doubtful[np.lexsort([distances[doubtful].sum(axis=1), -share[doubtful]])]
    listed = ranked[:MAX_LISTED]
    return DoubtfulLabels(
        listed, test.ids[listed], test.labels[listed], suggested[listed], share[listed], found=len(ranked)
    )


def _novel_examples(prepared: Prepared, distances: Distances) -> NovelExamples:
    test = prepared.codes.test
    assert test.labels is not None
    last = distances[:, -1].astype(np.float64)
    median_distance = float(np.median(last))
    ranked = np.argsort(-last, kind="stable")
    listed = ranked[last[ranked] > median_distance][:MAX_LISTED]
    return NovelExamples(listed, test.ids[listed], test.labels[listed], last[listed], median_distance)
