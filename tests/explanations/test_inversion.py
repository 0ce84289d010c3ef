import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import ExplainError
from hashlens.explanations import explain

from .networks import GATES, Tokens, convolutional, drawn, seeded
from .test_maximize import given_by, roughness
from .trained import digits

IMAGES = drawn(2, 2, 12, 12)
BLOCKS = ("features.block1.relu2", "features.block2.relu2", "features.block3.relu2", "hidden.0.relu")


def error(network, layer, made, x):
    found, wanted = (given_by(network, layer, at).flatten(1) for at in (torch.as_tensor(made), x))
    return ((found - wanted).norm(dim=1) / wanted.norm(dim=1)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("layer", BLOCKS)
def test_the_error_falls_to_a_tenth(layer):
    network, x = digits()
    found = explain(network, x[:8], "inversion", layer=layer)
    assert found.diagnostics["error"] == pytest.approx(error(network, layer, found.image, x[:8]), rel=1e-3)
    assert (np.array(found.diagnostics["error"]) <= 0.1 * np.array(found.diagnostics["error_at_start"])).all()
    assert found.values == pytest.approx(found.image - found.inputs)
    assert found.notes == ()


@pytest.mark.slow
def test_the_start_knows_nothing_of_the_image():
    network, x = digits()
    found = explain(network, x[:8], "inversion", layer=BLOCKS[1])
    others = explain(network, x[8:16], "inversion", layer=BLOCKS[1], background=x[:8], steps=1, step_size=0)
    assert error(network, BLOCKS[1], others.image, x[:8]) == pytest.approx(
        found.diagnostics["error_at_start"], rel=1e-3
    )


@pytest.mark.slow
def test_deeper_layers_keep_less():
    network, x = digits()
    lost = [
        np.linalg.norm(explain(network, x[:4], "inversion", layer=layer).values)
        for layer in (BLOCKS[0], BLOCKS[2], BLOCKS[3])
    ]
    assert lost[0] < lost[1] < lost[2]
    assert lost[0] < 0.2 * float(x[:4].norm())


@pytest.mark.slow
def test_other_images_are_farther_than_the_made_one():
    network, x = digits()
    found = explain(network, x[:1], "inversion", layer=BLOCKS[3])
    others = error(network, BLOCKS[3], x[1:], x[:1].expand(len(x) - 1, -1, -1, -1))
    assert found.diagnostics["error"] < 0.5 * others.min()
    assert found.diagnostics["predicted"] == found.target[0]


@pytest.mark.slow
def test_smoothness_is_weighed():
    network, x = digits()
    rough, smooth = (explain(network, x[:2], "inversion", layer=BLOCKS[3], total_variation=weight).image
                     for weight in (0.0, 30.0))  # fmt: skip
    assert roughness(smooth) < roughness(rough)


@pytest.mark.slow
def test_images_stay_in_range():
    network, x = digits()
    found = explain(network, x[:4], "inversion", layer=BLOCKS[3])
    assert found.image.min() >= 0
    assert found.image.max() <= 1


@pytest.mark.parametrize("gates", GATES)
def test_gates_are_of_no_matter(gates):
    plain, other = (explain(convolutional(kind), IMAGES, "inversion", layer="two", steps=20)
                    for kind in ("modules", gates))  # fmt: skip
    assert np.array_equal(plain.image, other.image)


@pytest.mark.slow
def test_transformers_have_layers_too():
    network = seeded(Tokens).double()
    found = explain(network, drawn(2, 1, 12, 12), "inversion", layer="block")
    assert (np.array(found.diagnostics["error"]) <= 0.1 * np.array(found.diagnostics["error_at_start"])).all()


def test_the_same_seed_is_bit_identical():
    first, again, other = (explain(convolutional(), IMAGES, "inversion", seed=seed, steps=20) for seed in (0, 0, 1))
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    assert first.diagnostics["layer"] == "second"


def test_a_silent_layer_is_told_and_not_nan():
    network = seeded(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(300, 2))).double()
    nn.init.constant_(network[0].bias, -1e6)
    found = explain(network, IMAGES, "inversion", layer="1")
    assert found.diagnostics["error"] == [0, 0]
    assert found.notes == ("the layer is zero for x: every image for which it is zero is a solution",)
    assert np.isfinite(found.image).all()


def test_the_network_is_handed_back_and_nothing_is_printed(capsys):
    network = convolutional().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explain(network, IMAGES, "inversion", steps=3)
    with pytest.raises(ExplainError):
        explain(network, IMAGES, "inversion", layer="three")
    assert network.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"layer": "tow"}, "no layer 'tow': did you mean 'two'?"),
     ({"steps": 0}, "steps must be a whole number, 1 or more, received 0"),
     ({"alpha_norm": "small"}, "alpha_norm must be a number, 0 or more, received 'small'"),
     ({"bounds": (0, 0)}, "bounds must be two numbers, (low, high), received (0, 0)"),
     ({"bounds": 1}, "bounds must be two numbers, (low, high), received 1"),
     ({"background": drawn(3, 2, 8, 8)}, "background must be (m, 2, 12, 12), received (3, 2, 8, 8)"),
     ({"x": None}, "this method explains examples: give x")],
)  # fmt: skip
def test_bad_input_is_one_line_with_the_way_out(options, said):
    with pytest.raises(ExplainError) as caught:
        explain(convolutional(), options.pop("x", IMAGES), "inversion", **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
