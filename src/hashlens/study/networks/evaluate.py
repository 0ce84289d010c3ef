"""Measurement of one network of a study: the rows of one checkpoint."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.encode import fingerprint
from hashlens.codes.fingerprint import Fingerprints
from hashlens.codes.observe import Observation, observe
from hashlens.codes.reading import Reading
from hashlens.data.examples import ArrayExamples
from hashlens.errors import MeasureError
from hashlens.measures import (
    LogisticMethod,
    bits_to_determinism,
    determinism,
    logistic_regression,
    redundancy_ratio,
    separation,
)
from hashlens.measures.classes import labelled_pair
from hashlens.measures.logistic import accuracy_tolerance
from hashlens.measures.prepared import Prepared, cluster_accuracies, knn_test_accuracy, knn_train_accuracy, prepare
from hashlens.result import Split
from hashlens.study.networks.measures import MEASURES, hook_of
from hashlens.study.row import Row

MeasuredValues = Iterator[tuple[str, str, float]]
CATEGORIES = ("knn", "knn_train", "logistic", "kmeans")
KMEANS_STARTS = 10
MEMORY_BUDGET = 2 << 30


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Settings for measuring the networks of a cell.

    Attributes
    ----------
    data : Split of ArrayExamples
        The distinct training examples of the cell, with their labels without noise, and the test examples.
    random_inputs : mapping of str to ArrayExamples
        Random inputs by kind.
    measures : sequence of str
        Names of measures, in `hashlens.study.networks.measures.MEASURES`.
    k : int
        Number of neighbours of K-NN.
    logistic : {"one-vs-one", "multinomial"}
        Kind of logistic regression.
    reading : Reading
        How codes are read.
    radius : float, optional
        Radius of the balls of ``local_complexity``; by default computed from the training examples of the cell.
    init : str
        How the networks were initialised, as in `hashlens.nets.build`.
    """

    data: Split[ArrayExamples]
    random_inputs: Mapping[str, ArrayExamples]
    measures: Sequence[str]
    k: int = 9
    logistic: LogisticMethod = "one-vs-one"
    reading: Reading = field(default_factory=Reading)
    radius: float | None = None
    init: str = "default"


def evaluate(
    network: torch.nn.Module, epochs: int, evaluation: Evaluation, loss: float | None = None
) -> tuple[Row, ...]:
    """Measure a network after `epochs` epochs.

    All accuracies are for the true labels, even if the network was trained on noisy labels; `loss` is that of the noisy
    labels. If no bit varies over train and test, K-NN, logistic regression and K-Means can only predict the most
    frequent class, and their rows hold the accuracy of this prediction. K-Means uses as many clusters as there are
    classes in the training examples of the cell, also on test.

    Parameters
    ----------
    network : torch.nn.Module
        The network after that many epochs.
    epochs : int
        Step of the rows.
    evaluation : Evaluation
        Measures and data.
    loss : float, optional
        Mean training loss of the last epoch (in nats if it is cross-entropy); None before training.

    Returns
    -------
    tuple of Row
        One row for each measure, split and layer.
    """
    parts = Split(evaluation.data.train, evaluation.data.test)
    row_budget = max(8, MEMORY_BUDGET // (len(parts.train) + len(parts.test)))
    observations = Split(
        *(observe(network, part, evaluation.reading, row_budget) for part in (parts.train, parts.test))
    )
    values = list(_whole_code(observations, evaluation, loss))
    for kind, examples in evaluation.random_inputs.items():
        fingerprints = fingerprint(
            network, examples, batch_size=evaluation.reading.batch_size, device=evaluation.reading.device
        )
        values += _determinism(evaluation.measures, kind, fingerprints)
    if any(MEASURES[name].geometry for name in evaluation.measures):
        from hashlens.study.networks.geometry import geometry

        values += geometry(network, evaluation)
    rows = [Row(epochs, *value) for value in values]
    for name in evaluation.measures:
        if (hook := hook_of(name)) is not None:
            rows += [Row(epochs, *value) for value in hook.rows(network, evaluation)]
    if "redundancy_ratio" in evaluation.measures:
        rows += [Row(epochs, *value, layer) for layer, value in _layers(observations)]
    return tuple(rows)


def _determinism(measures: Sequence[str], split: str, fingerprints: Fingerprints) -> MeasuredValues:
    if "redundancy_ratio" in measures:
        yield "redundancy_ratio", split, redundancy_ratio(fingerprints)
    if "collision_probability" in measures:
        yield "collision_probability", split, determinism(fingerprints).collision_probability


def _whole_code(observations: Split[Observation], evaluation: Evaluation, loss: float | None) -> MeasuredValues:
    """Yield measure, split and value of the whole code."""
    parts = (("train", observations.train), ("test", observations.test))
    values_of: dict[str, Callable[[], MeasuredValues]] = {
        "bits_to_determinism": lambda: iter(
            [("bits_to_determinism", "train", _bits_to_determinism(observations.train.codes, evaluation))]
        ),
        "loss": lambda: iter([] if loss is None else [("loss", "train", loss)]),
        "network_accuracy": lambda: (
            ("network_accuracy", name, float("nan") if part.accuracy is None else part.accuracy)
            for name, part in parts
        ),
        "separation": lambda: _separation(observations.test.codes, evaluation.reading.seed),
    }  # fmt: skip
    for name, part in parts:
        yield from _determinism(evaluation.measures, name, part.fingerprints)
    for measure in evaluation.measures:
        if measure in values_of:
            yield from values_of[measure]()
    yield from _categorization(Split(observations.train.codes, observations.test.codes), evaluation)


def _bits_to_determinism(codes: Codes, evaluation: Evaluation) -> float:
    bits = bits_to_determinism(codes, seed=evaluation.reading.seed).bits
    return float("nan") if bits is None else float(bits)


def _separation(codes: Codes, seed: int) -> MeasuredValues:
    distances = separation(codes, seed=seed).overall
    yield "separation_within", "test", distances.within
    yield "separation_between", "test", distances.between


def _categorization(codes: Split[Codes], evaluation: Evaluation) -> MeasuredValues:
    measures = [measure for measure in evaluation.measures if measure in CATEGORIES]
    if not measures:
        return
    pair = labelled_pair(codes.train, codes.test, "categorization")
    codes, train_labels, test_labels = Split(pair.reference, pair.queries), pair.reference_labels, pair.query_labels
    classes, counts = np.unique(train_labels, return_counts=True)
    try:
        prepared = prepare(codes.train, codes.test, seed=evaluation.reading.seed)
    except MeasureError:
        yield from _constant_predictions(measures, Split(train_labels, test_labels), classes[counts.argmax()])
        return
    for measure in measures:
        if measure == "logistic" and len(classes) == 1:
            # With a single class among the training examples, a classifier can only predict that class.
            yield from _constant_predictions([measure], Split(train_labels, test_labels), classes[0])
        else:
            yield from _classifier_rows(measure, prepared, Split(train_labels, test_labels), len(classes), evaluation)


def _constant_predictions(measures: Sequence[str], labels: Split[np.ndarray], predicted: int) -> MeasuredValues:
    share = {name: float(np.mean(part == predicted)) for name, part in (("train", labels.train), ("test", labels.test))}
    majority = {
        name: float(np.unique(part, return_counts=True)[1].max() / len(part))
        for name, part in (("train", labels.train), ("test", labels.test))
    }
    for measure in measures:
        if measure == "kmeans":
            for name in ("train", "test"):
                yield "kmeans_purity", name, majority[name]
                yield "kmeans_hungarian", name, majority[name]
        elif measure == "logistic":
            yield "logistic", "train", share["train"]
            yield "logistic", "test", share["test"]
        else:
            split = "test" if measure == "knn" else "train"
            yield "knn", split, share[split]


def _classifier_rows(
    measure: str, prepared: Prepared, labels: Split[np.ndarray], classes: int, evaluation: Evaluation
) -> MeasuredValues:
    rows = prepared.rows
    if measure == "knn":
        yield "knn", "test", knn_test_accuracy(prepared, evaluation.k)
    elif measure == "knn_train":
        yield "knn", "train", knn_train_accuracy(prepared, evaluation.k)
    elif measure == "logistic":
        model = logistic_regression(
            rows.train, labels.train, evaluation.logistic, tolerance=accuracy_tolerance(len(labels.train))
        )
        yield "logistic", "train", model.accuracy(rows.train, labels.train)
        yield "logistic", "test", model.accuracy(rows.test, labels.test)
    else:
        for name, part, truth in (("train", rows.train, labels.train), ("test", rows.test, labels.test)):
            clusters = min(classes, len(truth))
            pure, matched = cluster_accuracies(part, truth, clusters, KMEANS_STARTS, evaluation.reading.seed)
            yield "kmeans_purity", name, pure
            yield "kmeans_hungarian", name, matched


def _layers(observations: Split[Observation]) -> Iterator[tuple[str, tuple[str, str, float]]]:
    """Yield R of each layer; nothing for a code of one layer, where it is the same as R of the whole code."""
    if len(observations.train.codes.layers) < 2:
        return
    for layer in observations.train.codes.layers:
        for name, part in (("train", observations.train), ("test", observations.test)):
            yield layer.name, ("redundancy_ratio", name, redundancy_ratio(part.codes.layer(layer.name)))
