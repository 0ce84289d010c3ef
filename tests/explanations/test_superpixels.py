import sys

import numpy as np
import pytest
from scipy.ndimage import label

from hashlens.errors import ExplainError, MissingExtraError
from hashlens.explanations.superpixels import checked_segments, superpixels, time_segments


def noisy(seed, shape):
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize(("shape", "count"), [((1, 28, 28), 50), ((3, 32, 20), 7), ((3, 9, 40), 13), ((1, 2, 3), 6)])
def test_every_patch_is_one_piece_and_numbers_have_no_gaps(shape, count):
    found = superpixels(noisy(0, shape), count)
    assert found.shape == shape[1:]
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert all(label(found == number)[1] == 1 for number in range(found.max() + 1))
    assert 0.5 * count <= found.max() + 1 <= 1.3 * count


def test_a_flat_image_is_cut_into_patches_of_like_size():
    sizes = np.bincount(superpixels(np.full((3, 40, 40), 0.7), 16).ravel())
    assert len(sizes) == 16
    assert sizes.max() <= 2 * sizes.min()


def test_patches_follow_an_edge_of_colour():
    image = np.zeros((1, 24, 24))
    image[:, :, 11:] = 1
    found = superpixels(image, 9)
    assert not set(found[:, :11].ravel()) & set(found[:, 11:].ravel())


def test_the_same_image_is_always_cut_in_the_same_way():
    assert np.array_equal(superpixels(noisy(1, (3, 30, 30)), 20), superpixels(noisy(1, (3, 30, 30)), 20))


def test_an_image_is_cut_alike_in_grey_and_in_colour_bright_and_dark():
    grey = noisy(2, (1, 20, 20))
    found = superpixels(grey, 12)
    assert np.array_equal(superpixels(np.repeat(grey, 3, axis=0), 12), found)
    assert np.array_equal(superpixels(0.25 * grey - 3, 12), found)


def test_a_missing_library_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtraError, match=r"needs scikit-image, .*: pip install 'hashlens\[explanations\]'"):
        superpixels(noisy(0, (1, 4, 4)), 2)


def test_given_segments_are_numbered_from_zero():
    assert np.array_equal(checked_segments(np.array([[7, 7], [2, 9]]), (2, 2)), [[1, 1], [0, 2]])


@pytest.mark.parametrize(
    ("given", "said"),
    [(np.zeros((3, 3), int), r"whole numbers \(2, 2\), one for each position, received int64 \(3, 3\)"),
     (np.zeros((2, 2)), "received float64"),
     ("cat", "received <U3")],
)  # fmt: skip
def test_wrong_segments(given, said):
    with pytest.raises(ExplainError, match=said):
        checked_segments(given, (2, 2))


@pytest.mark.parametrize("count", [0, 5, 2.5])
def test_wrong_count(count):
    with pytest.raises(ExplainError, match="segments must be"):
        superpixels(np.zeros((1, 2, 2)), count)


def test_a_signal_is_cut_into_stretches_of_time_channel_by_channel():
    assert np.array_equal(time_segments((2, 6), 4), [[0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3]])
    assert np.array_equal(time_segments((5,), 2), [0, 0, 0, 1, 1])
    assert np.array_equal(time_segments((3, 4), 2), [[0] * 4, [1] * 4, [2] * 4])  # a channel is a part at least


def test_segments_of_time_alone_are_of_all_channels():
    assert np.array_equal(checked_segments(np.array([4, 4, 9]), (2, 3)), [[0, 0, 1], [0, 0, 1]])
