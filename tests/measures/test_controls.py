import numpy as np
import pytest

from hashlens.errors import MeasureError
from hashlens.measures import Control, categorization, feature_categorization, hyperplane_codes
from hashlens.result import Split


def digits():
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    return inputs[:1200], labels[:1200], inputs[1200:], labels[1200:]


def test_the_share_of_bits_that_differ_estimates_the_angle():
    angle = 1.0
    rows = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)], [-1.0, 0.0], [-np.cos(angle), -np.sin(angle)]])
    codes, again = hyperplane_codes(rows, rows, 4096)
    bits = codes.unpack()
    assert (bits[0] != bits[1]).mean() == pytest.approx(angle / np.pi, abs=0.03)
    assert (bits[0] != bits[2]).all()
    assert np.array_equal(codes.packed, again.packed)


def test_rows_are_centred_by_train_and_labels_kept():
    train = np.random.default_rng(0).normal(size=(50, 6))
    near, _ = hyperplane_codes(train, train, 65)
    far, labelled = hyperplane_codes(train + 1000, train + 1000, 65, test_labels=np.arange(50))
    assert (near.unpack() != far.unpack()).mean() < 0.001
    assert labelled.labels.tolist() == list(range(50))
    assert hyperplane_codes(train, train, 65, seed=1)[0].packed.tobytes() != near.packed.tobytes()


@pytest.mark.slow
def test_hyperplane_codes_categorize_as_codes_do():
    train, train_labels, test, test_labels = digits()
    found = categorization(*hyperplane_codes(train, test, 256, train_labels=train_labels, test_labels=test_labels))
    assert found.knn > 0.85
    assert found.logistic > 0.85


def test_features_are_scaled_by_their_range():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import MinMaxScaler

    train, train_labels, test, test_labels = digits()
    units = 10.0 ** np.random.default_rng(0).integers(-3, 4, size=64)
    found = feature_categorization(train * units, train_labels, test * units, test_labels)
    scaler = MinMaxScaler().fit(train)
    plain = [
        model.fit(scaler.transform(train), train_labels).score(scaler.transform(test), test_labels)
        for model in (KNeighborsClassifier(9), LogisticRegression(max_iter=1000))
    ]
    assert found == pytest.approx(plain, abs=0.005)


def test_a_control_reads_as_one_line():
    assert str(Control("raw_inputs", knn=0.9)) == "raw inputs: K-NN 0.9000"
    assert "R test 0.2500" in str(Control("untrained", redundancy_ratio=Split(None, 0.25)))
    assert str(Control("x", available=False, reason="no inputs")) == "x: not available, no inputs"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hyperplane_codes(np.eye(3), np.eye(3), 4097), "1 to 4,096 bits, received 4,097"),
        (lambda: hyperplane_codes(np.eye(3), np.eye(4), 8), "same columns"),
        (lambda: hyperplane_codes(np.zeros((0, 3)), np.eye(3), 8), "need train rows"),
        (lambda: feature_categorization(np.ones((20, 2)), np.arange(20) % 2, np.ones((2, 2)), [0, 1]), "constant"),
        (lambda: feature_categorization(np.eye(3), [0, 1, 0], np.eye(3), [0, 1, 0]), "1 <= k <= 3 rows"),
        (lambda: feature_categorization(np.full((9, 2), np.nan), [0] * 9, np.eye(2), [0, 1]), "NaN"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(MeasureError, match=message):
        call()
