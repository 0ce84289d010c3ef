"""Kernels and predictions against values that another library computed once."""

import numpy as np
import pytest

from hashlens.kernels import (
    Conv,
    Dense,
    Erf,
    Flatten,
    GlobalAvgPool,
    Predictor,
    ReLU,
    compute,
    predict,
    serial,
)

pytestmark = pytest.mark.shared
VARIANCES = {"weight_variance": 2.0, "bias_variance": 0.01}


@pytest.fixture(scope="module")
def golden(shared_data):
    with np.load(shared_data / "kernels/golden.npz") as values:
        return {name: values[name].transpose(0, 3, 1, 2) if name in ("I1", "I2") else values[name] for name in values}


def perceptron(activation):
    return serial(*(Dense(**VARIANCES), activation) * 3, Dense(**VARIANCES))


def convolutional(*head):
    return serial(*(Conv(**VARIANCES), ReLU()) * 3, *head, Dense(**VARIANCES))


NETWORKS = {
    "relu": (perceptron(ReLU()), "X1", "X2"),
    "erf": (perceptron(Erf()), "X1", "X2"),
    "vec": (convolutional(Flatten()), "I1", "I2"),
    "gap": (convolutional(GlobalAvgPool()), "I1", "I2"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_are_the_golden_ones(golden, name):
    network, first, second = NETWORKS[name]
    found = compute(network, golden[first], golden[second])
    for kind, values in (("nngp", found.nngp), ("ntk", found.ntk)):
        expected = golden[f"{name}_{kind}"]
        assert np.abs(values / expected - 1).max() <= 1e-12, kind


@pytest.mark.parametrize("kernel", ["nngp", "ntk"])
def test_predictions_are_the_golden_ones(golden, kernel):
    found = predict(NETWORKS["relu"][0], golden["X1"], golden["Y"], golden["X2"], kernel, diag_reg=1e-3)
    for name, values in (("m", found.mean), ("c", found.covariance)):
        expected = golden[f"p_None_{kernel}_{name}"]
        assert np.abs(values - expected).max() <= 1e-8 * np.abs(expected).max(), name


def test_after_a_long_time_gradient_flow_is_where_it_ends(golden):
    network = NETWORKS["relu"][0]
    own, cross = compute(network, golden["X1"]), compute(network, golden["X2"], golden["X1"])
    test = compute(network, golden["X2"]).nngp
    for tangent, across in ((own.ntk, cross.ntk), (None, cross.nngp)):
        predictor = Predictor(golden["Y"], own.nngp, tangent, 1e-3)
        late = predictor.predict(across, test, cross.nngp, time=1e9)
        ever = predictor.predict(across, test, cross.nngp)
        assert np.allclose(late.mean, ever.mean, rtol=0, atol=1e-10)
        assert np.allclose(late.covariance, ever.covariance, rtol=0, atol=1e-10)
