from dataclasses import replace

import numpy as np
import pytest

from hashlens.codes.codes import Codes
from hashlens.errors import CodesError, MeasureError
from hashlens.measures import categorization, hungarian_accuracy, kmeans, knn_accuracy, logistic_regression, purity


def test_parts_are_those_of_the_parts(digits_codes):
    train, test = digits_codes
    found = categorization(train, test, logistic="one-vs-one", leave_one_out=True)
    assert found.knn == knn_accuracy(train, test)
    assert found.logistic == pytest.approx(
        logistic_regression(train, method="one-vs-one").accuracy(test, test.labels), abs=0.005
    )
    clusters = kmeans(test, 10).assignment
    assert found.kmeans_purity.test == purity(clusters, test.labels)
    assert found.kmeans_hungarian.test == hungarian_accuracy(clusters, test.labels)
    assert found.knn > 0.7
    assert found.knn_train > 0.7
    assert "one-vs-one" in str(found)


@pytest.mark.slow
def test_bits_constant_over_train_and_test_together_are_dropped(digits_codes):
    def widened(codes, last):
        bits = codes.unpack()
        column = np.full((len(codes), 1), last)
        return Codes.from_bits(np.hstack([np.ones_like(column), bits, column]), codes.labels)

    train, test = digits_codes
    plain, same = categorization(train, test), categorization(widened(train, False), widened(test, False))
    assert (same.code_bits, same.informative_bits) == (42, 40)
    assert replace(same, code_bits=40) == plain
    # A bit that only tells train from test is informative over the two together.
    assert categorization(widened(train, False), widened(test, True)).informative_bits == 41


def test_wide_codes_are_sampled_and_the_result_says_so(digits_codes):
    train, test = digits_codes
    budget = 4 * (len(train) + len(test)) * 16
    found = categorization(train, test, memory_budget=budget, seed=2)
    expected = [part.sample_bits(16, 2) for part in digits_codes]
    assert (found.sampled, found.bits_used, found.informative_bits) == (True, 16, 40)
    assert "16 of 40 informative bits" in found.notes[0]
    assert found.knn == knn_accuracy(*expected)
    assert not categorization(train, test).sampled


def test_channel_values_take_the_place_of_bits(digits_codes):
    from sklearn.neighbors import KNeighborsClassifier

    generator = np.random.default_rng(0)
    classes = generator.normal(size=(10, 6)) * [1, 1, 1, 1, 100, 100]
    parts = []
    for codes in digits_codes:
        values = classes[codes.labels] + generator.normal(size=(len(codes), 6)) * [0.3, 0.3, 0.3, 0.3, 30, 30]
        parts.append(replace(codes, values=values.astype(np.float32)))
    found = categorization(*parts)
    low, high = parts[0].values.min(axis=0), parts[0].values.max(axis=0)
    scaled = [(part.values - low) / (high - low) for part in parts]
    plain = KNeighborsClassifier(9).fit(scaled[0], parts[0].labels)
    assert found.knn == pytest.approx(plain.score(scaled[1], parts[1].labels), abs=0.005)
    assert found.bits_used == 6
    assert "real-valued" in found.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: (replace(a, labels=None), b), "categorization of train codes needs labels"),
        (lambda a, b: (a, replace(b, labels=None)), "categorization of test codes needs labels"),
        (lambda a, b: (a, b[:0]), "at least one row, received none"),
        (lambda a, b: (replace(a, labels=a.labels * 0), b), "at least two classes, and all 20 rows are of class 0"),
        (lambda a, b: (a[:5], b), "1 <= k <= 5 rows, received k=9"),
    ],
)
def test_bad_input(make_codes, change, message):
    with pytest.raises(MeasureError, match=message):
        categorization(*change(make_codes(0, 20, 8, 2), make_codes(1, 20, 8, 2)))


def test_codes_that_never_vary_are_refused():
    codes = Codes.from_bits(np.ones((12, 3)), labels=np.arange(12) % 2)
    with pytest.raises(MeasureError, match="none of the 3 bits varies"):
        categorization(codes, codes)


def test_codes_of_different_bits_are_refused(make_codes):
    with pytest.raises(CodesError, match="different bits"):
        categorization(make_codes(0, 20, 8, 2), make_codes(1, 20, 9, 2))
