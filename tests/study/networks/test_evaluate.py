from dataclasses import replace

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.data.noise import random_inputs
from hashlens.measures.prepared import cluster_accuracies, prepare
from hashlens.nets import build
from hashlens.result import Split
from hashlens.seeds import numpy_generator
from hashlens.study.networks.evaluate import KMEANS_STARTS, Evaluation, evaluate
from hashlens.study.networks.measures import DEFAULT_MEASURES, MEASURES

DATA = Split(hl.load_data("digits[:500]").load(), hl.load_data("digits[500:800]").load())
NOISE = random_inputs(DATA.test, 300, numpy_generator(0, "noise"), "bytes")


@pytest.fixture(scope="module")
def network():
    return hl.train("mlp", DATA.train, width=14, depth=2, epochs=8, seed=3).network


@pytest.fixture(scope="module")
def rows(network):
    """Every measure there is, by measure, split and layer."""
    found = evaluate(network, 8, Evaluation(DATA, {"bytes": NOISE}, tuple(MEASURES)), loss=1.5)
    values = {(row.measure, row.split, row.layer): row.value for row in found}
    assert len(values) == len(found)
    assert {row.step for row in found} == {8}
    return values


@pytest.fixture(scope="module")
def measured(network):
    return hl.measure(network, DATA.train, DATA.test, logistic="one-vs-one", controls=False)


def test_determinism_and_accuracies_are_those_of_measure(rows, measured):
    for split in ("train", "test"):
        assert rows["redundancy_ratio", split, ""] == getattr(measured.redundancy_ratio, split)
        assert rows["network_accuracy", split, ""] == getattr(measured.network_accuracy, split)
        assert rows["collision_probability", split, ""] == getattr(measured.determinism, split).collision_probability
    assert rows["logistic", "test", ""] == measured.categorization.logistic
    assert rows["knn", "test", ""] == measured.categorization.knn
    assert rows["separation_within", "test", ""] == measured.separation.overall.within
    assert rows["separation_between", "test", ""] == measured.separation.overall.between


def test_bits_to_determinism_are_none_where_all_bits_do_not_suffice(rows, measured):
    assert measured.bits_to_determinism.bits is None
    assert np.isnan(rows["bits_to_determinism", "train", ""])


def test_bits_to_determinism_of_a_wide_network():
    wide = build("mlp", input_shape=(1, 8, 8), classes=10, width=300)
    (row,) = evaluate(wide, 0, Evaluation(DATA, {}, ("bits_to_determinism",)))
    assert row.value == hl.bits_to_determinism(hl.encode(wide, DATA.train)).bits


def test_kmeans_is_the_best_of_its_restarts(rows, network):
    codes = Split(hl.encode(network, DATA.train), hl.encode(network, DATA.test))
    prepared = prepare(codes.train, codes.test)
    for split, truth in (("train", DATA.train.labels), ("test", DATA.test.labels)):
        expected = cluster_accuracies(getattr(prepared.rows, split), truth, 10, KMEANS_STARTS, 0)
        assert (rows["kmeans_purity", split, ""], rows["kmeans_hungarian", split, ""]) == expected


def test_each_layer_has_its_own_redundancy(rows, measured):
    assert len(measured.layers) == 2
    for layer in measured.layers:
        for split in ("train", "test"):
            assert rows["redundancy_ratio", split, layer.name] == getattr(layer.redundancy_ratio, split)


def test_a_single_layer_is_not_said_twice():
    network = build("mlp", input_shape=(1, 8, 8), classes=10, width=9)
    found = evaluate(network, 0, Evaluation(DATA, {}, ("redundancy_ratio",)))
    assert [(row.split, row.layer) for row in found] == [("train", ""), ("test", "")]


def test_rows_are_those_that_the_table_of_measures_promises(rows):
    promised = {(row, split, "") for measure in MEASURES.values() for row in measure.rows for split in measure.splits}
    promised |= {(row, "bytes", "") for measure in MEASURES.values() if measure.random_inputs for row in measure.rows}
    assert {key for key in rows if key[2] == ""} == promised


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_gives_the_same_alone(name, rows, network):
    alone = evaluate(network, 8, Evaluation(DATA, {}, (name,)), loss=1.5)
    assert {row.measure for row in alone} == set(MEASURES[name].rows)
    for row in alone:
        assert np.array_equal(rows[row.measure, row.split, row.layer], row.value, equal_nan=True)


def test_random_inputs_are_measured_where_no_label_is_needed(rows, network):
    expected = hl.redundancy_ratio(hl.fingerprint(network, NOISE))
    assert rows["redundancy_ratio", "bytes", ""] == expected
    assert {measure for measure, split, _ in rows if split == "bytes"} == {
        *("redundancy_ratio", "collision_probability", "local_complexity", "chord_length")
    }


def test_there_is_no_loss_before_training(network):
    assert evaluate(network, 0, Evaluation(DATA, {}, ("loss",)), None) == ()


def test_knn_on_train_leaves_each_example_out(rows, network):
    bits = hl.encode(network, DATA.train).unpack()
    distance = (bits[:, None] != bits[None]).sum(2)
    np.fill_diagonal(distance, 10**6)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :9]
    votes = np.array([np.bincount(DATA.train.labels[row], minlength=10) for row in nearest])
    sure = np.array([np.sum(vote == vote.max()) == 1 for vote in votes])
    cut = np.sort(distance, axis=1)
    sure &= cut[:, 8] < cut[:, 9]  # neither votes nor the ninth neighbour tied: any K-NN says the same
    share = (votes.argmax(1) == DATA.train.labels)[sure].mean() * sure.mean()
    assert share <= rows["knn", "train", ""] <= share + 1 - sure.mean()


def dead(width):
    """A network none of whose units is ever on."""
    network = build("mlp", input_shape=(1, 8, 8), classes=10, width=width)
    with torch.no_grad():
        network.hidden[0].linear.weight.zero_()
        network.hidden[0].linear.bias.fill_(-1.0)
    return network


@pytest.mark.parametrize("width", [1, 5])
def test_a_constant_code_can_only_name_the_most_frequent_class(width):
    measures = (*DEFAULT_MEASURES, "knn_train")
    values = {(row.measure, row.split): row.value for row in evaluate(dead(width), 0, Evaluation(DATA, {}, measures))}
    shares = np.bincount(DATA.train.labels) / len(DATA.train)
    on_test = np.bincount(DATA.test.labels, minlength=10) / len(DATA.test)
    for measure in ("knn", "logistic"):
        assert values[measure, "train"] == shares.max()
        assert values[measure, "test"] == on_test[shares.argmax()]
    for measure in ("kmeans_purity", "kmeans_hungarian"):
        assert values[measure, "train"] == shares.max()
        assert values[measure, "test"] == on_test.max()
    assert values["redundancy_ratio", "train"] == 499 / 500
    assert values["redundancy_ratio", "test"] == 299 / 300


def test_one_class_among_few_examples_is_the_only_one_named():
    zero = np.flatnonzero(DATA.train.labels == 0)[:20]
    few = Split(DATA.train.select(zero), DATA.test)
    network = build("mlp", input_shape=(1, 8, 8), classes=10, width=30)
    values = {(row.measure, row.split): row.value for row in evaluate(network, 0, Evaluation(few, {}, ("logistic",)))}
    assert values == {("logistic", "train"): 1.0, ("logistic", "test"): np.mean(DATA.test.labels == 0)}


@pytest.mark.slow
def test_examples_without_a_label_are_left_out_of_all_that_needs_one(network):
    labels = DATA.test.labels.copy()
    labels[::3] = -1
    known = np.flatnonzero(labels >= 0)
    measures = ("knn", "logistic", "kmeans", "network_accuracy")
    some = Split(DATA.train, replace(DATA.test, labels=labels))
    alone = Split(DATA.train, DATA.test.select(known))
    for tested in (network, dead(9)):
        found = [evaluate(tested, 0, Evaluation(data, {}, measures)) for data in (some, alone)]
        assert found[0] == found[1]
