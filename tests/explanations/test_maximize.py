import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import ExplainError, HashlensError
from hashlens.explanations import explain
from hashlens.report.figures import Pixels

from .networks import Convolutional, convolutional, drawn, seeded
from .trained import digits

LAYER = "features.block2.relu2"
SHAPE = (2, 12, 12)
GOALS = {
    "class": ({"target": 3}, None, lambda found: found[:, 3]),
    "channel": ({"layer": LAYER, "channels": 5}, LAYER, lambda found: found[:, 5].mean(dim=(1, 2))),
    "unit": ({"layer": LAYER, "unit": (4, 1, 2)}, LAYER, lambda found: found[:, 4, 1, 2]),
    "hidden unit": ({"layer": "hidden.0.linear", "unit": 7}, "hidden.0.linear", lambda found: found[:, 7]),
    "layer": ({"layer": LAYER}, LAYER, lambda found: found.square().mean(dim=(1, 2, 3))),
}


def given_by(network, layer, x):
    """What a layer gives, or the network."""
    kept = []
    module = network if layer is None else network.get_submodule(layer)
    hook = module.register_forward_hook(lambda module, inputs, output: kept.append(output.detach().clone()))
    with torch.no_grad():
        network(x)
    hook.remove()
    return kept[0]


def random_of_norm(image, low, high, many=1000):
    """Random images in range, of the norm of a given one."""
    generator = torch.Generator().manual_seed(1)
    for draw in (torch.randn, torch.rand):
        others = draw(many, *image.shape[1:], generator=generator)
        others = others.abs() if low >= 0 else others
        for _ in range(50):
            others = (others * image.norm() / others.flatten(1).norm(dim=1)[:, None, None, None]).clamp(low, high)
        assert others.flatten(1).norm(dim=1).numpy() == pytest.approx(float(image.norm()), rel=0.02)
        yield others
    yield torch.stack([image.flatten()[torch.randperm(image.numel(), generator=generator)].reshape(image.shape[1:])
                       for _ in range(many)])  # fmt: skip


def roughness(image):
    return np.abs(np.diff(image, axis=-1)).mean() + np.abs(np.diff(image, axis=-2)).mean()


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("goal", GOALS)
def test_it_beats_the_best_of_1000_random_inputs_of_equal_norm(goal, background):
    options, layer, of = GOALS[goal]
    network, x = digits()
    where = {"background": x} if background else {"shape": (1, 8, 8)}
    found = explain(network, method="activation_maximization", **options, **where)
    made = torch.from_numpy(found.image)
    reached = float(of(given_by(network, layer, made)))
    assert found.diagnostics["activation"] == pytest.approx(reached, rel=1e-4)
    assert found.prediction == pytest.approx(reached, rel=1e-4)
    ends = (0, 1) if background else (-np.inf, np.inf)
    for others in random_of_norm(made, *ends):
        assert reached > of(given_by(network, layer, others)).max()
    assert reached > found.diagnostics["best_of_shuffled"]
    assert found.notes == ()


@pytest.mark.slow
def test_classes_are_known_by_their_images():
    network, x = digits()
    found = explain(network, method="logit", target=range(10), background=x)
    known = given_by(network, None, torch.from_numpy(found.image)).argmax(1)
    assert found.target.tolist() == list(range(10))
    assert int((known == torch.arange(10)).sum()) >= 9
    assert found.image.shape == found.values.shape == (10, 1, 8, 8)
    assert found.inputs is None


def test_random_images_that_do_as_well_are_told():
    network, x = digits()
    found = explain(network, method="logit", target=3, background=x, steps=1, step_size=0.0)
    assert any("same pixels in random order" in note or "no image was found" in note for note in found.notes)


# --- where from and where to ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_images_stay_in_the_range_of_the_examples():
    network, x = digits()
    found = explain(network, method="logit", target=[0, 1], background=2 * x - 0.5)
    assert found.image.min() >= -0.5
    assert found.image.max() <= 1.5
    found = explain(network, method="logit", target=[0, 1], shape=(1, 8, 8), bounds=(0, 0.25))
    assert found.image.min() >= 0
    assert found.image.max() <= 0.25


@pytest.mark.slow
def test_from_examples_each_climbs_to_its_own_class():
    network, x = digits()
    found = explain(network, x[:3], "logit", step_size=0.02)
    assert np.array_equal(found.inputs, x[:3].numpy())
    assert found.values == pytest.approx(found.image - found.inputs)
    scores = given_by(network, None, x[:3])
    assert found.target.tolist() == scores.argmax(1).tolist()
    assert (np.array(found.diagnostics["activation"]) > found.diagnostics["activation_at_start"]).all()
    assert found.diagnostics["activation_at_start"] == pytest.approx(scores.max(dim=1).values.tolist(), rel=1e-4)
    # Other goals for one image: each of them has a copy.
    found = explain(network, x[:1], "filter", layer=LAYER, channels=[1, 2])
    assert np.array_equal(found.inputs, x[[0, 0]].numpy())
    assert found.target.tolist() == []


@pytest.mark.slow
def test_smoother_and_smaller():
    network, _ = digits()

    def made(**options):
        return explain(network, method="logit", target=[2, 5], shape=(1, 8, 8), **options).image

    assert roughness(made(total_variation=1.0)) < 0.7 * roughness(made(total_variation=0.0))
    assert np.linalg.norm(made(l2=3.0)) < 0.7 * np.linalg.norm(made(l2=0.3))


def gated(bias):
    """One unit that is off unless the mean of the image is above `bias`."""
    network = seeded(lambda: nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(1, 1), nn.ReLU()))
    nn.init.constant_(network[2].weight, 1.0)
    nn.init.constant_(network[2].bias, -bias)
    return network


def test_a_unit_without_slope_is_sought_among_the_examples():
    examples = torch.cat([torch.zeros(5, 1, 4, 4), torch.ones(2, 1, 4, 4)])
    found = explain(gated(0.9), method="filter", layer="3", unit=0, background=examples, l2=0.0)
    assert found.diagnostics["activation"] == pytest.approx(0.1, abs=1e-3)
    assert not any("no image was found" in note for note in found.notes)


def test_a_unit_that_nothing_switches_on_is_told_and_not_nan():
    found = explain(gated(1e6), method="filter", layer="3", unit=0, shape=(1, 4, 4))
    assert found.diagnostics["activation"] == 0
    assert np.isfinite(found.image).all()
    assert found.notes == (
        "no image was found with a higher activation of unit 0 than the start: give x= or background= with examples "
        "that activate it",
    )


# --- once more --------------------------------------------------------------------------------------------------------


def test_the_same_seed_is_bit_identical():
    options = {"method": "filter", "layer": "one", "channels": [0, 3], "shape": SHAPE, "steps": 20}
    first, again, other = (explain(convolutional(), **options, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.image, again.image)
    assert first.diagnostics["best_of_shuffled"] == again.diagnostics["best_of_shuffled"]
    assert not np.array_equal(first.image, other.image)


@pytest.mark.slow
def test_the_batch_size_is_of_no_matter():
    options = {"method": "filter", "layer": "two", "channels": "all", "shape": SHAPE, "steps": 20}
    one, all_at_once = (explain(convolutional(), **options, batch_size=size) for size in (1, 64))
    assert one.image == pytest.approx(all_at_once.image, abs=1e-9)


@pytest.mark.parametrize("gates", ["modules", "reused in place", "functions", "in place"])
def test_gates_are_of_no_matter(gates):
    options = {"method": "filter", "layer": "two", "channels": [0, 1], "shape": SHAPE, "steps": 20}
    assert np.array_equal(explain(convolutional(gates), **options).image, explain(convolutional(), **options).image)


def test_the_network_is_handed_back_and_nothing_is_printed(capsys):
    network = seeded(Convolutional).double().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explain(network, method="filter", layer="two", channels="all", shape=SHAPE, steps=3)
    assert network.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert capsys.readouterr() == ("", "")


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_channels_make_a_grid():
    found = explain(convolutional(), method="filter", layer="two", channels="all", shape=SHAPE, steps=3)
    (grid,) = found.figures()
    assert isinstance(grid, Pixels)
    assert grid.title == "activation maximization of two"
    assert grid.names == tuple(f"channel {channel}" for channel in range(8))
    assert grid.columns == 8
    (one,) = found[3].figures()
    assert one.title == "activation maximization of two: channel 3"
    assert np.array_equal(one.panels[0], grid.panels[3])


def test_a_grid_has_rows():
    found = explain(convolutional(), method="logit", target=[0, 1, 2, 3] * 5, shape=SHAPE, steps=2)
    (grid,) = found.figures()
    assert (len(grid.panels), grid.columns) == (20, 8)
    width, height = found.plot().get_size_inches()
    assert 1.5 < width / height < 3
    assert grid.names[1] == "class 1"


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = {
    "nothing to maximise": ({"shape": SHAPE}, "say what to maximise: target=, or layer= with channels= or unit="),
    "no shape": ({"target": 1}, "without x, give the shape of one input: shape=, such as (1, 28, 28)"),
    "half a shape": ({"target": 1, "shape": (12, 12)}, "shape must be that of one input, (channels, height, width)"),
    "a shape of words": ({"target": 1, "shape": "big"}, "shape must be that of one input"),
    "a shape that the network does not take": ({"target": 1, "shape": (3, 12, 12)}, "the model rejects inputs of"),
    "another shape than x": ({"x": drawn(1, *SHAPE), "shape": (2, 8, 8)}, "shape (2, 8, 8) is not that of x"),
    "another shape than the background": (
        {"target": 1, "shape": (2, 8, 8), "background": drawn(3, *SHAPE)}, "is not that of the background"),
    "a background of rows": ({"target": 1, "background": drawn(3, 5)}, "background must be examples (m, channels"),
    "no layer": ({"channels": 1, "shape": SHAPE}, "channels= and unit= need a layer: give layer=; known: "),
    "unknown layer": ({"layer": "tow", "shape": SHAPE}, "no layer 'tow': did you mean 'two'?"),
    "a class and a layer": ({"target": 1, "layer": "two", "shape": SHAPE}, "give one of them"),
    "channels and a unit": ({"layer": "two", "channels": 1, "unit": 2, "shape": SHAPE}, "give one of them"),
    "unknown channel": ({"layer": "two", "channels": [0, 8], "shape": SHAPE},
                        "channel 8 is out of range: layer 'two' gives 8 channels; use 0 to 7"),
    "no channels": ({"layer": "two", "channels": [], "shape": SHAPE}, 'channels must be whole numbers, or "all"'),
    "channels by name": ({"layer": "two", "channels": "most", "shape": SHAPE}, "received 'most'"),
    "unknown unit": ({"layer": "two", "unit": (0, 6, 0), "shape": SHAPE},
                     "unit (0, 6, 0) is not in layer 'two': it gives (8, 6, 6), counted from 0"),
    "half a unit": ({"layer": "two", "unit": 3, "shape": SHAPE}, "unit (3,) is not in layer 'two': it gives (8, 6, 6)"),
    "a unit by name": ({"layer": "two", "unit": "best", "shape": SHAPE}, "unit must be a tuple of whole numbers"),
    "unknown class": ({"target": 4, "shape": SHAPE}, "target 4 is out of range: the model gives 4 scores; use 0 to 3"),
    "negative class": ({"target": -1, "shape": SHAPE}, "target -1 is out of range"),
    "no steps": ({"target": 1, "shape": SHAPE, "steps": 0}, "steps must be a whole number, 1 or more"),
    "negative weight": ({"target": 1, "shape": SHAPE, "l2": -1}, "l2 must be a number, 0 or more, received -1"),
    "weight of nothing": ({"target": 1, "shape": SHAPE, "total_variation": float("nan")}, "received nan"),
    "bounds upside down": ({"target": 1, "shape": SHAPE, "bounds": (1, 0)}, "bounds must be two numbers, (low, high)"),
    "jitter of half a pixel": ({"target": 1, "shape": SHAPE, "jitter": 0.5}, "jitter must be a whole number"),
    "several images and goals": ({"x": drawn(2, *SHAPE), "layer": "two", "channels": [1, 2, 3]},
                                 "x must be one image or 3, one for each thing to maximise, received 2"),
    "a table": ({"x": drawn(2, 5)}, "does not explain a table, only: image"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_bad_input_is_one_line_with_the_way_out(mistake):
    options, said = MISTAKES[mistake]
    kind = HashlensError if "rejects" in said else ExplainError
    with pytest.raises(kind) as caught:
        explain(convolutional(), method="activation_maximization", **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
