import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.data.views import VIEWS, view_names, view_of
from hashlens.errors import DataError


def seen(images, name):
    return torch.cat([batch.inputs for batch in view_of(hl.load_data(images), name).batches(4)])


def spot(row, column, side=33):
    """Return a black image with a soft white spot, whose middle is at that place."""
    ys, xs = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.exp(-((ys - row) ** 2 + (xs - column) ** 2) / 8.0)[None, None].repeat(1, 3, 1, 1)


def middle(image):
    plane = image[0, 0]
    weights = plane / plane.sum()
    return [float((weights.sum(axis) * torch.arange(plane.shape[1 - axis])).sum()) for axis in (1, 0)]


@pytest.mark.parametrize(
    ("name", "row", "column"),
    [
        ("mirrored", 16, 6),
        # Ten pixels to the right of the middle: an arc of 5 degrees further down, or up.
        ("turned right", 16 + 10 * np.sin(np.radians(5)), 16 + 10 * np.cos(np.radians(5))),
        ("turned left", 16 - 10 * np.sin(np.radians(5)), 16 + 10 * np.cos(np.radians(5))),
        ("nearer", 16, 16 + 10 / 0.9),
        ("farther", 16, 16 + 10 * 0.9),
    ],
)
def test_a_spot_is_where_the_view_has_it(name, row, column):
    assert middle(seen(spot(16, 26), name)) == pytest.approx([row, column], abs=0.1)


def test_turning_does_not_shear_what_is_not_square():
    image = torch.zeros(1, 1, 33, 65)
    image[0, 0, :, :33] = spot(16, 16)[0, 0]
    found = middle(seen(image, "turned right"))
    assert found == pytest.approx([16 - 16 * np.sin(np.radians(5)), 32 - 16 * np.cos(np.radians(5))], abs=0.1)


def test_brightness_is_measured_from_black_and_ends_at_white():
    images = torch.tensor([0.0, 0.5, 0.9]).reshape(1, 1, 1, 3).repeat(1, 1, 8, 3)
    assert seen(images, "brighter")[0, 0, 0, :3].tolist() == pytest.approx([0, 0.65, 1])
    assert seen(images, "darker")[0, 0, 0, :3].tolist() == pytest.approx([0, 0.5 / 1.3, 0.9 / 1.3])
    # Of images that a data set normalises by itself, black is the least number.
    normalised = (images - 0.5) / 0.25
    found = seen(normalised, "darker")[0, 0, 0, :3]
    assert (found * 0.25 + 0.5).tolist() == pytest.approx([0, 0.5 / 1.3, 0.9 / 1.3])


def test_whole_numbers_stay_what_they_are():
    images = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8)
    found = seen(images, "brighter")
    assert found.dtype == torch.uint8
    assert found.unique().tolist() == [130]


def test_a_normalisation_comes_after_the_view():
    images = torch.rand(3, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    normalised = hl.load_data(images, transform=lambda batch: (batch - 0.5) / 0.25)
    for name in VIEWS:
        found = torch.cat([batch.inputs for batch in view_of(normalised, name).batches(2)])
        assert torch.allclose(found, (seen(images, name) - 0.5) / 0.25)


def test_names_are_checked():
    assert view_names(True) == tuple(VIEWS)
    assert view_names(False) == ()
    assert view_names(["darker", "mirrored", "darker"]) == ("darker", "mirrored")
    with pytest.raises(DataError, match=r"no view 'miror' of an image.*mirrored"):
        view_names("miror")


def test_tables_have_no_views():
    with pytest.raises(DataError, match=r"views need images .*received \(4, 7\)"):
        seen(torch.zeros(5, 7), "mirrored")
