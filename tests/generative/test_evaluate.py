"""Evaluation of models whose quality is known."""

import numpy as np
import pytest
import torch
from tests.generative.conftest import SMALL
from torch import nn

import hashlens as hl
from hashlens.errors import DataError, ModelError
from hashlens.generative import GAN, VAE, BiGAN, evaluate, pictures
from hashlens.generative.pictures import INTERPOLATIONS, RECONSTRUCTIONS, STEPS, GeneratedPictures
from hashlens.testing.result_contract import check_result

SHAPE = (1, 8, 8)
TRAIN, TEST = "digits#train[:150]", "digits#test[:150]"


@pytest.fixture(scope="module")
def classifier():
    return hl.train("mlp", "digits#train", epochs=30, width=32, seed=0).network


class Same(nn.Module):
    """An image is its own code, and a code its own image."""

    def __init__(self, *shape):
        super().__init__()
        self.shape, self.weight = shape, nn.Parameter(torch.ones(()))

    def forward(self, x):
        return (self.weight * x).clamp(0, 1).reshape(len(x), *self.shape)


def identity():
    return BiGAN(generator=Same(*SHAPE), encoder=Same(64), latent=64, width=8).build(SHAPE)


@pytest.fixture(scope="module")
def found(classifier):
    return evaluate(identity(), TRAIN, TEST, classifier=classifier)


def test_a_perfect_reconstruction_has_no_error_and_the_same_class(found):
    assert found.reconstruction_error == 0
    assert found.label_consistency == 1
    assert found.fid_reconstructions == pytest.approx(0, abs=1e-6)
    assert found.classifier_accuracy > 0.5
    assert found.n == 150


def test_images_are_drawn_at_random_where_there_are_more(found, classifier):
    """The first rows of a data set may be of another kind: they decide nothing."""
    some = evaluate(identity(), TRAIN, TEST, classifier=classifier, n=60, paired=40)
    assert (some.n, some.paired, found.paired) == (60, 40, 150)
    x = hl.load_data(TEST).load().tensor()
    assert some.random_pair_error != pytest.approx(2 * float(x[:60].var(dim=0).mean()), rel=1e-6)
    whole = evaluate(identity(), TRAIN, TEST, classifier=classifier, paired=40)
    assert (whole.fid_real, whole.n) == (pytest.approx(found.fid_real), 150)
    assert whole.kid_real != pytest.approx(found.kid_real)


def test_the_random_pair_baseline_is_the_mean_over_pairs(found):
    x = hl.load_data(TEST).load().tensor()[:150].flatten(1).double()
    wanted = torch.cdist(x, x).square().sum() / (150 * 149) / 64
    assert found.random_pair_error == pytest.approx(float(wanted), rel=1e-6)


def test_codes_that_are_images_are_classified_as_images_are(found):
    train, test = hl.load_data(TRAIN).load(), hl.load_data(TEST).load()
    x, y = train.tensor()[:150].flatten(1), test.tensor()[:150].flatten(1)
    apart = torch.cdist(y.double(), x.double())
    right = (train.labels[:150][apart.argmin(dim=1).numpy()] == test.labels[:150]).mean()
    assert found.code_knn == pytest.approx(right, abs=1e-9)


def test_noise_is_far_from_the_images_and_shares_sum_to_one(found):
    assert found.fid > found.fid_real
    assert found.kid > found.kid_real
    assert sum(found.class_shares.values()) == pytest.approx(1)
    assert list(found.class_shares) == [str(digit) for digit in range(10)]


def test_neural_codes_are_those_of_both_networks(found):
    # A clamp bends at both ends: two bits of each of 64 pixels. The discriminator's code has no bit of the encoder.
    assert {role: codes.bits for role, codes in found.codes.items()} == {"encoder": 128, "discriminator": 16}
    assert found.codes["discriminator"].knn_accuracy > 0.2


class Copies(nn.Module):
    """Samples are training images."""

    def __init__(self, images):
        super().__init__()
        self.register_buffer("images", images)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, codes):
        rows = (codes[:, 0] * 1e4).long() % len(self.images)
        return (self.images[rows] * self.weight).clamp(0, 1)


@pytest.mark.slow
def test_samples_that_are_training_images_are_copies_and_cover_the_classes(classifier, tmp_path):
    images = hl.load_data(TRAIN).load().tensor()[:150]
    found = evaluate(GAN(generator=Copies(images), **SMALL).build(SHAPE), TRAIN, TEST, classifier=classifier)
    assert found.memorisation.samples == 0
    assert found.covered >= 9
    assert not found.collapsed
    assert found.fid < 4 * found.fid_real
    assert found.reconstruction_error is found.code_knn is found.label_consistency is None
    assert set(found.codes) == {"discriminator"}
    check_result(found, tmp_path)


def test_one_image_for_all_codes_is_a_collapse(classifier):
    model = GAN(generator=Copies(hl.load_data(TRAIN).load().tensor()[:1]), **SMALL).build(SHAPE)
    found = evaluate(model, TRAIN, TEST, classifier=classifier, n=60)
    assert found.collapsed
    assert found.diversity == pytest.approx(0, abs=1e-9)
    assert "COLLAPSED" in str(found)
    assert "these numbers have no meaning" in found.page().verdict


BAD = {
    "no classifier": (lambda of: evaluate(identity(), TRAIN, TEST), ModelError, "needs a classifier of the same"),
    "no networks": (lambda of: evaluate(GAN(), TRAIN, TEST, classifier=of), ModelError, "GAN knows no images yet"),
    "no features": (
        lambda of: evaluate(identity(), TRAIN, TEST, classifier=nn.Flatten()), ModelError, "has no linear layer"
    ),
    "another classifier": (
        lambda of: evaluate(identity(), TRAIN, TEST, classifier=nn.Linear(3, 2)), ModelError, "rejects images"
    ),
    "other images": (
        lambda of: evaluate(
            VAE(**SMALL).build((1, 4, 4)), TRAIN, TEST, classifier=nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        ),
        DataError, r"is of images \(1, 4, 4\), received images \(1, 8, 8\)",
    ),
    "few": (lambda of: evaluate(identity(), TRAIN, TEST, classifier=of, n=4), DataError, "k=5 needs more than 5"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
@pytest.mark.usefixtures("drawn_aside")
def test_bad_input_is_one_clear_line(classifier, what):
    run, error, message = BAD[what]
    with pytest.raises(error, match=message) as caught:
        run(classifier)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_pictures_show_samples_reconstructions_and_interpolations(tmp_path):
    model = VAE(**SMALL).build(SHAPE)
    shown = pictures(model, TEST, n=30)
    images = (hl.load_data(TEST).load().tensor()[:RECONSTRUCTIONS, 0] * 255).round().numpy()
    assert (shown.originals == images).all()
    assert shown.reconstructions.shape == (RECONSTRUCTIONS, 8, 8)
    assert "ways" in shown.to_dict()  # the key of earlier files
    assert shown.interpolations.shape == (INTERPOLATIONS, STEPS, 8, 8)
    assert np.abs(shown.interpolations[:, 0].astype(int) - shown.reconstructions[:INTERPOLATIONS]).max() <= 1
    assert [figure.title for figure in shown.figures()] == ["Samples", "Reconstructions", "Interpolations"]
    check_result(shown, tmp_path)
    drawn = pictures(GAN(**SMALL).build(SHAPE), TEST, n=30)
    assert drawn.originals.shape == (0, 8, 8)
    assert drawn.interpolations.shape == (INTERPOLATIONS, STEPS, 8, 8)


@pytest.mark.parametrize("count", [1, 3, 10, 16, 20])
def test_each_image_stands_above_its_reconstruction(count):
    """Image i has pixels of value i, and its reconstruction of 100 + i."""
    originals = np.repeat(np.arange(count, dtype=np.uint8), 4).reshape(count, 2, 2)
    some = originals[:1]
    shown = GeneratedPictures("model", False, some, originals, originals + np.uint8(100), some[None])
    sheet = np.round(shown.figures()[1].panels[0] * 255).astype(int)
    for at in range(count):
        top, left = at // 10 * 6, at % 10 * 3
        assert np.array_equal(sheet[top : top + 2, left : left + 2], np.full((2, 2), at))
        assert np.array_equal(sheet[top + 3 : top + 5, left : left + 2], np.full((2, 2), 100 + at))
