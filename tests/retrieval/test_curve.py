import numpy as np
import pytest
import torch

from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures import hyperplane_codes
from hashlens.nets.mlp import MLP
from hashlens.result import Split
from hashlens.retrieval import (
    itq_codes,
    model_quality_curve,
    quality_curve,
    retrieval_quality,
    retrieval_quality_features,
    select_bits,
)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    inputs = inputs.astype(np.float32) / 16
    return Split((inputs[:600], labels[:600]), (inputs[600:700], labels[600:700]))


@pytest.fixture(scope="module")
def codes(digits):
    return Split(*(Codes.from_bits(inputs > 0.4, labels) for inputs, labels in (digits.train, digits.test)))


@pytest.fixture(scope="module")
def curve(digits, codes):
    return quality_curve(codes, (16, 48, 128), inputs=Split(digits.train[0], digits.test[0]), k=5)


def test_points_are_the_parts_called_one_by_one(digits, codes, curve):
    mask = select_bits(codes.train, 16)
    assert curve.of("neural code", "variance")[16] == retrieval_quality(
        codes.test.keep(mask), codes.train.keep(mask), k=5
    )
    mask = select_bits(codes.train, 48, "mutual_information")
    assert curve.of("neural code", "mutual_information")[48] == retrieval_quality(
        codes.test.keep(mask), codes.train.keep(mask), k=5
    )
    (inputs, labels), (asked, query_labels) = digits.train, digits.test
    train, test = hyperplane_codes(inputs, asked, 128, train_labels=labels, test_labels=query_labels)
    assert curve.of("raw inputs", "random hyperplanes")[128] == retrieval_quality(test, train, k=5)
    train, test = itq_codes(inputs, asked, 16, train_labels=labels, test_labels=query_labels)
    near = retrieval_quality(test, train, k=5).mean_average_precision
    assert curve.of("raw inputs", "ITQ")[16].mean_average_precision == pytest.approx(near, abs=0.05)
    whole = retrieval_quality_features(asked, inputs, query_labels, labels, k=5)
    assert curve.of("raw inputs", "float, cosine") == {64 * 32: whole}


def test_lengths_that_a_code_cannot_have_are_empty_and_say_why(curve):
    empty = {(point.source, point.coding): point.reason for point in curve.points if point.quality is None}
    assert empty["raw inputs", "ITQ"] == "ITQ of raw inputs gives at most 64 bits, one for each of their dimensions."
    assert empty["neural code", "variance"] == "neural code: these codes have 64 bits."
    assert set(curve.of("raw inputs", "random hyperplanes")) == {16, 48, 128}
    assert "gives at most 64 bits" in str(curve)


def test_selection_by_labels_is_named(curve):
    seen = {point.coding: point.labels_seen for point in curve.points}
    assert seen["mutual_information"] == "network, selection"
    assert seen["variance"] == "network"
    assert seen["ITQ"] == "none"


def test_the_best_of_a_length(curve):
    best = curve.best(16, "raw inputs")
    both = [curve.of("raw inputs", coding)[16].mean_average_precision for coding in ("ITQ", "random hyperplanes")]
    assert best.quality.mean_average_precision == max(both)
    assert curve.best(17, "raw inputs") is None


def test_a_network_brings_its_inputs_and_penultimate_features(digits):
    with torch.random.fork_rng():
        network = MLP(64, 10, width=32, depth=2)
    train, test = digits.train, digits.test
    found = model_quality_curve(network, train, test, (16,), methods=("depth",), layers="hidden.1*", k=1)
    assert {point.source for point in found.points} == {"neural code", "raw inputs", "penultimate features"}
    assert set(found.of("penultimate features", "float, euclidean")) == {32 * 32}
    assert found.rows == Split(600, 100)
    assert found.to_dict()["points"][0]["quality"]["k"] == [1]
    without = model_quality_curve(network, train, test, (16,), methods=("depth",), k=1, memory_budget=700 * 9)
    assert {point.source for point in without.points} == {"neural code"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lengths": ()}, "lengths of codes"),
        ({"lengths": 16}, "received 16"),
        ({"lengths": (16, 2.5)}, "each length in bits must be a whole number, 1 or more, received 2.5"),
        ({"methods": ["depht"]}, "did you mean 'depth'"),
        ({"k": 1000}, "k must be whole numbers from 1 to the 600 rows"),
    ],
)
def test_bad_input(codes, arguments, message):
    with pytest.raises(MeasureError, match=message):
        quality_curve(codes, **{"lengths": (16,), **arguments})


def test_labels_are_needed(codes, digits):
    with pytest.raises(MeasureError, match="these codes have none"):
        quality_curve(Split(Codes.from_bits([[0, 1]]), Codes.from_bits([[0, 1]])), (1,))
    with torch.random.fork_rng():
        network = MLP(64, 10, width=8, depth=1)
    with pytest.raises(MeasureError, match="has no labels"):
        model_quality_curve(network, digits.train[0], digits.test, (8,))
