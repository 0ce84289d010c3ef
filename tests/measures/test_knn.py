import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures import (
    knn_accuracy,
    knn_accuracy_features,
    knn_accuracy_leave_one_out,
    knn_predict,
    nearest_codes,
    nearest_features,
    vote,
)


@settings(deadline=None)
@given(st.integers(1, 70), st.data())
def test_neighbours_are_the_smallest_by_distance_then_row(bits, data):
    known = data.draw(arrays(np.bool_, st.tuples(st.integers(1, 50), st.just(bits))))
    asked = data.draw(arrays(np.bool_, (7, bits)))
    k = data.draw(st.integers(1, len(known)))
    distances, rows = nearest_codes(Codes.from_bits(asked), Codes.from_bits(known), k)
    full = (asked[:, None] != known[None]).sum(axis=2)
    expected = np.argsort(full, axis=1, kind="stable")[:, :k]
    assert np.array_equal(rows, expected)
    assert np.array_equal(distances, np.take_along_axis(full, expected, axis=1))


@pytest.mark.parametrize(("rows", "bits", "k"), [(5000, 6, 9), (3000, 40, 25), (2000, 600, 9)])
def test_ties_go_to_the_lower_row_in_large_sets_too(make_codes, rows, bits, k):
    known, asked = make_codes(0, rows, bits), make_codes(1, 100, bits)
    full = np.bitwise_count(asked.packed[:, None] ^ known.packed[None]).sum(axis=2, dtype=np.int64)
    assert np.array_equal(nearest_codes(asked, known, k)[1], np.argsort(full, axis=1, kind="stable")[:, :k])


def test_a_layer_and_a_read_only_map_are_searched_alike(make_codes, tmp_path):
    codes = make_codes(0, 300, 64)
    np.save(tmp_path / "packed.npy", codes.packed)
    mapped = Codes(np.load(tmp_path / "packed.npy", mmap_mode="r"), codes.layers)
    assert np.array_equal(nearest_codes(mapped, mapped, 3)[1], nearest_codes(codes, codes.layer("code"), 3)[1])


@given(st.data())
def test_votes_go_by_count_then_total_distance_then_class(data):
    labels = data.draw(arrays(np.int64, (4, 5), elements=st.integers(-2, 2)))
    distances = data.draw(arrays(np.int32, (4, 5), elements=st.integers(0, 3)))
    for row, predicted in enumerate(vote(distances, labels)):
        ranked = [
            (-(labels[row] == label).sum(), distances[row][labels[row] == label].sum(), label)
            for label in set(labels[row].tolist())
        ]
        assert predicted == min(ranked)[2]


def test_accuracy_agrees_with_scikit_learn_but_for_ties(digits_codes):
    from sklearn.neighbors import KNeighborsClassifier

    train, test = digits_codes
    plain = KNeighborsClassifier(9, metric="hamming").fit(train.unpack(), train.labels)
    assert knn_accuracy(train, test) == pytest.approx(plain.score(test.unpack(), test.labels), abs=0.01)


def test_leaving_one_out_is_a_search_without_the_row(make_codes):
    codes = make_codes(0, 60, 3, classes=3)
    right = 0
    for row in range(len(codes)):
        others = np.delete(np.arange(len(codes)), row)
        right += knn_predict(codes[row : row + 1], codes[others], k=4)[0] == codes.labels[row]
    assert knn_accuracy_leave_one_out(codes, k=4) == right / len(codes)


def test_euclidean_neighbours_are_those_of_all_distances():
    generator = np.random.default_rng(0)
    known, asked = generator.normal(size=(200, 5)).astype(np.float32), generator.normal(size=(20, 5)).astype(np.float32)
    full = np.linalg.norm(asked[:, None] - known[None], axis=2)
    distances, rows = nearest_features(asked, known, 4)
    assert np.array_equal(rows, np.argsort(full, axis=1)[:, :4])
    assert np.allclose(distances, np.sort(full, axis=1)[:, :4], atol=1e-5)
    assert knn_accuracy_features(known, np.arange(200), known, np.arange(200), k=1) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, b: nearest_codes(a, b, 11), "1 <= k <= 10 rows, received k=11"),
        (lambda a, b: nearest_codes(a, b, 0), "received k=0"),
        (lambda a, b: knn_accuracy(Codes.from_bits(b.unpack()), a, k=3), "needs labels, but these rows have none"),
        (lambda a, b: knn_accuracy_leave_one_out(b, k=10), "received k=10"),
        (lambda a, b: nearest_features(np.zeros((2, 3)), np.zeros((2, 4)), 1), "3 columns .* 4"),
        (lambda a, b: nearest_features(np.zeros(2), np.zeros((2, 4)), 1), "must be a matrix"),
        (lambda a, b: nearest_features(np.full((2, 2), np.nan), np.zeros((2, 2)), 1), "NaN or infinity"),
    ],
)
def test_bad_input(make_codes, call, message):
    with pytest.raises(MeasureError, match=message):
        call(make_codes(0, 5, 8, 2), make_codes(1, 10, 8, 2))
