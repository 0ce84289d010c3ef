"""Training of generative models: what it computes, that it goes on after kills, and what it says of bad input."""

import logging
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.generative.conftest import SMALL
from torch import nn
from torch.nn.functional import softplus

import hashlens as hl
from hashlens.errors import DataError, ModelError, OutputError
from hashlens.generative import GAN, VAE, BiGAN, InvertedGAN, load
from hashlens.generative.fit import Watch
from hashlens.generative.health import diversity, warnings_of
from hashlens.generative.networks import ConvGenerator, DenseGenerator
from hashlens.nets.copying import copied
from hashlens.nets.digest import parameters_digest
from hashlens.seeds import torch_generator
from hashlens.training import LoopEpoch, batch_order, split_batches

MAKE = {
    "gan": lambda **more: GAN(**SMALL, **more),
    "bigan": lambda **more: BiGAN(ae_weight=1.0, loss="hinge", spectral_norm=True, **SMALL, **more),
    "vae": lambda **more: VAE(**SMALL, **more),
}


def plain_bigan(networks, images, epochs, seed=0, rate=2e-4):
    """A BiGAN as the paper has it, with no regard to hashlens."""
    generator, encoder, tell = (networks[role] for role in ("generator", "encoder", "discriminator"))
    both = [*generator.parameters(), *encoder.parameters()]
    adam = [torch.optim.Adam(of, lr=rate, betas=(0.5, 0.999), fused=True) for of in (tell.parameters(), both)]
    noise = torch_generator(seed, "latent")
    for network in (generator, encoder, tell):
        network.train()
    for epoch in range(1, epochs + 1):
        for rows in split_batches(batch_order(len(images), seed, epoch), SMALL["batch_size"]):
            x, z = images[rows], torch.randn(len(rows), SMALL["latent"], generator=noise)
            made, found = generator(z), encoder(x)
            loss = softplus(-tell(x, found.detach())).mean() + softplus(tell(made.detach(), z)).mean()
            adam[0].zero_grad()
            loss.backward()
            adam[0].step()
            loss = softplus(-tell(made, z)).mean() + softplus(tell(x, found)).mean()
            adam[1].zero_grad()
            loss.backward()
            adam[1].step()


def test_a_bigan_without_autoencoder_loss_is_a_plain_bigan_bit_for_bit(digits):
    model = BiGAN(ae_weight=0, **SMALL).build((1, 8, 8))
    plain = {role: copied(network) for role, network in model.networks.items()}
    plain_bigan(plain, digits, epochs=3)
    assert parameters_digest(plain["encoder"]) != parameters_digest(model.networks["encoder"])
    model.fit(digits, epochs=3)
    for role, network in model.networks.items():
        assert parameters_digest(network) == parameters_digest(plain[role]), role


def gradients(model, images, role):
    """Gradients of a network after one step on all images, which moves nothing."""
    held = tuple(
        torch.optim.SGD([p for r in of for p in model.networks[r].parameters()], lr=0)
        for of in model.roles_by_optimizer
    )
    codes = torch.randn(len(images), SMALL["latent"], generator=torch_generator(0, "latent"))
    for role_ in [r for of in model.roles_by_optimizer for r in of]:
        model.networks[role_].train()
    model.step(hl.load_data(images).load(), held, lambda n: codes)(torch.arange(len(images)))
    return codes, [parameter.grad.clone() for parameter in model.networks[role].parameters()]


def gradients_of(loss, network):
    return torch.autograd.grad(loss, list(network.parameters()))


def test_the_weight_of_the_autoencoder_loss_is_that_of_a_sum_over_pixels(digits):
    model = BiGAN(ae_weight=2, **SMALL).build((1, 8, 8))
    found, plain = (gradients(of, digits, "encoder")[1] for of in (model, BiGAN(**SMALL).build((1, 8, 8))))
    generator, encoder = model.networks["generator"], model.networks["encoder"]
    loss = 2 * (digits - generator(encoder(digits))).flatten(1).square().sum(1).mean()
    for one, without, own in zip(found, plain, gradients_of(loss, encoder), strict=True):
        torch.testing.assert_close(one - without, own, rtol=1e-3, atol=1e-4)


def test_the_weight_of_the_image_error_is_that_of_a_sum_over_pixels(digits):
    model = InvertedGAN(GAN(**SMALL).build((1, 8, 8)), image_weight=0.3)
    codes, found = gradients(model, digits, "encoder")
    generator, encoder = model.networks["generator"].eval(), model.networks["encoder"]
    made = generator(codes).detach()
    again = encoder(made)
    image_error = (made - generator(again)).flatten(1).square().sum(1).mean()
    loss = (codes - again).square().sum(1).mean() + 0.3 * image_error
    for one, own in zip(found, gradients_of(loss, encoder), strict=True):
        torch.testing.assert_close(one, own, rtol=1e-3, atol=1e-4)


def test_an_autoencoder_loss_changes_the_weights_and_lowers_the_error(digits):
    plain, helped = (BiGAN(ae_weight=weight, **SMALL).fit(digits, epochs=8) for weight in (0, 10))
    errors = [float((model.reconstruct(digits) - digits).square().mean()) for model in (plain, helped)]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_training_an_encoder_afterwards_leaves_the_generator_as_it_is(digits, weight):
    gan = GAN(**SMALL).fit(digits, epochs=1)
    before, samples = parameters_digest(gan.networks["generator"]), gan.sample(5)
    model = InvertedGAN(gan, image_weight=weight, learning_rate=1e-2)
    encoder = parameters_digest(model.networks["encoder"])
    model.fit(digits, epochs=3)
    assert parameters_digest(gan.networks["generator"]) == before
    assert torch.equal(model.sample(5), samples)
    assert parameters_digest(model.networks["encoder"]) != encoder
    errors = model.info.history["code error"]
    assert errors[-1] < errors[0]


def test_a_mean_generator_is_the_one_that_is_inverted(digits):
    gan = GAN(ema=0.9, **SMALL).fit(digits, epochs=1)
    assert torch.equal(InvertedGAN(gan).sample(5), gan.sample(5))


def test_a_checkpoint_of_another_architecture_is_refused(digits, tmp_path):
    def stop(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GAN(**SMALL).fit(digits, out=tmp_path, on_epoch=stop)
    with pytest.raises(ModelError, match=r"state.pt is of another run: its width is 16, this one's is 8: train afresh"):
        GAN(**{**SMALL, "width": 8}).fit(digits, out=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKE)
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(digits, tmp_path, kind):
    whole = MAKE[kind](ema=0.9).fit(digits, epochs=3)

    def stop(epoch):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            MAKE[kind](ema=0.9).fit(digits, epochs=3, out=tmp_path, on_epoch=stop)
    resumed = MAKE[kind](ema=0.9).fit(digits, epochs=3, out=tmp_path)
    assert parameters_digest(resumed.networks) == parameters_digest(whole.networks)
    losses = {name: values for name, values in whole.info.history.items() if name != "seconds"}
    assert {name: values for name, values in resumed.info.history.items() if name != "seconds"} == losses
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generative.json", "generative.safetensors"]


KILLED = """
import os, random, signal, sys
from torch.optim.optimizer import register_optimizer_step_pre_hook
import hashlens as hl
from hashlens.generative import BiGAN
from hashlens.nets.digest import parameters_digest

folder, root = sys.argv[1], sys.argv[2]
digits = hl.load_data("digits#train[:400]").load().tensor()

def fitted(out):
    return BiGAN(ae_weight=1, ema=0.9, latent=4, width=16, batch_size=64).fit(digits, epochs=8, out=out)

whole = parameters_digest(fitted(root).networks)
killed = 0
for moment in random.Random(0).sample(range(5, 40), 5):
    child = os.fork()
    if not child:
        left = moment
        def count(*_):
            global left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        register_optimizer_step_pre_hook(count)
        fitted(folder)
        os._exit(0)
    killed += os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
print(killed, parameters_digest(fitted(folder).networks) == whole)
"""


@pytest.mark.slow
@pytest.mark.faults
def test_five_kills_lose_nothing(tmp_path):
    own = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    arguments = [sys.executable, "-c", KILLED, tmp_path / "killed", tmp_path / "whole"]
    run = subprocess.run(arguments, capture_output=True, text=True, env=own)
    assert run.stdout.split() == ["5", "True"], run.stderr
    assert signal.SIGKILL  # what ended them


def test_a_running_mean_lags_behind_and_draws_the_samples(digits):
    plain, mean = (GAN(ema=ema, **SMALL).fit(digits, epochs=1) for ema in (0, 0.5))
    assert parameters_digest(plain.networks["generator"]) == parameters_digest(mean.networks["generator"])
    assert not torch.equal(plain.sample(5), mean.sample(5))
    # After one step from w to v the mean is half way.
    start = GAN(ema=0.5, **SMALL).build((1, 8, 8))
    before = start.networks["generator"].head.bias.detach().clone()
    one = GAN(ema=0.5, **{**SMALL, "batch_size": 400}).fit(digits, epochs=1)
    moved, mean = (one.networks[role].head.bias.detach() for role in ("generator", "mean generator"))
    torch.testing.assert_close(mean, (before + moved) / 2)


def test_training_moves_no_global_generator(digits):
    state = torch.get_rng_state()
    VAE(**SMALL).fit(digits, epochs=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_spectral_norm_bounds_the_discriminator(digits):
    model = GAN(spectral_norm=True, **SMALL).fit(digits, epochs=3)
    layers = [layer for layer in model.networks["discriminator"].modules() if isinstance(layer, nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1, abs=0.2)


def test_checkpoints_hold_the_model_of_their_epoch_and_a_grid_of_the_same_codes(digits, tmp_path):
    from PIL import Image

    model = VAE(**SMALL).fit(digits, epochs=2, out=tmp_path, checkpoints=[0, 2])
    start, end = (load(tmp_path / f"checkpoints/epoch-{epoch:04d}") for epoch in (0, 2))
    assert torch.equal(end.sample(3), model.sample(3))
    assert torch.equal(start.sample(3), VAE(**SMALL).build((1, 8, 8)).sample(3))
    with Image.open(tmp_path / "checkpoints/epoch-0002/samples.png") as picture:
        grid = np.asarray(picture)
    assert grid.shape == (89, 89)
    first = (model.sample(1)[0, 0] * 255).round().to(torch.uint8).numpy()
    assert (grid[:8, :8] == first).all()


class Constant(nn.Module):
    """Gives the same image for all codes, but for a little."""

    def __init__(self, scale=1e-3):
        super().__init__()
        self.weight = nn.Parameter(torch.full((4, 64), scale))

    def forward(self, codes):
        return (codes @ self.weight).sigmoid().unflatten(1, (1, 8, 8))


@pytest.mark.slow
def test_collapse_is_said_while_training_runs(digits, caplog):
    # A rate so small that the generator stays as it is.
    gan = GAN(generator=Constant(), latent=4, width=16, batch_size=2, learning_rate=1e-9)
    with caplog.at_level(logging.WARNING, "hashlens"):
        gan.fit(digits, epochs=12)
    assert gan.info.collapsed
    assert [record.message.split(":")[0] for record in caplog.records] == ["samples have collapsed"]
    assert "after epoch 10" in caplog.records[0].message
    assert "COLLAPSED" in str(gan.info)


@pytest.mark.parametrize(
    ("spread", "telling", "steps", "said"),
    [(0.1, 1.0, 2000, ["samples have collapsed: their variance is 10%"]), (0.1, 1.0, 1999, []), (0.5, 1.0, 2000, []),
     (0.5, 0.001, 10, ["the discriminator recognises nearly all generated images in epoch 3 (loss 0.001)"])],
)  # fmt: skip
def test_what_is_wrong_is_said_from_the_values_of_an_epoch(spread, telling, steps, said):
    epoch = LoopEpoch(3, {"diversity": spread, "discriminator loss": telling}, {}, 0.0)
    found = warnings_of(epoch, steps, "do otherwise").values()
    assert [line.startswith(text) for line, text in zip(found, said, strict=True)] == [True] * len(said)


def test_each_kind_of_warning_is_issued_once(caplog):
    watch = Watch(GAN(**SMALL), torch.zeros(0), steps=2000)
    values = [(0.1, 1.0), (0.1, 0.001), (0.5, 0.002), (0.1, 1.0)]
    with caplog.at_level(logging.WARNING, "hashlens"):
        for number, (spread, loss) in enumerate(values, start=1):
            watch.warn(LoopEpoch(number, {"diversity": spread, "discriminator loss": loss}, {}, 0.0))
    collapse, discriminator = (record.message for record in caplog.records)
    assert collapse.startswith("samples have collapsed: their variance is 10% of the images' own after epoch 1")
    assert discriminator.startswith("the discriminator recognises nearly all generated images in epoch 2")


def test_diversity_is_half_the_mean_squared_difference_of_pairs(digits):
    apart = torch.cdist(digits.flatten(1), digits.flatten(1)).square().sum() / (400 * 399) / 64
    assert diversity(digits, digits / 2) == pytest.approx(4)
    assert float(digits.var(dim=0).mean()) == pytest.approx(float(apart) / 2, rel=1e-4)


def test_samples_of_a_short_training_have_not_collapsed(digits):
    assert not GAN(generator=Constant(), latent=4, width=16, learning_rate=1e-9).fit(digits, epochs=1).info.collapsed


def test_a_loss_that_is_no_number_ends_the_training(digits):
    with pytest.raises(ModelError, match=r"the training .* loss is nan in epoch"):
        GAN(learning_rate=1e30, **SMALL).fit(digits, epochs=3)
    with pytest.raises(ModelError, match="pixels are no longer numbers from 0 to 1: lower the learning rate"):
        VAE(learning_rate=1e30, **SMALL).fit(digits, epochs=3)


class WrongSize(nn.Module):
    def forward(self, codes):
        return torch.zeros(len(codes), 1, 4, 4)


SHAPE = (1, 8, 8)
BAD = {
    "other pixels": (lambda x: GAN(**SMALL).build((1, 4, 4)).fit(x), ModelError, r"of images \(1, 4, 4\), received"),
    "no images": (lambda x: GAN(**SMALL).fit(x.flatten(1)), DataError, r"examples of shape \(64,\): reshape"),
    "range": (lambda x: GAN(**SMALL).fit(x * 255), DataError, "from 0 to 1, received 0 to 255: rescale"),
    "nan": (lambda x: GAN(**SMALL).fit(x * float("nan")), DataError, "not finite"),
    "latent": (lambda x: GAN(latent=0), ModelError, "latent must be a whole number, 1 or more, received 0"),
    "option": (lambda x: GAN(latents=3), ModelError, "GAN takes no such argument.*latents"),
    "loss": (lambda x: GAN(loss="hing"), ModelError, "unknown loss 'hing'; did you mean 'hinge'"),
    "weight": (lambda x: BiGAN(ae_weight=-1), ModelError, "ae_weight must be a number, 0 or more, received -1"),
    "prior": (lambda x: VAE(prior="uniform"), ModelError, "a VAE has a normal prior"),
    "conv": (lambda x: GAN(architecture="conv").fit(x), ModelError, "28 x 28 or 32 x 32 pixels, received 8 x 8"),
    "own generator": (
        lambda x: GAN(generator=WrongSize(), **SMALL).fit(x), ModelError,
        r"generator WrongSize must return \(2, 1, 8, 8\) for codes \(2, 4\), received \(2, 1, 4, 4\)",
    ),
    "own encoder": (
        lambda x: BiGAN(encoder=nn.Flatten(), **SMALL).fit(x), ModelError,
        r"encoder Flatten must return \(2, 4\) for images \(2, 1, 8, 8\), received \(2, 64\)",
    ),
    "own discriminator": (
        lambda x: BiGAN(discriminator=nn.Flatten(), **SMALL).fit(x), ModelError,
        r"discriminator Flatten rejects images \(2, 1, 8, 8\) and codes \(2, 4\)",
    ),
    "range of generator": (
        lambda x: GAN(generator=nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, SHAPE)), **SMALL).fit(x),
        ModelError, "must return pixels from 0 to 1, received .*: end it with a sigmoid",
    ),
    "no module": (lambda x: GAN(generator=len), ModelError, "generator must be a torch.nn.Module"),
    "not fitted": (lambda x: GAN().sample(), ModelError, "GAN has no networks yet: fit it"),
    "no encoder": (lambda x: GAN(**SMALL).build(SHAPE).encode(x), ModelError, "GAN has no encoder: train one"),
    "encode": (lambda x: VAE(**SMALL).build((1, 4, 4)).encode(x), DataError, r"is of images \(1, 4, 4\), received"),
    "codes": (lambda x: VAE(**SMALL).build(SHAPE).decode(torch.zeros(2, 3)), ModelError, r"codes must be \(n, 4\)"),
    "gan": (lambda x: InvertedGAN(len), ModelError, "gan must be a hashlens.generative.GAN"),
    "epochs": (lambda x: GAN(**SMALL).fit(x, epochs=0), ModelError, "epochs must be a whole number, 1 or more"),
    "one image": (lambda x: GAN(**SMALL).fit(x[:1]), DataError, "has only one image: training needs two or more"),
    "checkpoints": (lambda x: GAN(**SMALL).fit(x, checkpoints=[1]), ModelError, "checkpoints need a folder"),
}  # fmt: skip


@pytest.mark.usefixtures("drawn_aside")
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_clear_line(digits, what):
    run, error, message = BAD[what]
    with pytest.raises(error, match=message) as caught:
        run(digits)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolutional_networks_fit_images_of_28_and_32_pixels(side, channels):
    model = BiGAN(architecture="conv", width=2, latent=3).build((channels, side, side))
    images = model.sample(2)
    assert images.shape == (2, channels, side, side)
    assert model.encode(images).shape == (2, 3)


@pytest.mark.usefixtures("drawn_aside")
def test_a_generator_is_larger_where_its_width_is():
    narrow, wide = (sum(p.numel() for p in ConvGenerator(4, (1, 28, 28), w).parameters()) for w in (4, 8))
    assert narrow < wide
    assert DenseGenerator(4, (1, 8, 8), 16).head.weight.shape == (64, 16)


def test_a_folder_that_holds_a_model_is_left_alone(digits, tmp_path):
    VAE(**SMALL).fit(digits, epochs=1, out=tmp_path)
    with pytest.raises(OutputError, match="already holds a model"):
        VAE(**SMALL).fit(digits, epochs=1, out=tmp_path)
    with pytest.raises(OutputError, match="already holds a model"):
        VAE(**SMALL).build(SHAPE).save(tmp_path)
    assert VAE(**SMALL, seed=1).fit(digits, epochs=1, out=tmp_path, overwrite=True).info.epochs == 1
