import io

import numpy as np
import pytest
from PIL import Image

from hashlens.data.decode import Decoding, decode
from hashlens.data.images import decode_named
from hashlens.errors import DataError


def test_a_lossless_image_comes_back_whatever_holds_it(tmp_path, images, encode_png):
    content = encode_png(images[0])
    (tmp_path / "a.png").write_bytes(content)
    expected = images[0].transpose(2, 0, 1)
    for encoded in (content, tmp_path / "a.png", Image.fromarray(images[0])):
        assert np.array_equal(decode(encoded).pixels, expected)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("CMYK", 3)]
)
def test_every_8_bit_mode_becomes_grey_or_colour(mode, channels):
    assert decode(Image.new(mode, (5, 4))).pixels.shape == (channels, 4, 5)


def test_grey_among_colour_is_three_equal_channels_and_colour_among_grey_is_refused(images):
    grey = images[0, :, :, 0]
    assert np.array_equal(decode(Image.fromarray(grey), 3).pixels, np.stack([grey] * 3))
    with pytest.raises(
        DataError, match=r"row 7 cannot be read: it is in colour, and the first image is grey; channels=3"
    ):
        decode_named(Image.fromarray(images[0]), "x", 7, Decoding(), (1, 4, 5))


def test_formats_that_run_programs_are_not_opened():
    file = io.BytesIO()
    Image.new("RGB", (5, 4)).save(file, "EPS")
    with pytest.raises(DataError, match=r"x: image a.png cannot be read: cannot identify image file"):
        decode_named(file.getvalue(), "x", "a.png", Decoding())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda png: png[: len(png) // 2], "cannot be read"),
        (lambda png: png[:40], "cannot be read"),
        (lambda png: b"", "cannot be read: cannot identify"),
        (lambda png: b"not an image", "cannot be read: cannot identify"),
    ],
)
def test_a_broken_image_is_one_line_that_names_its_row(images, encode_png, content, message):
    with pytest.raises(DataError, match=rf"^x: the image of row 3 {message}") as error:
        decode_named(content(encode_png(images[0])), "x", 3, Decoding())
    assert "\n" not in str(error.value)


def test_more_than_8_bits_are_refused_rather_than_cut_off():
    with pytest.raises(DataError, match=r"mode 'I;16' is not 8-bit grey or colour"):
        decode_named(Image.new("I;16", (5, 4)), "x", 0, Decoding())
