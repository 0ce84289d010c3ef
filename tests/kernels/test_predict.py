import numpy as np
import pytest
from scipy.linalg import expm

from hashlens.errors import KernelError, KernelWarning
from hashlens.kernels import Dense, Predictor, ReLU, compute, predict, serial
from hashlens.testing.result_contract import check_result

generator = np.random.default_rng(0)
TRAIN, TEST = generator.standard_normal((8, 5)), generator.standard_normal((4, 5))
TARGETS = generator.standard_normal((8, 2))
LAYER = Dense(None, 2.0, 0.1)
NETWORK = serial(LAYER, ReLU(), LAYER, ReLU(), LAYER)
BOTH = np.vstack([TRAIN, TEST])
KERNELS = compute(NETWORK, BOTH)
OWN, CROSS = slice(0, 8), slice(8, 12)


@pytest.mark.parametrize("kernel", ["nngp", "ntk"])
@pytest.mark.parametrize("time", [0.0, 3.0, 200.0, None])
def test_networks_follow_the_gradient(kernel, time):
    """Outputs of all examples are a linear differential equation: their Gaussian is carried along by its flow."""
    start, tangent = KERNELS.nngp, getattr(KERNELS, kernel)
    flow = np.zeros((12, 12))
    flow[:, OWN] = -tangent[:, OWN] / TARGETS.size
    carried = expm(flow * (1e7 if time is None else time))
    mean = (np.eye(12) - carried)[:, OWN] @ TARGETS
    covariance = carried @ start @ carried.T
    found = predict(NETWORK, TRAIN, TARGETS, TEST, kernel, time=time)
    assert np.allclose(found.mean, mean[CROSS], atol=1e-7)
    assert np.allclose(found.covariance, covariance[CROSS, CROSS], atol=1e-7)


def test_many_times_are_predicted_at_once():
    predictor = Predictor(TARGETS, KERNELS.nngp[OWN, OWN], KERNELS.ntk[OWN, OWN], 0.01)
    cross = KERNELS.ntk[CROSS, OWN]
    many = predictor.means(cross, [0.0, 5.0, 1e8])
    assert np.allclose(many[1], predictor.predict(cross, time=5.0).mean)
    assert np.allclose(many[2], predictor.predict(cross).mean)
    assert (many[0] == 0).all()


def test_regularisation_is_a_share_of_the_mean_diagonal():
    own, cross = KERNELS.nngp[OWN, OWN], KERNELS.nngp[CROSS, OWN]
    found = Predictor(TARGETS[:, 0], own, diag_reg=0.1).predict(cross)
    ridge = 0.1 * own.diagonal().mean()
    assert np.allclose(found.mean[:, 0], cross @ np.linalg.solve(own + ridge * np.eye(8), TARGETS[:, 0]))


def test_a_prediction_is_a_result(tmp_path):
    check_result(predict(NETWORK, TRAIN, TARGETS, TEST, diag_reg=0.1, time=7.0), tmp_path)


def test_a_singular_kernel_says_which_eigenvalue_and_what_regularisation_mends_it():
    doubled, targets = np.vstack([TRAIN, TRAIN]), np.vstack([TARGETS, TARGETS])
    with pytest.raises(KernelError, match=r"is singular in float64: its smallest eigenvalue is -?.*e-1") as refused:
        predict(NETWORK, doubled, targets, TEST, "nngp")
    assert "\n" not in str(refused.value)
    ridge = float(str(refused.value).split("diag_reg=")[1].split()[0])
    assert 1e-16 < ridge < 1e-10
    found = predict(NETWORK, doubled, targets, TEST, "nngp", diag_reg=ridge).mean
    assert np.allclose(found, predict(NETWORK, TRAIN, TARGETS, TEST, "nngp").mean, atol=1e-6)


def test_float32_warns_where_rounding_would_change_the_solution():
    near = TRAIN + 1e-3 * generator.standard_normal(TRAIN.shape)
    both, targets = np.vstack([TRAIN, near]), np.vstack([TARGETS, -TARGETS])
    with pytest.warns(KernelWarning, match=r"nngp kernel of 16 examples is near singular for float32: .*float64"):
        rough = predict(NETWORK, both, targets, TEST, "nngp", dtype="float32", diag_reg=2e-6).mean
    exact = predict(NETWORK, both, targets, TEST, "nngp", diag_reg=2e-6).mean
    assert np.abs(rough - exact).max() > 1e-4 * np.abs(exact).max()
    assert predict(NETWORK, both, targets, TEST, "nngp", dtype="float32", diag_reg=1e-2).mean.dtype == np.float32


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Predictor(TARGETS, KERNELS.nngp[:, OWN]), r"must be square, received shape \(12, 8\)"),
        (lambda: Predictor(TARGETS[:5], np.eye(8)), r"targets must be \(8,\) or \(8, outputs\)"),
        (lambda: Predictor(TARGETS * np.nan, np.eye(8)), "targets have values that are not finite"),
        (lambda: Predictor(TARGETS, np.full((8, 8), np.inf)), "nngp has values that are not finite"),
        (lambda: Predictor(TARGETS, np.eye(8), diag_reg=-1), "diag_reg must be a number, 0 or more"),
        (lambda: Predictor(TARGETS, np.eye(8)).predict(np.eye(4)), r"cross must be \(m, 8\)"),
        (lambda: Predictor(TARGETS, np.eye(8)).predict(np.eye(8), np.eye(4)), r"test must be \(8, 8\) as cross"),
        (lambda: Predictor(TARGETS, None, np.eye(8)).predict(np.eye(8), np.eye(8)), "needs nngp= and cross_nngp= too"),
        (lambda: Predictor(TARGETS, np.eye(8)).predict(np.eye(8), time=-1), "time must be a number, 0 or more"),
        (lambda: predict(NETWORK, TRAIN, TARGETS, TEST, "nkt"), "did you mean 'ntk'"),
        (lambda: predict(NETWORK, TRAIN, ["a"] * 8, TEST), "targets must be numbers"),
    ],
)
def test_what_does_not_fit_is_refused(made, said):
    with pytest.raises(KernelError, match=said):
        made()
