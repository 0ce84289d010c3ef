import numpy as np
import pytest
import torch

from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures import logistic_regression
from hashlens.measures.features import as_features


def scikit_learn(features, labels):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(features, labels)


@pytest.fixture(scope="module")
def matrices(digits_codes):
    train, test = digits_codes
    return as_features(train).double().numpy(), train.labels, as_features(test).double().numpy(), test.labels


def test_every_pair_has_the_coefficients_of_scikit_learn(digits_codes, matrices):
    features, labels, _, _ = matrices
    model = logistic_regression(digits_codes[0], method="one-vs-one")
    for pair, (a, b) in enumerate(zip(*np.triu_indices(10, 1), strict=True)):
        rows = np.isin(labels, (a, b))
        expected = scikit_learn(features[rows], labels[rows])
        assert np.abs(expected.coef_[0] - model.coefficients[pair]).max() <= 1e-3
        assert abs(expected.intercept_[0] - model.intercepts[pair]) <= 1e-2


@pytest.mark.parametrize("method", ["multinomial", "one-vs-one"])
def test_autocast_of_the_caller_changes_no_coefficient(make_codes, method):
    codes = make_codes(0, 120, 40)
    labels = np.arange(120) % 3
    expected = logistic_regression(codes, labels, method)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model = logistic_regression(codes, labels, method)
    np.testing.assert_array_equal(model.coefficients, expected.coefficients)


def test_one_vs_one_predicts_as_scikit_learn(digits_codes, matrices):
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsOneClassifier

    features, labels, test, test_labels = matrices
    plain = OneVsOneClassifier(LogisticRegression(tol=1e-8, max_iter=1000)).fit(features, labels)
    model = logistic_regression(digits_codes[0], method="one-vs-one")
    assert (model.predict(digits_codes[1]) == plain.predict(test)).mean() >= 0.995
    assert model.accuracy(digits_codes[1], test_labels) == pytest.approx(plain.score(test, test_labels), abs=0.005)


def test_multinomial_has_the_coefficients_of_scikit_learn(digits_codes, matrices):
    features, labels, test, test_labels = matrices
    expected = scikit_learn(features, labels)
    model = logistic_regression(digits_codes[0])
    assert np.abs(expected.coef_ - model.coefficients).max() <= 1e-3
    assert model.accuracy(test, test_labels) == pytest.approx(expected.score(test, test_labels), abs=0.005)


@pytest.mark.parametrize("method", ["multinomial", "one-vs-one"])
def test_two_classes_are_one_sigmoid(matrices, method):
    features, labels, _, _ = matrices
    expected = scikit_learn(features, labels > 4)
    model = logistic_regression(features, (labels > 4).astype(int) * 7, method)
    assert np.abs(expected.coef_ - model.coefficients).max() <= 1e-3
    assert set(model.predict(features)) == {0, 7}


@pytest.mark.parametrize("method", ["multinomial", "one-vs-one"])
def test_wide_features_without_a_spectrum_reach_the_same_optimum(monkeypatch, matrices, method):
    from hashlens.measures import logistic_loss

    features, labels, _, _ = matrices
    expected = logistic_regression(features, labels, method)
    monkeypatch.setattr(logistic_loss, "SPECTRAL_COLUMNS", 10)
    assert np.abs(expected.coefficients - logistic_regression(features, labels, method).coefficients).max() <= 2e-3


def test_strength_is_the_c_of_scikit_learn(matrices):
    from sklearn.linear_model import LogisticRegression

    features, labels, _, _ = matrices
    expected = LogisticRegression(C=0.01, solver="newton-cholesky", tol=1e-10).fit(features, labels)
    model = logistic_regression(features, labels, strength=0.01)
    assert np.abs(expected.coef_ - model.coefficients).max() <= 1e-3


def test_classes_of_one_row_are_fitted():
    codes = Codes.from_bits(np.eye(4, dtype=int), labels=[0, 1, 2, 2])
    expected = scikit_learn(np.eye(4), codes.labels)
    assert np.abs(expected.coef_ - logistic_regression(codes).coefficients).max() <= 1e-3
    expected = scikit_learn(np.eye(4)[1:], codes.labels[1:])
    assert np.abs(expected.coef_[0] - logistic_regression(codes, method="one-vs-one").coefficients[2]).max() <= 1e-3


@pytest.mark.parametrize(
    ("labels", "method", "message"),
    [
        ([0, 1, 0], "one-vs-all", "unknown logistic regression 'one-vs-all': did you mean 'one-vs-one'"),
        ([1, 1, 1], "multinomial", "all 3 rows are of class 1"),
        (None, "multinomial", "needs labels"),
        ([0, 1], "multinomial", "one label for each of 3 rows"),
    ],
)
def test_bad_input(labels, method, message):
    with pytest.raises(MeasureError, match=message):
        logistic_regression(np.eye(3), labels, method)
