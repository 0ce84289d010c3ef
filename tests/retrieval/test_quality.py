"""Retrieval quality against averages over every order of the ties, written out."""

from itertools import groupby, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashlens.codes.codes import Codes
from hashlens.errors import CodesError, MeasureError
from hashlens.retrieval import RetrievalQuality, retrieval_quality, retrieval_quality_features


def over_all_orders(distances, relevant, cuts):
    """Return precision, recall and average precision at each cut, averaged over all orders of the ties."""
    order = np.argsort(distances, kind="stable")
    groups = [list(rows) for _, rows in groupby(order, key=lambda row: distances[row])]
    found = []
    for parts in product(*(permutations(group) for group in groups)):
        hits = np.asarray(relevant)[[row for part in parts for row in part]]
        running = np.cumsum(hits)
        at_hits = hits * running / np.arange(1, len(hits) + 1)
        found.append(
            [(running[k - 1] / k, running[k - 1] / running[-1], at_hits[:k].sum() / min(k, running[-1])) for k in cuts]
        )
    return np.mean(found, axis=0)


def position_by_position(distances, relevant):
    """Return the expected average precision by a sum over positions, ties in random order."""
    total, ahead, ahead_hits = 0.0, 0, 0
    for distance in np.unique(distances):
        size = int((distances == distance).sum())
        hits = int(relevant[distances == distance].sum())
        for i in range(1, size + 1):
            others = (i - 1) * (hits - 1) / (size - 1) if size > 1 else 0
            total += hits / size * (ahead_hits + 1 + others) / (ahead + i)
        ahead, ahead_hits = ahead + size, ahead_hits + hits
    return total / ahead_hits


def matrix(rows):
    return st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=rows, max_size=rows)


@settings(max_examples=40, deadline=None)
@given(query=matrix(1), bits=matrix(6), labels=st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_it_is_the_average_over_all_orders_of_the_ties(query, bits, labels):
    labels[0] = 1
    cuts = (1, 2, 4, 6)
    found = retrieval_quality(Codes.from_bits(query, [1]), Codes.from_bits(bits, labels), k=cuts)
    distances = (np.array(bits) != query[0]).sum(axis=1)
    expected = over_all_orders(distances, np.array(labels) == 1, cuts)
    assert found.precision == pytest.approx(expected[:, 0])
    assert found.recall == pytest.approx(expected[:, 1])
    assert found.mean_average_precision_at == pytest.approx(expected[:, 2])
    assert found.mean_average_precision == pytest.approx(expected[-1, 2])


@pytest.mark.parametrize("bits", [3, 64, 130])
def test_many_queries_against_a_sum_over_positions(bits):
    known = np.random.default_rng(bits)
    codes = Codes.from_bits(known.integers(0, 2, (300, bits)), known.integers(0, 4, 300))
    queries = Codes.from_bits(known.integers(0, 2, (150, bits)), known.integers(0, 5, 150))
    distances = (queries.unpack()[:, None] != codes.unpack()).sum(axis=2)
    averages = [
        position_by_position(row, codes.labels == label)
        for row, label in zip(distances, queries.labels, strict=True)
        if label < 4
    ]
    found = retrieval_quality(queries, codes)
    assert found.mean_average_precision == pytest.approx(np.mean(averages), abs=1e-12)
    assert found.standard_error == pytest.approx(np.std(averages) / np.sqrt(len(averages)))
    assert found.queries == len(averages)
    assert found.without_relevant == 150 - len(averages)
    turned = known.permutation(300)
    assert retrieval_quality(queries, codes[turned]).precision == pytest.approx(found.precision)


def test_codes_that_say_nothing_find_the_base_rate():
    codes = Codes.from_bits(np.zeros((40, 5), int), np.arange(40) % 4)
    found = retrieval_quality(codes[:3], codes, k=(1, 7, 40))
    assert found.precision == pytest.approx((0.25, 0.25, 0.25))
    assert found.recall == pytest.approx((1 / 40, 7 / 40, 1))


def test_codes_that_say_all_find_all():
    labels = np.arange(60) % 3
    codes = Codes.from_bits(np.eye(3, dtype=int)[labels], labels)
    found = retrieval_quality(codes, k=(1, 19, 59))
    assert found.mean_average_precision == 1
    assert found.mean_average_precision_at == (1, 1, 1)
    assert found.precision == pytest.approx((1, 1, 19 / 59))
    assert found.rows == 59


def test_each_query_is_left_out_of_its_own_ranking():
    known = np.random.default_rng(0)
    labels, bits = known.integers(0, 3, 30), known.integers(0, 2, (30, 6))
    codes = Codes.from_bits(bits, labels)
    alone = retrieval_quality(codes, k=5)
    one_by_one = [
        retrieval_quality(codes[i : i + 1], codes[np.delete(np.arange(30), i)], k=5).mean_average_precision
        for i in range(30)
    ]
    assert alone.mean_average_precision == pytest.approx(np.mean(one_by_one))
    features = known.normal(size=(30, 4))
    alone = retrieval_quality_features(features, None, labels, k=5)
    one_by_one = [
        retrieval_quality_features(
            features[i : i + 1], np.delete(features, i, 0), labels[i : i + 1], np.delete(labels, i), k=5
        ).mean_average_precision
        for i in range(30)
    ]
    assert alone.mean_average_precision == pytest.approx(np.mean(one_by_one))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_features_rank_as_scikit_learn_ranks(distance):
    from sklearn.metrics import average_precision_score
    from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

    known = np.random.default_rng(1)
    shift = 0 if distance == "cosine" else 1000
    queries, rows = known.normal(size=(20, 6)) + shift, known.normal(size=(200, 6)) + shift
    query_labels, labels = known.integers(0, 3, 20), known.integers(0, 3, 200)
    far = {"cosine": cosine_distances, "euclidean": euclidean_distances}[distance](queries, rows)
    found = retrieval_quality_features(queries, rows, query_labels, labels, k=10, distance=distance)
    expected = [average_precision_score(labels == at, -row) for row, at in zip(far, query_labels, strict=True)]
    assert found.mean_average_precision == pytest.approx(np.mean(expected), abs=1e-4)
    first = labels[np.argsort(far, axis=1)[:, :10]] == query_labels[:, None]
    assert found.precision[0] == pytest.approx(first.mean())


def test_features_tie_where_distances_are_equal():
    rows = np.eye(4)[1:]
    found = retrieval_quality_features(np.eye(4)[:1], rows, [1], [1, 0, 0], k=1)
    assert found.mean_average_precision == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found.precision == pytest.approx((1 / 3,))


def test_it_reads_as_a_table():
    codes = Codes.from_bits(np.eye(3, dtype=int), [0, 0, 1])
    found = retrieval_quality(codes, k=1)
    assert isinstance(found, RetrievalQuality)
    assert "mAP 0.75" in str(found)
    assert "1 without a relevant row left out" in str(found)
    assert found.to_dict()["k"] == [1]


SMALL = Codes.from_bits([[0, 1], [1, 1]], [0, 1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: retrieval_quality(SMALL, SMALL), MeasureError, "from 1 to the 2 rows .* received .1, 10, 100."),
        (lambda: retrieval_quality(SMALL, SMALL, k=0), MeasureError, "received 0"),
        (lambda: retrieval_quality(SMALL, SMALL, k="3"), MeasureError, "received '3'"),
        (
            lambda: retrieval_quality(SMALL, SMALL, [5, 6], k=1),
            MeasureError,
            "2 queries has a relevant row",
        ),
        (lambda: retrieval_quality(Codes.from_bits([[0, 1]]), SMALL, k=1), MeasureError, "needs labels"),
        (lambda: retrieval_quality(SMALL, SMALL, labels=[0], k=1), MeasureError, "one label for each of 2 rows"),
        (lambda: retrieval_quality(SMALL[:0], SMALL, k=1), MeasureError, "at least one row"),
        (lambda: retrieval_quality(SMALL, k=1), MeasureError, "none of the 2 queries"),
        (
            lambda: retrieval_quality(*[Codes.from_bits(np.zeros((2, 0)), [0, 0])] * 2, k=1),
            MeasureError,
            "at least one bit",
        ),
        (lambda: retrieval_quality(SMALL, Codes.from_bits([[1, 1, 1]], [0]), k=1), CodesError, "different bits"),
        (lambda: retrieval_quality_features(np.eye(2), np.eye(3), [0, 1], [0, 1, 1]), MeasureError, "2 columns"),
        (
            lambda: retrieval_quality_features(np.eye(2), np.eye(2), [0, 1], [0, 1], k=1, distance="cosin"),
            MeasureError,
            "did you mean 'cosine'",
        ),
        (lambda: retrieval_quality_features(np.full((2, 2), np.nan), None, [0, 0], k=1), MeasureError, "NaN"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
