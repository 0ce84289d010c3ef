import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import KernelError
from hashlens.kernels import (
    GELU,
    Abs,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    compute,
    from_module,
    serial,
)

generator = np.random.default_rng(0)


def linear(*sizes, **how):
    with torch.device("meta"):
        return nn.Linear(*sizes, **how)


def conv(*sizes, **how):
    with torch.device("meta"):
        return nn.Conv2d(*sizes, **how)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = linear(4, 8), linear(8, 8), linear(8, 2, bias=False)

    def forward(self, x):
        x = self.first(torch.flatten(x, 1))
        x = x + self.second(nn.functional.relu(x))
        return self.last(torch.abs(nn.functional.dropout(x, 0.1, self.training)))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner, self.outer = conv(channels, channels, 3, padding=1), conv(channels, channels, 1)

    def forward(self, x):
        return self.outer(self.inner(x.relu()).relu()) + x


VARIANCES = {"weight_variance": 2.0, "bias_variance": 0.1}
MODULES = {
    "chain": (
        nn.Sequential(nn.Flatten(), linear(4, 8), nn.LayerNorm(8, device="meta"), nn.LeakyReLU(0.2), nn.Dropout(0.1),
                      linear(8, 5), nn.GELU(), linear(5, 2, bias=False)),
        serial(Flatten(), Dense(8, 2.0, 0.1), LayerNorm(), LeakyReLU(0.2), Dense(5, 2.0, 0.1), GELU(), Dense(2, 2.0)),
    ),
    "functions": (
        Functional(),
        serial(Flatten(), Dense(8, 2.0, 0.1), Residual((ReLU(), Dense(8, 2.0, 0.1))), Abs(), Dense(2, 2.0)),
    ),
    "images": (
        nn.Sequential(conv(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), conv(8, 8, 3, padding="valid"),
                      nn.Identity(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(8, 2)),
        serial(Conv(8, (3, 3), (2, 2), (1, 1), 2.0, 0.1), ReLU(), AvgPool(2, 2), Conv(8, (3, 3), (1, 1), 0, 2.0, 0.1),
               ReLU(), GlobalAvgPool(), Flatten(), Dense(2, 2.0, 0.1)),
    ),
    "residual": (
        nn.Sequential(conv(3, 4, 3, padding=1), Block(4), Block(4), nn.Flatten(), linear(64, 2)),
        serial(Conv(4, (3, 3), (1, 1), (1, 1), 2.0, 0.1),
               *[Residual((ReLU(), Conv(4, (3, 3), (1, 1), (1, 1), 2.0, 0.1), ReLU(),
                           Conv(4, (1, 1), (1, 1), (0, 0), 2.0, 0.1)))] * 2, Flatten(), Dense(2, 2.0, 0.1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_layers_are_those_of_the_module(name):
    module, expected = MODULES[name]
    assert from_module(module, **VARIANCES) == expected


@pytest.mark.parametrize("init", ["pytorch", "glorot", "he"])
def test_variances_are_those_of_the_initialisation(init):
    """Outputs of many networks that were initialised so have the covariance of the limit."""
    x = generator.standard_normal((3, 4))
    width, draws = 300, 40
    named = {"init": "default" if init == "pytorch" else init}
    modules = [hl.nets.build("mlp", input_shape=(4,), classes=64, depth=2, width=width, seed=seed, **named)
               for seed in range(draws)]  # fmt: skip
    limit = compute(from_module(modules[0], init=init), x, None, ("nngp",)).nngp
    with torch.no_grad():
        outputs = [module(torch.from_numpy(x).float()).numpy() for module in modules]
    found = np.stack([out @ out.T / 64 for out in outputs])
    error = found.std(0, ddof=1) / np.sqrt(draws)
    assert (np.abs(found.mean(0) - limit) < 5 * error + 0.02 * limit.max()).all()


def test_weights_are_not_read():
    module = hl.nets.build("mlp", input_shape=(4,), classes=2)
    before = from_module(module, init="pytorch")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(torch.nan)
    assert from_module(module, init="pytorch") == before
    assert before.layers[1] == Dense(100, 1 / 3, 1 / 12)


class Gated(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (hl.nets.build("cnn", input_shape=(3, 8, 8), classes=2, width=1, batch_norm=False),
         r"layer 'features\.pool1' \(MaxPool2d\) has no limit of infinite width, as the largest"),
        (nn.Sequential(linear(2, 2), nn.BatchNorm1d(2)), r"layer '1' \(BatchNorm1d\) has no limit .* it ties"),
        (nn.Sequential(linear(2, 2), nn.Softplus()), r"layer '1' \(Softplus\) has no limit of infinite width; layers "
         "that have one: Linear"),
        (nn.Sequential(linear(2, 2), nn.GELU("tanh")), r"layer '1' \(GELU\)"),
        (nn.Sequential(conv(2, 2, 3, groups=2)), r"layer '0' \(Conv2d\): a limit is known of convolutions without"),
        (nn.Sequential(linear(2, 2), Gated()), r"(sigmoid|mul)\(\).* has no limit"),
        (Branching(), r"the structure of Branching cannot be read \(symbolically traced variables"),
    ],
)  # fmt: skip
def test_a_layer_without_a_limit_is_named(module, said):
    with pytest.raises(KernelError, match=said) as refused:
        from_module(module, **VARIANCES)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, r"give either init= \(pytorch, glorot, he\) or weight_variance="),
        ({"init": "he", "weight_variance": 2.0}, "give either"),
        ({"init": "glorott"}, "did you mean 'glorot'"),
        ({"weight_variance": "2"}, "weight_variance must be a number, received '2'"),
        ({"weight_variance": -2.0}, "weight_variance must be a number, 0 or more"),
    ],
)
def test_variances_are_to_be_given_once(arguments, said):
    with pytest.raises(KernelError, match=said):
        from_module(linear(2, 2), **arguments)
