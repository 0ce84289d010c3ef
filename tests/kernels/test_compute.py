import numpy as np
import pytest
import torch

from hashlens.errors import KernelError
from hashlens.kernels import (
    GELU,
    AvgPool,
    Conv,
    Dense,
    Erf,
    Flatten,
    GlobalAvgPool,
    InfiniteNetwork,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    code_kernel,
    compute,
    diagonals,
    nngp,
    ntk,
    serial,
)
from hashlens.kernels.compute import blocks, inputs_of

generator = np.random.default_rng(0)
VECTORS, OTHERS = generator.standard_normal((9, 6)), generator.standard_normal((5, 6))
IMAGES, FEW = generator.standard_normal((5, 2, 6, 5)), generator.standard_normal((3, 2, 6, 5))
PERCEPTRON = serial(Dense(64, 1.5, 0.1), ReLU(), Dense(32, 1.5, 0.1), LeakyReLU(0.1), Dense(3, 1.5, 0.1))
NETWORKS = {
    "perceptron": (PERCEPTRON, VECTORS, OTHERS),
    "standard": (InfiniteNetwork(PERCEPTRON.layers, "standard"), VECTORS, OTHERS),
    "normalised": (serial(Dense(), LayerNorm(), GELU(), Dense()), VECTORS, OTHERS),
    "vec": (serial(Conv(stride=2), ReLU(), Conv(size=(1, 3)), Erf(), Flatten(), Dense(), ReLU(), Dense()), IMAGES, FEW),
    "gap": (serial(Conv(bias_variance=0.1), ReLU(), GlobalAvgPool(), Dense()), IMAGES, FEW),
    "pooled": (
        serial(Conv(), ReLU(), AvgPool(2), Conv(), ReLU(), Flatten(), Dense(), ReLU(), Dense()),
        IMAGES,
        FEW,
    ),
    "residual": (
        serial(Conv(), Residual((ReLU(), Conv(), ReLU(), Conv())), ReLU(), GlobalAvgPool(), Dense()),
        IMAGES,
        FEW,
    ),
}
EVERY = pytest.mark.parametrize("name", NETWORKS)


@EVERY
def test_kernels_with_itself_are_those_of_two_copies_but_for_the_rounding_of_pairs(name):
    network, x, _ = NETWORKS[name]
    same, two = compute(network, x, None, ("nngp", "ntk", "code")), compute(network, x, x, ("nngp", "ntk", "code"))
    for kind in ("nngp", "ntk", "code"):
        first, second = getattr(same, kind), getattr(two, kind)
        assert np.abs(first - second).max() <= 1e-6 * np.abs(second).max()
        off = ~np.eye(len(x), dtype=bool)
        assert np.allclose(first[..., off], second[..., off], rtol=1e-12, atol=1e-14)
        assert np.array_equal(first, first.swapaxes(-1, -2)), kind
    assert np.linalg.eigvalsh(same.nngp)[0] > -1e-12


@EVERY
def test_diagonals_are_those_of_the_kernels(name):
    network, x, _ = NETWORKS[name]
    kinds = ("nngp", "ntk", "code")
    alone, whole = diagonals(network, x, kinds), compute(network, x, None, kinds)
    assert np.allclose(alone.nngp, whole.nngp.diagonal(), rtol=1e-13, atol=0)
    assert np.allclose(alone.ntk, whole.ntk.diagonal(), rtol=1e-13, atol=0)
    assert (alone.code == 1).all()
    assert (np.diagonal(whole.code, axis1=1, axis2=2) == 1).all()


@EVERY
def test_blocks_give_what_the_whole_gives(name):
    network, x, others = NETWORKS[name]
    for second in (None, others):
        whole = compute(network, x, second)
        tensors = inputs_of(network, x, second, "float64", "cpu")
        for rows, columns, found in blocks(network, *tensors, ("nngp", "ntk"), side=2):
            assert np.allclose(found.nngp, whole.nngp[rows, columns], rtol=1e-12, atol=1e-14)
            assert np.allclose(found.ntk, whole.ntk[rows, columns], rtol=1e-12, atol=1e-14)


def test_float32_is_near_float64_and_its_diagonal_is_exact():
    found, exact = compute(PERCEPTRON, VECTORS, dtype="float32"), compute(PERCEPTRON, VECTORS)
    assert found.ntk.dtype == np.float32
    assert np.allclose(found.nngp, exact.nngp, rtol=1e-5)
    assert np.allclose(found.ntk, exact.ntk, rtol=1e-5, atol=1e-5)
    assert np.allclose(found.ntk.diagonal(), exact.ntk.diagonal(), rtol=5e-7)


def test_agreement_is_twice_the_factor_of_the_tangent_kernel():
    network = serial(Dense(), ReLU(), Dense())
    slope = (ntk(network, VECTORS) - nngp(network, VECTORS)) / nngp(serial(Dense()), VECTORS)
    assert np.allclose(slope, code_kernel(network, VECTORS)[0], rtol=1e-12)


def test_an_input_that_is_zero_agrees_with_half_of_the_bits():
    found = code_kernel(serial(Dense(), ReLU(), Dense()), [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert found[0].tolist() == [[1, 0.5, 0.5], [0.5, 1, 0], [0.5, 0, 1]]


def test_networks_of_no_activation_are_linear():
    x = torch.from_numpy(VECTORS)
    linear = (x @ x.T / 6).numpy()
    found = compute(serial(Dense(None, 3.0, 0.5), Dense(None, 2.0, 0.25)), VECTORS)
    assert np.allclose(found.nngp, 2 * (3 * linear + 0.5) + 0.25)
    assert np.allclose(found.ntk, 2 * (3 * linear + 0.5) + 0.25 + 2 * (3 * linear + 0.5))


@pytest.mark.parametrize(
    ("network", "x", "second", "said"),
    [
        (PERCEPTRON, VECTORS, OTHERS[:, :5], r"x2 has examples of shape \(5,\), and x1 of \(6,\)"),
        (PERCEPTRON, VECTORS[0], None, r"received shape \(6,\)"),
        (PERCEPTRON, VECTORS[:0], None, r"none of them 0, received shape \(0, 6\)"),
        (PERCEPTRON, VECTORS * np.array([[1.0]] * 8 + [[np.nan]]), None, "not finite, in row 8"),
        (PERCEPTRON, "digits", None, "must be an array of numbers, received 'digits'"),
        (PERCEPTRON, IMAGES, None, r"layer 0 \(Dense\) takes vectors, received images: put Flatten"),
        (torch.nn.Linear(2, 2, device="meta"), VECTORS, None, "must be an InfiniteNetwork, received Linear"),
        (serial(Conv(), ReLU()), VECTORS, None, r"layer 0 \(Conv\) takes images"),
        (serial(Conv(size=9, padding=0)), IMAGES, None, r"windows of \(9, 9\) do not fit into images of 6x5"),
        (serial(Conv()), IMAGES, None, "ends in images"),
        (serial(ReLU()), VECTORS, None, r"layer 0 \(ReLU\) follows a layer whose features are not Gaussian"),
        (serial(Dense(), ReLU(), ReLU()), VECTORS, None, r"layer 2 \(ReLU\) follows a layer"),
        (serial(Dense(), ReLU(), LayerNorm()), VECTORS, None, r"layer 2 \(LayerNorm\) has a limit only directly after"),
        (serial(Dense(), Residual((ReLU(),))), VECTORS, None, r"layer 1 \(Residual\): its branches are correlated"),
        (serial(Conv(), Residual(Conv(stride=2))), IMAGES, None, "a sum needs the same"),
        (serial(Dense(), parameterization="standard"), VECTORS, None, r"layer 0 \(Dense\) has no width"),
    ],
)
def test_bad_input_is_refused_with_its_place(network, x, second, said):
    with pytest.raises(KernelError, match=said):
        compute(network, x, second)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Dense(0), "Dense: width must be a whole number, 1 or more, received 0"),
        (lambda: Dense(weight_variance=-1), "weight_variance must be a number, 0 or more"),
        (lambda: Conv(size=2), "needs windows of odd size"),
        (lambda: Conv(stride=0), "stride must be a whole number, 1 or more"),
        (lambda: serial(torch.nn.ReLU()), "is no layer of hashlens.kernels"),
        (lambda: serial(Dense(), parameterization="ntp"), "did you mean 'ntk'"),
        (lambda: compute(PERCEPTRON, VECTORS, None, ["nngb"]), "did you mean 'nngp'"),
        (lambda: compute(PERCEPTRON, VECTORS, dtype="float16"), "unknown dtype 'float16'"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(made, said):
    with pytest.raises(KernelError, match=said):
        made()
