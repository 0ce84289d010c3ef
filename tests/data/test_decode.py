import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from hashlens.data import load_data
from hashlens.data.address import parse
from hashlens.data.decode import COMPOSITED, FIRST_FRAME, TURNED, Decoding, as_encoded, decode
from hashlens.data.sources import check_address
from hashlens.errors import DataError

AS_STORED = Decoding(orientation="ignore", transparency="ignore")


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(image, orientation, kind="PNG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, kind, exif=exif)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(images, orientation, kind):
    content = oriented(Image.fromarray(images[0]), orientation, kind)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content)))).transpose(2, 0, 1)
    found = decode(content)
    assert np.array_equal(found.pixels, upright)
    assert found.changes == (() if orientation == 1 else (TURNED,))


def test_orientation_6_is_a_quarter_turn_and_may_be_ignored(images):
    content = oriented(Image.fromarray(images[0]), 6)
    found = decode(content)
    assert np.array_equal(found.pixels, np.rot90(images[0], -1).transpose(2, 0, 1))
    assert found.changes == (TURNED,)
    stored = decode(content, decoding=AS_STORED)
    assert np.array_equal(stored.pixels, images[0].transpose(2, 0, 1))
    assert stored.changes == ()


def test_broken_exif_leaves_an_image_as_it_is(images):
    content = saved(Image.fromarray(images[0]), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert np.array_equal(decode(content).pixels, images[0].transpose(2, 0, 1))


def half(mode):
    """Return an image whose left pixel is hidden, black underneath, and whose right one is a seen black."""
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    if mode == "P":
        image = Image.new("P", (2, 1))
        image.putpalette([9, 9, 9, 0, 0, 0])
        image.putpixel((1, 0), 1)
        return saved(image, "PNG", transparency=0)
    if mode in ("L", "RGB"):
        image = Image.fromarray(np.array([[9, 0]], np.uint8)).convert(mode)
        return saved(image, "PNG", transparency=9 if mode == "L" else (9, 9, 9))
    return saved(image.convert(mode), "PNG")


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1), ("P", 3), ("L", 1), ("RGB", 3)])
def test_what_is_transparent_is_drawn_on_white(mode, channels):
    found = decode(half(mode))
    assert found.pixels.tolist() == [[[255, 0]]] * channels
    assert found.changes == (COMPOSITED,)
    stored = decode(half(mode), decoding=AS_STORED)
    assert stored.pixels.tolist() == [[[9 if mode in ("P", "L", "RGB") else 0, 0]]] * channels


def test_half_transparent_is_half_white_and_opaque_alpha_changes_nothing(images):
    grey = Image.fromarray(np.array([[[100, 0, 200, 128], [100, 0, 200, 255]]], np.uint8))
    # 128 / 255 of the colour on white, to the nearest whole number.
    assert decode(saved(grey, "PNG")).pixels[:, 0].tolist() == [[177, 100], [127, 0], [227, 200]]
    opaque = Image.fromarray(images[0]).convert("RGBA")
    found = decode(saved(opaque, "PNG"))
    assert np.array_equal(found.pixels, images[0].transpose(2, 0, 1))
    assert found.changes == ()


def test_of_an_animation_the_first_frame_is_taken_and_it_is_said():
    frames = [Image.new("L", (3, 2), shade) for shade in (10, 200)]
    found = decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert found.changes == (FIRST_FRAME,)
    assert np.unique(found.pixels).tolist() == [10]


def deep_png(colour):
    """Return a PNG of 16 bits and 2 x 1 pixels, written by hand since Pillow writes none in colour."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    pixels = zlib.compress(b"\0" + bytes([1, 128] * channels * 2))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, colour, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b"")]
    body = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.mark.parametrize(
    "content",
    [*map(deep_png, (0, 2, 4, 6)), b"P6\n2 1\n65535\n" + b"\1\200" * 6, b"P3\n2 1\n65535\n" + b"384 " * 6,
     b"P5\n2 1\n65535\n" + b"\1\200" * 2],
)  # fmt: skip
def test_16_bits_are_refused_and_not_cut_to_8(content):
    with pytest.raises(ValueError, match=r"is not 8-bit grey or colour; convert it first"):
        decode(content)


def test_cmyk_is_taken_as_pillow_takes_it():
    content = saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG")
    red, green, blue = decode(content).pixels.reshape(3, -1).mean(1)
    assert red < 5
    assert min(green, blue) > 250


def test_pixels_are_images_with_channels_first_or_last(images):
    import torch

    expected = images[0].transpose(2, 0, 1)
    for value in (
        images[0],
        torch.from_numpy(expected.copy()),
        {"bytes": saved(Image.fromarray(images[0]), "PNG"), "path": None},
    ):
        assert np.array_equal(decode(as_encoded(value)).pixels, expected)
    assert np.array_equal(decode(as_encoded(images[0, ..., :1])).pixels, images[0, ..., 0][None])
    assert np.array_equal(decode(as_encoded(images[0, ..., 0])).pixels, images[0, ..., 0][None])
    for number in (images[0].astype(float), np.arange(3, dtype=np.uint8), "a.png", None, [[1]]):
        assert as_encoded(number) is None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("folder:x?orient=ignore", "there is no option 'orient'; .*orientation"),
        ("folder:x?orientation=no#train", "orientation is 'apply' or 'ignore', received 'no'"),
        ("folder:x?channels=4", "channels is 'first' or '3', received '4'"),
        ("folder:x?transparency=black", "transparency is 'white' or 'ignore', received 'black'"),
    ],
)
def test_wrong_options_are_one_line(address, message):
    with pytest.raises(DataError, match=message) as error:
        Decoding.from_address(parse(address))
    assert str(error.value).startswith(address)


def test_sources_without_image_files_take_no_options():
    with pytest.raises(DataError, match=r"digits takes no options; those of image files are for folder, hub, parquet"):
        load_data("digits?orientation=ignore#train")


def test_wrong_options_of_the_hub_are_found_before_anything_is_downloaded():
    with pytest.raises(DataError, match="there is no option 'orient'"):
        check_address("hub:a/b?orient=ignore#train")


def turned_source(kind, root, write_parquet, image):
    content = oriented(Image.fromarray(image), 6)
    if kind == "parquet":
        return f"parquet:{write_parquet(root / 'train.parquet', [content], [0]).parent}"
    (root / "a").mkdir()
    (root / "a/0.png").write_bytes(content)
    return f"folder:{root}" if kind == "folder" else f"torchvision:ImageFolder:{root}"


@pytest.mark.parametrize("kind", ["folder", "parquet", pytest.param("torchvision", marks=pytest.mark.vision)])
def test_every_source_turns_images_by_the_one_decoder(tmp_path, images, write_parquet, caplog, kind):
    if kind == "torchvision":
        pytest.importorskip("torchvision")
    source = turned_source(kind, tmp_path, write_parquet, images[0])
    examples = load_data(source)
    upright = np.rot90(images[0], -1).transpose(2, 0, 1)
    assert examples.shape == upright.shape
    for _ in range(2):
        assert np.array_equal(examples.load().inputs[0], upright)
    assert caplog.messages == [f"{source}: of 1 images, 1 are {TURNED} (orientation=ignore takes them as stored)"]
    stored = load_data(f"{source}?orientation=ignore")
    assert np.array_equal(stored.load().inputs[0], images[0].transpose(2, 0, 1))
    assert stored.name.endswith("?orientation=ignore")
    assert len(caplog.messages) == 1
