"""Small pieces of training and prediction: centring, whitening, layer-wise decay, augmentation, rounding."""

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import KernelError
from hashlens.kernels import (
    ZCA,
    Centred,
    Conv,
    Dense,
    Flatten,
    ReLU,
    empirical_ntk,
    finite_network,
    layerwise_weight_decay,
    nngp,
    ntk,
    predict,
    predict_ensemble,
    random_horizontal_flip,
    serial,
)
from hashlens.kernels.named import parse_network
from hashlens.kernels.rounding import (
    _size_at_ratio_one,
    critical_size,
    round_to_precision,
    rounding_noise,
    tolerated_noise,
)

generator = np.random.default_rng(0)
ROWS = generator.standard_normal((12, 5)) @ generator.standard_normal((5, 5))
PERCEPTRON = serial(Dense(), ReLU(), Dense())


def test_a_centred_network_starts_at_zero_and_trains_the_network_alone():
    with torch.random.fork_rng():
        network = nn.Linear(3, 2)
    start, centred, x = network.weight.detach().clone(), Centred(network), torch.ones(4, 3)
    assert not centred(x).any()
    centred(x).sum().backward()
    assert [name for name, of in centred.named_parameters() if of.grad is not None] == [
        "network.weight",
        "network.bias",
    ]
    with torch.no_grad():
        network.weight += 1
    assert torch.equal(centred.start.weight, start)
    assert torch.allclose(centred(x), torch.full((4, 2), 3.0))


@pytest.mark.parametrize("rows", [ROWS, ROWS[:4]], ids=["full rank", "fewer rows than features"])
def test_whitening_is_the_formula(rows):
    centred = rows - rows.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    expected = vectors @ np.diag((values + 0.3 * values.mean()) ** -0.5) @ vectors.T
    others = generator.standard_normal((3, 5))
    assert ZCA.fit(rows, 0.3)(others) == pytest.approx((others - rows.mean(0)) @ expected)


def test_whitened_images_keep_their_shape():
    images = generator.standard_normal((6, 1, 3, 2))
    assert ZCA.fit(images, 0.1)(images[:2]).shape == (2, 1, 3, 2)


@pytest.mark.parametrize(
    ("rows", "regularization", "fault"),
    [(ROWS, 0.0, "more than 0"), (np.ones((3, 2)), 0.1, "all the same"), ([1.0, 2.0], 0.1, r"\(n, \.\.\.\)")],
)
def test_what_cannot_be_whitened(rows, regularization, fault):
    with pytest.raises(KernelError, match=fault):
        ZCA.fit(rows, regularization)


def test_inputs_of_another_length_are_no_inputs():
    with pytest.raises(KernelError, match="3 features, and the training examples 5"):
        ZCA.fit(ROWS)(np.ones((2, 3)))


def test_weight_decay_is_in_proportion_to_fan_in():
    with torch.random.fork_rng():
        network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(30, 1, bias=False))
    groups = layerwise_weight_decay(network, 0.1)
    assert [group["weight_decay"] for group in groups] == pytest.approx([0.1 * 18 / 24, 0.1 * 30 / 24, 0.1])
    assert [[of.shape[0] for of in group["params"]] for group in groups] == [[4], [1], [4]]
    torch.optim.SGD(groups, lr=0.1).step()
    with pytest.raises(KernelError, match="no weights"):
        layerwise_weight_decay(nn.ReLU(), 0.1)


def test_a_locally_connected_network_with_equal_filters_is_a_convolution():
    network = serial(Conv(None, 3, 2, 1, bias_variance=0.1), ReLU(), Flatten(), Dense())
    shared, local = (finite_network(network, (2, 5, 4), 1, 6, shared_filters=one).double() for one in (True, False))
    with torch.no_grad():
        local[0].weight.copy_(shared[0].weight.flatten(1).expand_as(local[0].weight))
        local[0].bias.copy_(shared[0].bias.expand_as(local[0].bias))
        x = torch.from_numpy(generator.standard_normal((3, 2, 5, 4)))
        assert torch.allclose(local[0](x), shared[0](x))


def test_a_wide_locally_connected_network_has_the_kernel_of_the_convolution():
    network = serial(Conv(bias_variance=0.1), ReLU(), Flatten(), Dense())
    x = generator.standard_normal((3, 2, 4, 4))
    found = [
        empirical_ntk(
            finite_network(network, (2, 4, 4), 1, 128, shared_filters=False, seed=seed).double(), torch.from_numpy(x)
        )
        for seed in range(12)
    ]
    error = np.std(found, axis=0, ddof=1) / 12**0.5
    assert (np.abs(np.mean(found, axis=0) - ntk(network, x)) < 5 * error).all()


def test_an_ensemble_of_one_member_is_a_prediction():
    targets, test = ROWS[:, :2], generator.standard_normal((3, 5))
    found = predict_ensemble(PERCEPTRON, [ROWS], targets, test, "nngp", diag_reg=0.1)
    assert found == pytest.approx(predict(PERCEPTRON, ROWS, targets, test, "nngp", diag_reg=0.1).mean)
    both = predict_ensemble(PERCEPTRON, [ROWS, -ROWS], targets, test, diag_reg=0.1)
    other = predict_ensemble(PERCEPTRON, [-ROWS], targets, test, diag_reg=0.1)
    one = predict_ensemble(PERCEPTRON, [ROWS], targets, test, diag_reg=0.1)
    assert both == pytest.approx((one + other) / 2)
    with pytest.raises(KernelError, match="needs a member"):
        predict_ensemble(PERCEPTRON, [], targets, test)


def test_images_are_mirrored_or_not():
    images = np.arange(60.0).reshape(10, 1, 2, 3)
    found = random_horizontal_flip(images, np.random.default_rng(0))
    mirrored = (found == images[..., ::-1]).all((1, 2, 3))
    assert 0 < mirrored.sum() < 10
    assert (found[~mirrored] == images[~mirrored]).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float32"])
def test_the_noise_of_rounding_is_as_expected(precision):
    values = np.random.default_rng(1).uniform(0.1, 9.0, (200, 200))
    noise = np.sqrt(np.mean((round_to_precision(values, precision) - values) ** 2))
    assert rounding_noise(values, precision) == pytest.approx(noise, rel=0.02)


def test_a_matrix_tolerates_as_much_noise_as_its_spectrum_says():
    n = 300
    values = np.linspace(1.0, 30.0, n)
    noise = np.random.default_rng(2).standard_normal((n, n))
    symmetric = (noise + noise.T) / 2**0.5
    tolerated = tolerated_noise(values)
    assert tolerated_noise(np.ones(n)) == pytest.approx(0.5 / n**0.5, rel=1e-3)  # the semicircle alone
    least = [np.linalg.eigvalsh(np.diag(values) + share * tolerated * symmetric)[0] for share in (0.7, 1.4)]
    assert least[0] > 0 > least[1]


def test_more_examples_or_less_regularisation_make_a_kernel_fail():
    x = np.random.default_rng(3).standard_normal((160, 8))
    kernel = ntk(PERCEPTRON, x)
    found = critical_size(kernel, "bfloat16")
    assert found.sizes[-1] == 160
    assert found.ratio[-1] > found.ratio[0]
    assert found.predicted < critical_size(kernel, "bfloat16", 0.1).predicted
    assert found.predicted < critical_size(kernel, "float32").predicted


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        (np.eye(8), {"precision": "float8"}, "unknown precision 'float8'; did you mean 'float64'"),
        (np.eye(8), {"diag_reg": -1}, "diag_reg must be a number, 0 or more, received -1"),
        (np.eye(8), {"largest_size": 2}, "largest_size must be a whole number, 4 or more, received 2"),
        (np.eye(3), {}, r"a kernel is \(n, n\) with n of 4 or more, received shape \(3, 3\)"),
        (np.zeros((4, 5)), {}, r"received shape \(4, 5\)"),
        (np.full((8, 8), np.nan), {}, "the kernel has values that are not finite"),
    ],
)
def test_a_critical_size_of_what_is_no_kernel_is_one_line(kernel, options, message):
    with pytest.raises(KernelError, match=message):
        critical_size(kernel, **{"precision": "float32", **options})


def test_a_ratio_that_rises_ever_faster_is_extrapolated_by_a_parabola():
    sizes = np.geomspace(16, 250, 9)
    x = np.log(sizes / 900)
    faster = np.exp(3.2 * x + 0.3 * x**2)
    assert _size_at_ratio_one(sizes, faster) == pytest.approx(900)
    assert _size_at_ratio_one(sizes, np.exp(2.0 * x)) == pytest.approx(900)
    # A line, where the parabola would fall at last, or does not rise everywhere.
    for bent in (1.5 * x - 0.1 * x**2, 0.5 * (x + 3.2) ** 2 - 9):
        slope, intercept = np.polyfit(np.log(sizes), bent, 1)
        assert _size_at_ratio_one(sizes, np.exp(bent)) == pytest.approx(np.exp(-intercept / slope))
    assert _size_at_ratio_one(sizes, np.exp(-x)) == np.inf


@pytest.mark.slow
@pytest.mark.shared
def test_float32_fails_where_spectra_of_few_examples_say(shared_data):
    """A line in logarithms predicts about 3,000 examples here."""
    images = hl.load_data(f"parquet:{shared_data}/mnist#train[:3000]").load().tensor().double()
    images = images[np.random.default_rng(0).permutation(len(images))[:2000]]
    kernel = nngp(parse_network("fc:3:gelu"), torch.nn.functional.avg_pool2d(images, 4))
    predicted = critical_size(kernel, "float32", largest_size=250).predicted
    coarse = round_to_precision(kernel, "float32")
    half, twice = int(predicted / 2), min(int(2 * predicted), 2000)
    least = [np.linalg.eigvalsh(coarse[:size, :size])[0] for size in (half, twice)]
    assert least[0] > 0 > least[1]
