"""Samples, codes, reconstructions and interpolations; models on disk."""

import json
from dataclasses import replace

import pytest
import torch
from tests.generative.conftest import SMALL
from torch import nn

from hashlens.errors import DataError, ModelError, OutputError
from hashlens.generative import GAN, VAE, BiGAN, InvertedGAN, load, write_grid
from hashlens.generative.latent import interpolate_codes
from hashlens.testing.result_contract import check_result

SHAPE = (1, 8, 8)


class OwnGenerator(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 64))

    def forward(self, codes):
        return self.layers(codes).sigmoid().unflatten(1, SHAPE)


def test_samples_follow_from_the_seed_and_the_first_from_no_number():
    model = VAE(**SMALL).build(SHAPE)
    torch.testing.assert_close(model.sample(8, seed=3)[:2], model.sample(2, seed=3))
    assert not torch.equal(model.sample(2, seed=3), model.sample(2, seed=4))
    again = VAE(**SMALL).build(SHAPE)
    assert torch.equal(model.sample(2), again.sample(2))


def test_a_uniform_prior_is_from_minus_one_to_one():
    draw = GAN(prior="uniform", **SMALL).settings.draw(5000, torch.Generator().manual_seed(0))
    assert float(draw.min()) >= -1
    assert float(draw.max()) <= 1
    assert float(draw.var()) == pytest.approx(1 / 3, abs=0.02)


def test_reconstructions_are_the_images_of_codes(digits):
    model = BiGAN(**SMALL).build(SHAPE)
    assert torch.equal(model.reconstruct(digits[:5]), model.decode(model.encode(digits[:5])))
    assert torch.equal(model.encode(digits[0]), model.encode(digits[:1]))
    assert VAE(**SMALL).build(SHAPE).encode(digits[:5]).shape == (5, 4)


def test_reading_leaves_modes_and_statistics_alone(digits):
    model = BiGAN(**SMALL).build(SHAPE)
    model.networks["encoder"].train()
    before = {name: value.clone() for name, value in model.networks.state_dict().items()}
    model.reconstruct(digits)
    assert model.networks["encoder"].training
    assert all(torch.equal(value, before[name]) for name, value in model.networks.state_dict().items())


def test_interpolations_begin_and_end_at_their_codes_and_spherical_ones_keep_their_length():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = torch.randn(2, 3, 40)
    for spherical in (True, False):
        codes = interpolate_codes(first, second, 5, spherical=spherical)
        torch.testing.assert_close(codes[:, 0], first)
        torch.testing.assert_close(codes[:, -1], second)
    torch.testing.assert_close(interpolate_codes(first, second, 5, spherical=False)[:, 2], (first + second) / 2)
    middle = interpolate_codes(first, second, 5, spherical=True)[:, 2].norm(dim=1)
    torch.testing.assert_close(middle, (first.norm(dim=1) + second.norm(dim=1)) / 2)
    # Between opposite or equal ends there is no unique path on a sphere.
    for end in (-first, first):
        assert interpolate_codes(first, end, 3, spherical=True).isfinite().all()


def test_interpolations_are_between_images_or_codes(digits):
    model = BiGAN(**SMALL).build(SHAPE)
    images = model.interpolate(digits[:2], digits[2:4], 4)
    assert images.shape == (2, 4, *SHAPE)
    torch.testing.assert_close(images[:, 0], model.reconstruct(digits[:2]))
    codes = model.interpolate(model.encode(digits[:2]), model.encode(digits[2:4]), 4)
    torch.testing.assert_close(images, codes)
    with pytest.raises(DataError, match="as many first images as second ones, received 2 and 1"):
        model.interpolate(digits[:2], digits[0])
    with pytest.raises(ModelError, match="steps must be a whole number, 2 or more"):
        model.interpolate(digits[0], digits[1], 1)
    with pytest.raises(ModelError, match='method must be "spherical" or "linear", received'):
        model.interpolate(digits[0], digits[1], method="round")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gan", "bigan", "vae", "inverted-gan", "spectral", "mean"])
def test_models_come_back_from_their_folder(digits, tmp_path, kind):
    make = {
        "gan": lambda: GAN(**SMALL), "bigan": lambda: BiGAN(ae_weight=2.5, **SMALL), "vae": lambda: VAE(**SMALL),
        "inverted-gan": lambda: InvertedGAN(GAN(**SMALL).build(SHAPE), image_weight=0.5),
        "spectral": lambda: BiGAN(spectral_norm=True, loss="hinge", **SMALL), "mean": lambda: BiGAN(ema=0.9, **SMALL),
    }[kind]  # fmt: skip
    model = make().fit(digits, epochs=1, out=tmp_path)
    again = load(tmp_path)
    assert type(again) is type(model)
    assert again.arguments == model.arguments
    assert torch.equal(again.sample(4), model.sample(4))
    if kind != "gan":
        assert torch.equal(again.encode(digits), model.encode(digits))
    assert replace(again.info, parameters="") == model.info
    (tmp_path / "results").mkdir()
    check_result(again.info, tmp_path / "results")


@pytest.mark.usefixtures("drawn_aside")
def test_networks_of_ones_own_are_given_again(digits, tmp_path):
    model = GAN(generator=OwnGenerator(), **SMALL).fit(digits, epochs=1, out=tmp_path)
    again = load(tmp_path, generator=OwnGenerator())
    assert torch.equal(again.sample(4), model.sample(4))
    with pytest.raises(ModelError, match="the generator is a network of your own: give generator="):
        load(tmp_path)
    with pytest.raises(ModelError, match=r"do not fit ModuleDict.*of this very architecture"):
        load(tmp_path, generator=OwnGenerator(7))


def test_a_damaged_folder_is_one_clear_line(digits, tmp_path):
    with pytest.raises(ModelError, match="is not there: give a folder"):
        load(tmp_path / "nothing")
    folder = VAE(**SMALL).build(SHAPE).save(tmp_path / "model")
    document = json.loads((folder / "generative.json").read_text())
    other = VAE(**{**SMALL, "width": 8}).build(SHAPE).save(tmp_path / "other")
    for name, change, message in (
        ("newer", {"schema_version": 9}, "has schema version 9, this hashlens reads up to 1"),
        ("digest", {"parameters": "0"}, "is not what generative.json says it is"),
        ("kind", {"model": "gam"}, "is damaged"),
    ):
        (folder / "generative.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(ModelError, match=message):
            load(folder)
        assert name
    (folder / "generative.json").write_text((other / "generative.json").read_text())
    with pytest.raises(ModelError, match="do not fit ModuleDict: of another shape"):
        load(folder)
    (folder / "generative.json").write_text("{}")
    with pytest.raises(ModelError, match="is damaged"):
        load(folder)


def test_a_grid_is_a_picture(tmp_path):
    from PIL import Image

    path = write_grid(tmp_path / "grid.png", torch.rand(5, 3, 6, 4, generator=torch.Generator().manual_seed(0)), 3)
    with Image.open(path) as picture:
        assert picture.size == (3 * 5 - 1, 2 * 7 - 1)
    with pytest.raises(OutputError, match=r"grid.txt: grids of images are written as .png"):
        write_grid(tmp_path / "grid.txt", torch.zeros(5, 3, 6, 4))


def test_code_inversion_seeks_among_what_a_model_makes(digits):
    import hashlens as hl

    model = VAE(learning_rate=0.01, **SMALL).fit(digits, epochs=15)
    network = hl.train("mlp", "digits#train[:200]", epochs=2, width=16).network
    target = model.sample(2, seed=5)
    found = hl.explain(network, target, "code_inversion", generator=model, steps=200)
    assert sum(found.diagnostics["hamming_distance"]) < sum(found.diagnostics["hamming_distance_at_start"])
    assert found.image.shape == (2, *SHAPE)
