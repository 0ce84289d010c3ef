"""Codes prepared for categorization: informative bits only, sampled to the memory budget, or channel values."""

from dataclasses import dataclass, replace

import torch

from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import MeasureError
from hashlens.measures.classes import Labels, checked_labels, labelled_pair
from hashlens.measures.clustering_accuracy import hungarian_accuracy, purity
from hashlens.measures.features import FLOAT_BYTES, range_scaled
from hashlens.measures.kmeans import kmeans
from hashlens.measures.knn import (
    Distances,
    Rows,
    knn_accuracy_leave_one_out,
    nearest_codes,
    nearest_features,
    vote,
)
from hashlens.result import Split

KMEANS_BITS = 4096
"""Largest number of bits that K-Means uses, by far the slowest of the three methods on wide codes."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Informative bits of labelled rows, sampled if needed; or scaled channel values instead of bits.

    Attributes
    ----------
    codes : Split of Codes
        Labelled codes of train and test.
    features : Split of torch.Tensor, or None
        Scaled channel values; None without them.
    code_bits, informative_bits, bits_used : int
        Numbers of bits of the codes, of bits that vary, and of bits or columns used.
    sampled : bool
        Whether bits were sampled to fit the memory budget.
    notes : tuple of str
        Remarks on what was done to the codes.
    test_rows : numpy.ndarray or None
        int64: row numbers in the test codes, if some rows have no label; None for all.
    """

    codes: Split[Codes]
    features: Split[torch.Tensor] | None
    code_bits: int
    informative_bits: int
    bits_used: int
    sampled: bool = False
    notes: tuple[str, ...] = ()
    test_rows: Labels | None = None

    @property
    def rows(self) -> Split[Codes] | Split[torch.Tensor]:
        """Input of the methods: the channel values if there are any, else the codes."""
        return self.codes if self.features is None else self.features


def prepare(train: Codes, test: Codes, memory_budget: int = 2 << 30, seed: int = 0) -> Prepared:
    """Prepare labelled codes for K-NN, logistic regression and K-Means.

    Rows without a label are left out, and classes are numbered as in train.

    Parameters
    ----------
    train, test : Codes
        n and m rows of the same bits of the same network.
    memory_budget : int
        Bytes that the bits of train and test may take as float32.
    seed : int
        Seed of the sample of bits of wider codes.

    Raises
    ------
    MeasureError
        If labels are missing, or no bit varies over train and test.
    CodesError
        If train and test are not the same bits of the same network.
    """
    require_same_code(train, test)
    pair = labelled_pair(train, test, "categorization")
    prepared = _prepare(pair.reference, pair.queries, memory_budget, seed)
    return replace(prepared, notes=(*prepared.notes, *pair.notes), test_rows=pair.rows_of_queries)


def _prepare(train: Codes, test: Codes, memory_budget: int, seed: int) -> Prepared:
    codes = Split(train.informative(test), test.informative(train))
    bits = codes.train.code_bits
    if train.values is not None and test.values is not None:
        features = Split(*range_scaled(train.values, test.values))
        columns = features.train.shape[1]
        note = f"{columns:,} real-valued channels in place of bits, scaled by their range on train; K-NN is Euclidean."
        return Prepared(codes, features, train.code_bits, bits, columns, notes=(note,))
    if bits == 0:
        raise MeasureError(
            f"none of the {train.code_bits:,} bits varies over train and test: no method can distinguish "
            "these rows; standardise the inputs or lower the learning rate, so that units switch"
        )
    fit = max(1, memory_budget // (FLOAT_BYTES * (len(train) + len(test))))
    kmeans_note = f"K-Means on {KMEANS_BITS:,} of the bits, drawn with seed {seed}."
    kmeans_notes = (kmeans_note,) if min(bits, fit) > KMEANS_BITS else ()
    if bits <= fit:
        return Prepared(codes, None, train.code_bits, bits, bits, notes=kmeans_notes)
    sampled = Split(codes.train.sample_bits(fit, seed), codes.test.sample_bits(fit, seed))
    note = (
        f"Measured on {fit:,} of {bits:,} informative bits, drawn with seed {seed}: all of them would take "
        f"{bits / fit * memory_budget / 2**30:.3g} GiB, more than the memory budget of {memory_budget / 2**30:.3g} GiB."
    )
    return Prepared(sampled, None, train.code_bits, bits, fit, True, (note, *kmeans_notes))


def nearest_train(prepared: Prepared, k: int) -> tuple[Distances, Rows]:
    """Return the distances and the row numbers of the k train rows nearest to each test row, ``(m, k)`` each."""
    if prepared.features is None:
        return nearest_codes(prepared.codes.test, prepared.codes.train, k)
    return nearest_features(prepared.features.test, prepared.features.train, k)


def knn_test_accuracy(prepared: Prepared, k: int) -> float:
    """Return the accuracy of K-NN on test."""
    return vote_accuracy(prepared, *nearest_train(prepared, k))


def vote_accuracy(prepared: Prepared, distances: Distances, neighbours: Rows) -> float:
    """Return the share of test rows whose nearest train rows, passed as arguments, vote for their label."""
    expected = checked_labels(prepared.codes.test.labels, len(prepared.codes.test), "K-NN")
    known = checked_labels(prepared.codes.train.labels, len(prepared.codes.train), "K-NN")
    return float((vote(distances, known[neighbours]) == expected).mean())


def knn_train_accuracy(prepared: Prepared, k: int) -> float:
    """Return the leave-one-out accuracy of K-NN on train."""
    train, features = prepared.codes.train, prepared.features
    if features is None:
        return knn_accuracy_leave_one_out(train, k=k)
    return knn_accuracy_leave_one_out(features.train, train.labels, k=k)


def cluster_accuracies(
    rows: Codes | torch.Tensor, labels: Labels, k: int, restarts: int, seed: int
) -> tuple[float, float]:
    """Return purity and Hungarian accuracy of K-Means."""
    if isinstance(rows, Codes):
        rows = rows.sample_bits(KMEANS_BITS, seed)
    result = kmeans(rows, k, restarts, seed)
    return purity(result.assignment, labels), hungarian_accuracy(result.assignment, labels)
