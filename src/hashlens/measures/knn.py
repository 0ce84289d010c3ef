"""Nearest codes in Hamming distance, nearest vectors in Euclidean distance, and votes of their labels."""

from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32, Int32, Int64, Num

from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import MeasureError
from hashlens.measures.classes import Labels, labelled_codes, labelled_pair, labelled_row_pairs, labelled_rows
from hashlens.measures.features import Features, as_features

Distances = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]


def nearest_codes(
    queries: Codes, codes: Codes, k: int
) -> tuple[Int32[npt.NDArray[np.int32], "{len(queries)} {k}"], Int64[Rows, "{len(queries)} {k}"]]:
    """Find the k codes nearest to each query in Hamming distance, exactly.

    The packed rows are searched directly. Of codes at the same distance, the one in the lower row comes first. The rule
    matters: in narrow networks most queries have ties at the k-th neighbour.

    Parameters
    ----------
    queries, codes : Codes
        m and n rows of the same bits.
    k : int
        Number of neighbours, 1 <= k <= n.

    Returns
    -------
    distances : numpy.ndarray
        int32 ``(m, k)``, ascending, in bits.
    rows : numpy.ndarray
        int64 ``(m, k)``, rows of `codes`.

    Raises
    ------
    MeasureError
        If k is not between 1 and n, or the codes have no bits.
    CodesError
        If queries and codes are not the same bits of the same network.
    """
    import faiss

    require_same_code(queries, codes)
    check_k(k, len(codes))
    if codes.packed.shape[1] == 0:
        raise MeasureError(
            "nearest codes need codes of at least one bit, received none: all rows would have the same code"
        )
    if len(queries) == 0:
        return np.empty((0, k), np.int32), np.empty((0, k), np.int64)
    # FAISS's algorithms, by counters and by heaps, return the k smallest pairs (distance, row) in ascending order.
    distances, rows = faiss.knn_hamming(
        np.ascontiguousarray(queries.packed), np.ascontiguousarray(codes.packed), int(k), variant="hc"
    )
    return distances, rows


def nearest_features(
    queries: Num[Features, "m d"], features: Num[Features, "n d"], k: int
) -> tuple[Float32[npt.NDArray[np.float32], "m {k}"], Int64[Rows, "m {k}"]]:
    """Find the k vectors nearest to each query in Euclidean distance.

    Parameters
    ----------
    queries, features : array
        ``(m, d)`` and ``(n, d)``: the vectors.
    k : int
        Number of neighbours, 1 <= k <= n.

    Returns
    -------
    distances : numpy.ndarray
        float32 ``(m, k)``, ascending.
    rows : numpy.ndarray
        int64 ``(m, k)``, rows of `features`.

    Raises
    ------
    MeasureError
        If k is not between 1 and n, the columns differ, or a value is NaN or infinite.
    """
    import faiss

    check_k(k, len(features))
    query_features, vectors = as_features(queries), as_features(features)
    if query_features.shape[1] != vectors.shape[1]:
        raise MeasureError(
            f"queries of {query_features.shape[1]} columns cannot be compared with rows of {vectors.shape[1]}"
        )
    if len(query_features) == 0:
        return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
    squared, rows = faiss.knn(query_features.contiguous().numpy(), vectors.contiguous().numpy(), k)
    return np.sqrt(np.maximum(squared, 0)), rows


def vote(distances: Num[Distances, "m k"], neighbour_labels: Int64[Labels, "m k"]) -> Int64[Labels, " m"]:
    """Return the most frequent label among the neighbours.

    Ties are broken by the smallest sum of distances, then by the lowest label.

    Parameters
    ----------
    distances : numpy.ndarray
        ``(m, k)``: distances of the neighbours.
    neighbour_labels : numpy.ndarray
        int64 ``(m, k)``: their labels.

    Returns
    -------
    numpy.ndarray
        int64 ``(m,)``: the labels.

    >>> vote(np.array([[0, 1, 1, 3]]), np.array([[7, 4, 4, 7]])).tolist()
    [4]
    """
    names, classes = np.unique(neighbour_labels, return_inverse=True)
    classes = classes.reshape(neighbour_labels.shape)
    predicted = np.empty(len(classes), np.int64)
    step = max(1, (1 << 22) // max(1, len(names)))
    for start in range(0, len(classes), step):
        part = classes[start : start + step]
        cells = (np.arange(len(part))[:, None] * len(names) + part).ravel()
        size = len(part) * len(names)
        counts = np.bincount(cells, minlength=size).reshape(len(part), -1)
        totals = np.bincount(cells, distances[start : start + step].ravel(), size).reshape(len(part), -1)
        totals[counts < counts.max(axis=1, keepdims=True)] = np.inf
        predicted[start : start + step] = names[totals.argmin(axis=1)]
    return predicted


def knn_predict(
    queries: Codes, codes: Codes, labels: npt.ArrayLike | None = None, *, k: int = 9
) -> Int64[Labels, " {len(queries)}"]:
    """Predict the class of each query by K-NN, int64 ``(m,)``; ties are broken as in :func:`vote`.

    Codes without a label do not vote.

    Parameters
    ----------
    queries, codes : Codes
        m and n rows of the same bits.
    labels : array of int, optional
        ``(n,)``: labels of `codes`; those that they hold by default.
    k : int
        Number of neighbours, at most the number of codes with a label.

    Raises
    ------
    MeasureError
        If labels are missing, or k is not between 1 and the number of codes with a label.
    CodesError
        If queries and codes are not the same bits of the same network.
    """
    known, numbers, _ = labelled_codes(codes, labels, "K-NN")
    distances, rows = nearest_codes(queries, known, k)
    return vote(distances, numbers[rows])


def knn_accuracy(train: Codes, test: Codes, *, k: int = 9) -> float:
    """Return the test accuracy of K-NN: the share of test codes whose k nearest train codes vote for their label.

    Classes are matched by name where the codes have names; rows without a label are left out.

    Parameters
    ----------
    train, test : Codes
        Codes of training and test examples with labels: the same bits of the same network.
    k : int
        Number of neighbours, at most the number of train codes with a label.

    Raises
    ------
    MeasureError
        If labels are missing, or k is out of range.
    CodesError
        If train and test are not the same bits of the same network.
    """
    pair = labelled_pair(train, test, "K-NN")
    pair.log()
    distances, rows = nearest_codes(pair.queries, pair.reference, k)
    return float((vote(distances, pair.reference_labels[rows]) == pair.query_labels).mean())


def knn_accuracy_leave_one_out(
    codes: Codes | Num[Features, "n d"], labels: npt.ArrayLike | None = None, *, k: int = 9
) -> float:
    """Return the leave-one-out accuracy of K-NN: the share of rows whose k nearest other rows vote for their label.

    It computes n**2 distances. Rows without a label are left out.

    Parameters
    ----------
    codes : Codes or array
        n codes, compared by Hamming distance, or features ``(n, d)``, compared by Euclidean distance.
    labels : array of int, optional
        ``(n,)``: labels; those of the codes by default.
    k : int
        Number of neighbours, 1 <= k < n.

    Raises
    ------
    MeasureError
        If labels are missing, or k is not between 1 and n - 1.
    """
    if isinstance(codes, Codes):
        codes, labelled, _ = labelled_codes(codes, labels, "K-NN")
    else:
        labelled, rows_kept = labelled_rows(labels, len(codes), "K-NN")
        codes = as_features(codes)[rows_kept]
    check_k(k, len(codes) - 1)
    distances: Distances
    if isinstance(codes, Codes):
        distances, rows = nearest_codes(codes, codes, k + 1)
    else:
        distances, rows = nearest_features(codes, codes, k + 1)
    others = rows != np.arange(len(codes))[:, None]
    # A row with k + 1 equal codes in lower rows is not among its own neighbours: then the last neighbour is dropped.
    others[others.all(axis=1), k] = False
    return float((vote(distances[others].reshape(-1, k), labelled[rows[others]].reshape(-1, k)) == labelled).mean())


def knn_accuracy_features(
    train_features: Num[Features, "n d"],
    train_labels: npt.ArrayLike | None,
    test_features: Num[Features, "m d"],
    test_labels: npt.ArrayLike | None,
    *,
    k: int = 9,
) -> float:
    """Return the test accuracy of Euclidean K-NN on vectors.

    Classes are matched by name where labels are names; rows without a label are left out.

    Parameters
    ----------
    train_features, test_features : array
        ``(n, d)`` and ``(m, d)``: the vectors.
    train_labels, test_labels : array of int
        ``(n,)`` and ``(m,)``: labels.
    k : int
        Number of neighbours, at most the number of train vectors with a label.

    Raises
    ------
    MeasureError
        If labels are missing, the columns differ, or k is out of range.
    """
    (known, kept), (expected, query_features) = labelled_row_pairs(
        (train_labels, len(train_features)), (test_labels, len(test_features)), "K-NN"
    )
    distances, rows = nearest_features(as_features(test_features)[query_features], as_features(train_features)[kept], k)
    return float((vote(distances, known[rows]) == expected).mean())


def check_k(k: int, rows: int) -> None:
    """Raise MeasureError unless 1 <= k <= rows."""
    if not isinstance(k, int | np.integer) or not 1 <= k <= rows:
        raise MeasureError(
            f"K-NN needs 1 <= k <= {rows:,} rows, received k={k}: give more rows, or look at fewer neighbours"
        )
