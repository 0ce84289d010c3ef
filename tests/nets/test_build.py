import math

import pytest
import torch

from hashlens.errors import ModelError
from hashlens.nets import ARCHITECTURES, build, parameters_digest


def digest(name="mlp", input_shape=(1, 32, 32), **arguments):
    return parameters_digest(build(name, input_shape=input_shape, classes=4, **arguments))


@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet20"])
def test_the_seed_decides_the_weights(name):
    assert digest(name, seed=3) == digest(name, seed=3)
    assert digest(name, seed=3) != digest(name, seed=4)


def test_the_global_generators_stay_as_they_are():
    before = torch.get_rng_state()
    build("lenet", input_shape=(1, 28, 28), classes=10, init="glorot")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_seed_does_not_matter():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = digest()
        torch.manual_seed(2)
        assert digest() == first


def test_glorot_weights_are_uniform_within_the_bound_and_biases_zero():
    network = build("mlp", input_shape=(300,), classes=10, width=500, init="glorot")
    bound = math.sqrt(6 / (300 + 500))
    weight = network.hidden[0].linear.weight
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert not network.hidden[0].linear.bias.any()
    assert not network.head.bias.any()


def test_he_weights_have_the_variance_of_the_fan_out():
    network = build("mlp", input_shape=(300,), classes=10, width=500, init="he")
    assert network.hidden[0].linear.weight.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.01)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("reset18", {}, "unknown architecture 'reset18': did you mean 'resnet18'"),
        ("transformer-xl", {}, "known: cnn, lenet, mlp, resnet18"),
        ("mlp", {"widht": 3}, "mlp has no argument 'widht': did you mean 'width'"),
        ("mlp", {"zzz": 3}, r"mlp has no argument 'zzz': \(arguments: depth, width, batch_norm, dropout, init\)"),
        ("lenet", {"width": 3}, r"lenet has no argument 'width': \(arguments: init\)"),
        ("mlp", {"init": "glorrot"}, "unknown init 'glorrot': did you mean 'glorot'"),
        ("mlp", {"width": 0}, "width must be at least 1"),
        ("resnet20", {"input_shape": (784,)}, r"resnet20 takes images .* received examples of shape \(784,\)"),
        ("vgg16", {"input_shape": (1, 28, 28)}, "vgg16 needs images of at least 32x32 pixels"),
        ("mlp", {"width": "8"}, "mlp with 10 outputs and {'width': '8'} cannot be built: '<' not supported"),
        ("mlp", {"classes": 10**12}, "mlp with 1,000,000,000,000 outputs .*cannot be built: .*memory"),
        ("mlp", {"classes": 0}, "classes must be at least 1, received 0"),
    ],
)
def test_bad_requests_are_refused_in_one_line(name, arguments, message):
    with pytest.raises(ModelError, match=message) as caught:
        build(name, **{"input_shape": (3, 32, 32), "classes": 10, **arguments})
    assert "\n" not in str(caught.value)


def test_every_architecture_is_there():
    residual = ["resnet18", "resnet20", "resnet32", "resnet56"]
    assert sorted(ARCHITECTURES) == ["cnn", "lenet", "mlp", *residual, "vgg16", "vgg19"]
