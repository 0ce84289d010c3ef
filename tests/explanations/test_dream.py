import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import ExplainError, HashlensError
from hashlens.explanations import explain

from .networks import convolutional, drawn, seeded
from .test_maximize import given_by
from .trained import digits

LAYER = "features.block2.relu2"
IMAGES = drawn(2, 2, 12, 12)


@pytest.mark.parametrize("channels", [None, 3, [1, 5]])
@pytest.mark.parametrize("octaves", [1, 2])
def test_there_is_more_of_the_layer_in_the_image(channels, octaves):
    network = convolutional()
    found = explain(network, IMAGES, "deep_dream", layer="two", channels=channels, octaves=octaves)
    chosen = slice(None) if channels is None else [channels] if isinstance(channels, int) else channels
    for x, told in ((IMAGES, "mean_square_at_start"), (torch.from_numpy(found.image), "mean_square")):
        squares = given_by(network, "two", x)[:, chosen].square().mean(dim=(1, 2, 3))
        assert found.diagnostics[told] == pytest.approx(squares.tolist())
    grown = np.array(found.diagnostics["mean_square"]) / found.diagnostics["mean_square_at_start"]
    assert (grown > 1.5).all()
    assert found.values == pytest.approx(found.image - found.inputs)


def test_random_changes_of_the_same_size_do_not_do_it():
    network, x = digits()
    found = explain(network, x[:1], "deep_dream", layer=LAYER)
    change = torch.from_numpy(found.values)
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(1000, 1, 8, 8, generator=generator)
    random *= change.norm() / random.flatten(1).norm(dim=1)[:, None, None, None]
    best = given_by(network, LAYER, (x[:1] + random).clamp(0, 1)).square().mean(dim=(1, 2, 3)).max()
    assert found.diagnostics["mean_square"] > float(best)


def test_images_stay_in_range_and_like_themselves():
    network, x = digits()
    found = explain(network, x[:5], "deep_dream", layer=LAYER)
    assert found.image.min() >= 0
    assert found.image.max() <= 1
    for made, own in zip(found.image, found.inputs, strict=True):
        assert np.corrcoef(made.ravel(), own.ravel())[0, 1] > 0.5


def test_small_copies_come_first():
    found = explain(convolutional(), IMAGES, "deep_dream", layer="one", octaves=9)
    assert found.diagnostics["octaves"] == 2  # 12 and 9 pixels: 6 would be too few
    assert explain(convolutional(), IMAGES, "deep_dream", octaves=1).diagnostics["octaves"] == 1


def test_what_comes_behind_the_layer_need_not_fit_smaller_images():
    network = seeded(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(300, 2))).double()
    assert explain(network, IMAGES, "deep_dream", layer="0", octaves=2).diagnostics["octaves"] == 2
    with pytest.raises(HashlensError, match=r"the model rejects inputs of .*check the shape"):
        explain(network, IMAGES, "deep_dream", layer="2", octaves=2)
    assert explain(network, IMAGES, "deep_dream", layer="2", octaves=1).diagnostics["octaves"] == 1


def test_without_a_layer_it_is_the_last_that_gives_maps():
    assert explain(convolutional(), IMAGES, "deepdream", steps=1).diagnostics["layer"] == "second"


def test_the_same_seed_is_bit_identical():
    first, again, other = (explain(convolutional(), IMAGES, "deep_dream", jitter=2, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_a_constant_image_is_no_trouble():
    found = explain(convolutional(), 0 * IMAGES, "deep_dream", layer="two")
    assert np.isfinite(found.image).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"octaves": 0}, "octaves must be a whole number, 1 or more"),
     ({"octave_scale": 1}, "octave_scale must be a number above 1, up to 8, received 1"),
     ({"octave_scale": float("nan")}, "octave_scale must be a number above 1"),
     ({"channels": 8, "layer": "two"}, "channel 8 is out of range: layer 'two' gives 8 channels; use 0 to 7"),
     ({"layer": "three"}, "no layer 'three'"),
     ({"step_size": -1}, "step_size must be a number, 0 or more"),
     ({"steps": 0.5}, "steps must be a whole number"),
     ({"x": None}, "this method explains examples: give x")],
)  # fmt: skip
def test_bad_input_is_one_line_with_the_way_out(options, said):
    with pytest.raises(ExplainError) as caught:
        explain(convolutional(), options.pop("x", IMAGES), "deep_dream", **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
