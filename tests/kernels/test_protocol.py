"""What is known of the kernels on MNIST: 2,000 training images, three hidden ReLU layers."""

import numpy as np
import pytest

import hashlens as hl
from hashlens.kernels import Dense, Predictor, ReLU, compute, serial

pytestmark = [pytest.mark.shared, pytest.mark.slow]
LAYER = Dense(None, 2.0, 0.01)
NETWORK = serial(*(LAYER, ReLU()) * 3, LAYER)
DRAWS, TRAIN = 3, 2000


@pytest.fixture(scope="module")
def drawn(shared_data):
    """Return for each draw kernels of 2,000 training images, theirs with all test images, and both sets of targets."""
    train, test = (hl.load_data(f"parquet:{shared_data}/mnist#{split}").load() for split in ("train", "test"))
    x = test.tensor().flatten(1).double()
    targets = np.eye(10) - 0.1
    found = []
    for rows in np.random.default_rng(0).permutation(len(train))[: DRAWS * TRAIN].reshape(DRAWS, TRAIN):
        images = train.tensor(rows).flatten(1).double()
        own, across = compute(NETWORK, images), compute(NETWORK, x, images)
        found.append((own, across, targets[train.labels[rows]], targets[test.labels]))
    return found


@pytest.mark.parametrize(("kernel", "expected"), [("nngp", 0.950), ("ntk", 0.948)])
def test_accuracy_is_what_others_measure(drawn, kernel, expected):
    right = []
    for own, across, targets, wanted in drawn:
        predictor = Predictor(targets, own.nngp, own.ntk if kernel == "ntk" else None, 1e-3)
        mean = predictor.predict(getattr(across, kernel)).mean
        right.append(np.mean(mean.argmax(1) == wanted.argmax(1)))
    assert abs(np.mean(right) - expected) <= 0.005


@pytest.mark.parametrize("kernel", ["nngp", "ntk"])
def test_diagonal_regularisation_does_what_early_stopping_does(drawn, kernel):
    """At times and regularisations that are matched: eps = N / (t tr(T) / n), on half of the images."""
    own, across, targets, wanted = drawn[0]
    half = TRAIN // 2
    solved, cross = getattr(own, kernel)[:half, :half], getattr(across, kernel)[:1000, :half]
    nngp, ntk, targets = own.nngp[:half, :half], solved if kernel == "ntk" else None, targets[:half]
    ridges = np.logspace(-6, 1, 24)
    times = targets.size / (ridges * solved.diagonal().mean())
    stopped = Predictor(targets, nngp, ntk).means(cross, times)
    errors = []
    for ridge, early in zip(ridges, stopped, strict=True):
        predictor = Predictor(targets, nngp, ntk, float(ridge))
        regularised = predictor.predict(cross).mean
        errors.append([np.mean((mean - wanted[:1000]) ** 2) for mean in (regularised, early)])
    assert np.corrcoef(np.transpose(errors))[0, 1] >= 0.99
