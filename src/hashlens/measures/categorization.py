"""Categorization: how well K-NN, logistic regression and K-Means recover the classes from the codes alone."""

from dataclasses import dataclass

from rich.console import RenderableType

from hashlens.codes.codes import Codes
from hashlens.measures.classes import Classes, labelled_codes
from hashlens.measures.knn import Distances, Rows, check_k
from hashlens.measures.logistic import LogisticMethod, accuracy_tolerance, logistic_regression
from hashlens.measures.prepared import (
    Prepared,
    cluster_accuracies,
    knn_train_accuracy,
    nearest_train,
    prepare,
    vote_accuracy,
)
from hashlens.result import Result, Split
from hashlens.tables import number, table


@dataclass(frozen=True)
class Categorization(Result):
    """Accuracies of simple methods on the codes alone.

    Attributes
    ----------
    knn : float
        Test accuracy of K-NN in Hamming distance; with channel values, in Euclidean distance.
    logistic : float
        Test accuracy of logistic regression.
    logistic_method : {"multinomial", "one-vs-one"}
        Kind of logistic regression; the paper uses one-vs-one.
    kmeans_purity : Split of float
        Share of examples in the majority class of their cluster; optimistic, since several clusters may share a class.
    kmeans_hungarian : Split of float
        Share of examples in the class matched to their cluster, one cluster per class.
    knn_train : float or None
        Leave-one-out accuracy of K-NN on train; None unless requested.
    logistic_train : float
        Accuracy of logistic regression on train.
    code_bits : int
        Number of bits of the codes.
    informative_bits : int
        Number of bits that are not constant over train and test together.
    bits_used : int
        Number of bits used; with channel values, number of columns used.
    sampled : bool
        Whether bits were sampled to fit the memory budget.
    notes : tuple of str
        Remarks on what was done to the codes.
    """

    knn: float
    logistic: float
    logistic_method: LogisticMethod
    kmeans_purity: Split[float]
    kmeans_hungarian: Split[float]
    knn_train: float | None
    logistic_train: float
    code_bits: int
    informative_bits: int
    bits_used: int
    sampled: bool
    notes: tuple[str, ...] = ()

    def __rich__(self) -> RenderableType:
        rows = [
            ("K-NN", number(self.knn_train), number(self.knn)),
            (f"logistic ({self.logistic_method})", number(self.logistic_train), number(self.logistic)),
            ("K-Means, purity", number(self.kmeans_purity.train), number(self.kmeans_purity.test)),
            ("K-Means, Hungarian", number(self.kmeans_hungarian.train), number(self.kmeans_hungarian.test)),
        ]
        informative = f"{self.informative_bits:,} are informative (not constant)"
        note = f"{self.bits_used:,} of {self.code_bits:,} bits used; {informative}."
        return table("Classes from the codes alone", ("accuracy", "train", "test"), rows, " ".join([note, *self.notes]))


def categorization(
    train: Codes,
    test: Codes,
    *,
    k: int = 9,
    logistic: LogisticMethod = "multinomial",
    memory_budget: int = 2 << 30,
    seed: int = 0,
    restarts: int = 64,
    leave_one_out: bool = False,
) -> Categorization:
    """Measure how well codes separate classes, by K-NN, logistic regression and K-Means.

    Rows without a label are left out, and classes are matched by name where codes have class names. Bits that are
    constant over train and test together are dropped first. K-Means uses as many clusters as classes, and is fitted on
    train and on test separately. With channel values (``granularity="channel"``), the values, scaled by their range on
    train, replace the codes, and Euclidean distance replaces Hamming distance. K-Means uses at most 4,096 bits, sampled
    at random from wider codes.

    Parameters
    ----------
    train, test : Codes
        Codes of n training and m test examples with labels: the same bits of the same network.
    k : int
        Number of neighbours of K-NN.
    logistic : {"multinomial", "one-vs-one"}
        Kind of logistic regression for more than two classes.
    memory_budget : int
        Bytes that the bits of train and test may take as float32, 2 GiB by default. If codes are wider, as many
        bits as fit are sampled at random for all three methods, and the result reports this.
    seed : int
        Seed of the sample of bits and of K-Means.
    restarts : int
        Number of random starts of K-Means, as in :func:`~hashlens.measures.kmeans`.
    leave_one_out : bool
        Whether to measure K-NN on train too, which computes n**2 distances.

    Raises
    ------
    MeasureError
        If labels are missing, train has one class only, k is larger than n, train or test is empty, or no bit varies.
    CodesError
        If train and test are not the same bits of the same network.

    References
    ----------
    He, Lei, Ji, Tao (2021): Neural networks behave as hash encoders: an empirical study. arXiv 2101.05490.
    """
    require_labelled_classes(train, test, k)
    prepared = prepare(train, test, memory_budget, seed)
    nearest = nearest_train(prepared, k)
    return categorize(prepared, *nearest, logistic, seed, restarts, leave_one_out)


def require_labelled_classes(train: Codes, test: Codes, k: int) -> None:
    """Raise MeasureError unless both have labels, and train has at least two classes and `k` labelled rows."""
    _, train_labels, _ = labelled_codes(train, None, "categorization of train codes")
    labelled_codes(test, None, "categorization of test codes")
    Classes.of(train_labels, "categorization")
    check_k(k, len(train_labels))


def categorize(
    prepared: Prepared,
    distances: Distances,
    neighbours: Rows,
    logistic: LogisticMethod = "multinomial",
    seed: int = 0,
    restarts: int = 64,
    leave_one_out: bool = False,
) -> Categorization:
    """Measure how well prepared codes separate classes, given their nearest neighbours.

    Parameters
    ----------
    prepared : Prepared
        Labelled codes of n train and m test examples.
    distances, neighbours : numpy.ndarray
        ``(m, k)``: distances and rows of the k nearest train examples of each test example.
    logistic, seed, restarts, leave_one_out
        As in :func:`categorization`.
    """
    train_labels, test_labels = prepared.codes.train.labels, prepared.codes.test.labels
    assert train_labels is not None
    assert test_labels is not None
    classes = len(Classes.of(train_labels, "categorization"))
    rows = prepared.rows
    model = logistic_regression(rows.train, train_labels, logistic, tolerance=accuracy_tolerance(len(train_labels)))
    clusters = Split(
        cluster_accuracies(rows.train, train_labels, classes, restarts, seed),
        cluster_accuracies(rows.test, test_labels, classes, restarts, seed),
    )
    return Categorization(
        knn=vote_accuracy(prepared, distances, neighbours),
        logistic=model.accuracy(rows.test, test_labels),
        logistic_method=logistic,
        kmeans_purity=Split(clusters.train[0], clusters.test[0]),
        kmeans_hungarian=Split(clusters.train[1], clusters.test[1]),
        knn_train=knn_train_accuracy(prepared, distances.shape[1]) if leave_one_out else None,
        logistic_train=model.accuracy(rows.train, train_labels),
        code_bits=prepared.code_bits,
        informative_bits=prepared.informative_bits,
        bits_used=prepared.bits_used,
        sampled=prepared.sampled,
        notes=prepared.notes,
    )
