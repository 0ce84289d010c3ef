"""Thumbnails of a page."""

import numpy as np
import pytest

from hashlens.report.sprite import MAX_CHARACTERS, Sprite


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "side"), [((3000, 28, 28), 28), ((3000, 64, 64), 32), ((3000, 64, 64, 3), 32),
                                             ((100, 64, 64, 3), 64), ((20, 200, 100), 64)])  # fmt: skip
def test_many_thumbnails_are_made_smaller_until_they_fit_a_page(shape, side):
    sprite = Sprite()
    for image in np.random.default_rng(0).integers(0, 256, shape, np.uint8):
        sprite.add(image)
    found = sprite.picture()
    assert len(found.url) <= MAX_CHARACTERS
    assert found.height == side
    assert found.rows * found.columns >= len(sprite.images)
