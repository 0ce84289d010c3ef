"""``hashlens generate``: models are trained, draw samples, reconstruct, and are evaluated."""

import json

import pytest
import torch

import hashlens as hl
from hashlens.cli.app import run
from hashlens.generative import InvertedGAN, load
from hashlens.nets import NetworkInfo, build, save_network

TRAIN, TEST = "digits#train[:200]", "digits#test[:100]"
SMALL = ["--latent", "4", "--width", "16", "--epochs", "2"]


def test_models_are_trained_drawn_from_and_evaluated(tmp_path, capsys):
    folder, page = tmp_path / "bigan", tmp_path / "evaluation.html"
    assert run(["generate", "train", "bigan", "--ae-weight", "1", "--data", TRAIN, "--out", str(folder), *SMALL]) == 0
    model = load(folder)
    assert model.arguments["ae_weight"] == 1
    assert model.info.epochs == 2
    network = build("mlp", input_shape=(1, 8, 8), classes=10, width=8)
    save_network(tmp_path / "classifier", network, NetworkInfo("mlp", (1, 8, 8), 10, {"width": 8}, output="logits"))
    words = ["--train", TRAIN, "--test", TEST, "--classifier", str(tmp_path / "classifier")]
    capsys.readouterr()
    assert run(["generate", "evaluate", str(folder), *words, "--html", str(page), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    images = hl.load_data(TEST).load().tensor()
    assert found["kind"] == "GenerativeEvaluation"
    assert found["reconstruction_error"] == pytest.approx(float((model.reconstruct(images) - images).square().mean()))
    assert "From one image to another" in page.read_text()


def test_samples_and_reconstructions_are_pictures(tmp_path):
    from PIL import Image

    folder, picture = tmp_path / "vae", tmp_path / "samples.png"
    assert run(["generate", "train", "vae", "--data", TRAIN, "--out", str(folder), *SMALL]) == 0
    assert run(["generate", "sample", str(folder), "--out", str(picture), "-n", "30", "--seed", "3"]) == 0
    with Image.open(picture) as image:
        assert image.size == (10 * 9 - 1, 3 * 9 - 1)
        first = torch.tensor(list(image.crop((0, 0, 8, 8)).tobytes()))
    assert torch.equal(first, (load(folder).sample(30, seed=3)[0] * 255).round().long().flatten())
    made = tmp_path / "reconstructions.png"
    assert run(["generate", "reconstruct", str(folder), "--data", TEST, "--out", str(made)]) == 0
    assert made.stat().st_size > 1000


def test_a_gan_is_inverted(tmp_path):
    gan, inverted = tmp_path / "gan", tmp_path / "inverted"
    assert run(["generate", "train", "gan", "--data", TRAIN, "--out", str(gan), *SMALL]) == 0
    words = ["--gan", str(gan), "--image-weight", "0.5", "--epochs", "1"]
    assert run(["generate", "train", "inverted-gan", *words, "--data", TRAIN, "--out", str(inverted)]) == 0
    model = load(inverted)
    assert isinstance(model, InvertedGAN)
    assert model.image_weight == 0.5
    assert torch.equal(model.sample(3), load(gan).sample(3))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "bigam"], "unknown model 'bigam'; did you mean 'bigan'"),
        (["train", "vae", "--ae-weight", "1"], "vae takes no --ae-weight: leave it out"),
        (["train", "inverted-gan"], "inverted-gan: --gan is the folder of the GAN to invert: give it"),
        (["train", "gan", "--latent", "0"], "latent must be a whole number, 1 or more, received 0"),
        (["train", "gan", "--architecture", "conv"], "28 x 28 or 32 x 32 pixels, received 8 x 8"),
    ],
)
def test_wrong_words_are_one_clear_line(tmp_path, capsys, words, message):
    out = tmp_path / "model"
    assert run(["generate", *words, "--data", TRAIN, "--out", str(out)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (out / "generative.json").exists()
