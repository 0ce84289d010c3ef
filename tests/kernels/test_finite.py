"""Random finite networks are as the limit says, the nearer the wider they are."""

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.errors import KernelError
from hashlens.kernels import (
    GELU,
    Abs,
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
    Sin,
    code_kernel,
    compute,
    empirical_ntk,
    finite_network,
    serial,
)

generator = np.random.default_rng(0)
VECTORS = generator.standard_normal((4, 6))
IMAGES = generator.standard_normal((3, 2, 4, 4))
WEIGHTS = {"weight_variance": 1.6, "bias_variance": 0.2}
PERCEPTRON = serial(Dense(**WEIGHTS), ReLU(), Dense(**WEIGHTS), GELU(), Dense(**WEIGHTS))
NETWORKS = {
    "perceptron": (PERCEPTRON, VECTORS),
    "others": (serial(Dense(), LayerNorm(), Abs(), Dense(), Erf(), Dense(), LeakyReLU(0.3), Dense()), VECTORS),
    "sine": (serial(Dense(**WEIGHTS), Sin(), Dense(**WEIGHTS)), VECTORS),
    "vec": (serial(Conv(**WEIGHTS, stride=2), ReLU(), Conv(padding=0, size=2), ReLU(), Flatten(), Dense()), IMAGES),
    "gap": (
        serial(Conv(**WEIGHTS), ReLU(), AvgPool(2, 2), Conv(**WEIGHTS), ReLU(), GlobalAvgPool(), Dense()),
        IMAGES,
    ),
    "residual": (
        serial(Conv(), Residual((ReLU(), Conv(), ReLU(), Conv())), ReLU(), Flatten(), Dense()),
        IMAGES,
    ),
}


def of_finite(network, x, width, seed):
    """Return the covariance over last weights, and the tangent kernel, of one random network."""
    inputs = torch.from_numpy(x)
    many = finite_network(network, x.shape[1:], 4 * width, width, seed=seed).double()
    with torch.no_grad():
        outputs = many(inputs)
    one = finite_network(network, x.shape[1:], 1, width, seed=seed).double()
    return (outputs @ outputs.T / outputs.shape[1]).numpy(), empirical_ntk(one, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
@pytest.mark.parametrize("name", NETWORKS)
def test_means_over_random_networks_are_the_kernels(name, parameterization):
    layers, x = NETWORKS[name]
    width, draws = 48, 24
    widths = [layer.__class__(**{**vars(layer), "width": width}) if hasattr(layer, "width") else layer
              for layer in layers.layers]  # fmt: skip
    if name == "residual":
        widths[1] = Residual((ReLU(), Conv(width), ReLU(), Conv(width)))
    network = InfiniteNetwork(tuple(widths), parameterization)
    expected = compute(network, x)
    found = [of_finite(network, x, width, seed) for seed in range(draws)]
    for at, limit in enumerate((expected.nngp, expected.ntk)):
        values = np.stack([one[at] for one in found])
        error = values.std(0, ddof=1) / np.sqrt(draws)
        # The mean of finite networks differs from the limit by a term of order 1 / width.
        assert (np.abs(values.mean(0) - limit) < 5 * error + 4 / width * np.abs(limit).max()).all()


def test_the_distance_to_the_limit_falls_with_the_root_of_the_width():
    limit = compute(PERCEPTRON, VECTORS)
    widths, errors = (16, 64, 256), []
    for width in widths:
        found = [of_finite(PERCEPTRON, VECTORS, width, seed) for seed in range(30)]
        errors.append([
            np.sqrt(np.mean([(one[0] - limit.nngp) ** 2 for one in found])),
            np.sqrt(np.mean([(one[1] - limit.ntk) ** 2 for one in found])),
        ])  # fmt: skip
    slopes = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert np.allclose(slopes, -0.5, atol=0.12)


def test_bits_of_a_wide_random_network_agree_as_often_as_the_limit_says():
    """In codes as they are read: 1 - angle / pi, within what so many independent bits allow."""
    network = serial(Dense(), ReLU(), Dense(**WEIGHTS), ReLU(), Dense())
    width = 20_000
    module = finite_network(network, (6,), 1, 64, seed=3)
    wide = torch.nn.Sequential(*finite_network(serial(*network.layers[:2], Dense()), (6,), 1, width, seed=3))
    x = torch.from_numpy(VECTORS).float()
    for made, layers, size, slack in ((wide, 1, width, 0.0), (module, 2, 64, 0.25)):
        codes = hl.encode(made, x)
        bits = codes.unpack()
        expected = code_kernel(network, VECTORS)
        for at in range(layers):
            own = bits[:, at * size : (at + 1) * size]
            agree = (own[:, None] == own[None]).mean(-1)
            error = np.sqrt(expected[at] * (1 - expected[at]) / size)
            assert (np.abs(agree - expected[at]) <= 4.5 * error + slack * at).all()


def test_agreement_over_layers_converges_with_the_root_of_the_width():
    network, limit = PERCEPTRON, code_kernel(PERCEPTRON, VECTORS)
    x, widths, errors = torch.from_numpy(VECTORS).float(), (32, 512), []
    for width in widths:
        found = []
        for seed in range(12):
            bits = hl.encode(finite_network(network, (6,), 1, width, seed=seed), x).unpack()
            own = bits.reshape(len(VECTORS), 2, width)
            found.append((own[:, None] == own[None]).mean(-1).transpose(2, 0, 1) - limit)
        errors.append(np.sqrt(np.mean(np.square(found), axis=(0, 2, 3))))
    slopes = np.log(errors[1] / errors[0]) / np.log(widths[1] / widths[0])
    assert np.allclose(slopes, -0.5, atol=0.15)


def test_what_has_no_finite_network_is_refused():
    with pytest.raises(KernelError, match=r"layer 0 \(Dense\) has no width"):
        finite_network(serial(Dense(), ReLU(), Dense()), (6,), 1)
    with pytest.raises(KernelError, match="must end in a Dense or Conv layer"):
        finite_network(serial(Dense(3), ReLU()), (6,), 1)
    with pytest.raises(KernelError, match=r"layer 0 \(Conv\) cannot follow features of shape \(6,\)"):
        finite_network(serial(Conv(3), Flatten(), Dense()), (6,), 1)
