"""The one decoder of images: whatever holds one becomes 8-bit pixels, grey or colour, upright and opaque."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Transpose

from hashlens.data.address import Address
from hashlens.errors import DataError, nearest

# Raster formats only: Pillow hands others, as EPS, to outside interpreters.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")

ORIENTATION = 0x0112
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What brings an image upright, by the orientation in its EXIF."""

TURNED = "turned upright by the orientation in their EXIF (orientation=ignore takes them as stored)"
COMPOSITED = "drawn on white where they are transparent (transparency=ignore takes the colours as stored)"
FIRST_FRAME = "read by the first of several frames or pages"

Encoded = bytes | Path | Image.Image
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoding:
    """How image files become pixels.

    Attributes
    ----------
    orientation : str
        ``"apply"`` turns an image upright by its EXIF; ``"ignore"`` takes it as it is stored.
    transparency : str
        ``"white"`` draws what is transparent on white; ``"ignore"`` drops it and takes the colours as they are stored,
        those of invisible pixels too.
    channels : str
        ``"first"`` takes all images as the first one is, grey or colour; ``"3"`` takes grey ones as colour,
        the first one too.

    Raises
    ------
    DataError
        For another value.
    """

    orientation: str = "apply"
    transparency: str = "white"
    channels: str = "first"

    def __post_init__(self) -> None:
        allowed = {
            "orientation": ("apply", "ignore"),
            "transparency": ("white", "ignore"),
            "channels": ("first", "3"),
        }
        for name, values in allowed.items():
            if (value := getattr(self, name)) not in values:
                raise DataError(f"{name} is {' or '.join(map(repr, values))}, received {value!r}")

    @classmethod
    def of(cls, address: Address) -> Self:
        """Return what an address asks for: ``folder:photos?orientation=ignore``.

        Raises
        ------
        DataError
            For options that are none of images.
        """
        known = [field.name for field in fields(cls)]
        for name, _ in address.options:
            if name not in known:
                raise DataError(f"{address.text}: there is no option {name!r}; {nearest(name, known)}")
        try:
            return cls(**dict(address.options))
        except DataError as error:
            raise DataError(f"{address.text}: {error}") from None


class Decoded(NamedTuple):
    """The pixels of an image, uint8 ``(c, h, w)``, and what was done to it: some of the sentences above."""

    pixels: Pixels
    changes: tuple[str, ...]


def changes_line(changes: Mapping[str, int], n: int) -> str:
    """Return one line that says what was done to how many of n images.

    >>> changes_line({FIRST_FRAME: 2}, 60)
    'of 60 images, 2 are read by the first of several frames or pages'
    """
    return f"of {n} images, " + ", ".join(f"{count} are {change}" for change, count in changes.items())


def decode(encoded: Encoded, channels: int | None = None, decoding: Decoding = Decoding()) -> Decoded:
    """Return the pixels of one image.

    Parameters
    ----------
    encoded : bytes, pathlib.Path or PIL.Image.Image
        The content of an image file, its path, or an image that is open.
    channels : int, optional
        1 or 3, expected; a grey image is taken as colour where 3 are. As in the image by default.
    decoding : Decoding
        What is done about orientation and transparency.

    Returns
    -------
    Decoded
        uint8 pixels ``(c, h, w)``, and what was done.

    Raises
    ------
    ValueError
        When the image has more than 8 bits for a channel, or colour where grey is expected. What a broken file makes
        Pillow raise passes through.
    """
    if channels is None and decoding.channels == "3":
        channels = 3
    if isinstance(encoded, Image.Image):
        return _decoded(encoded, channels, decoding)
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=FORMATS) as image:
        return _decoded(image, channels, decoding)


def as_encoded(value: Any) -> Encoded | None:
    """Return an image in one of the forms that :func:`decode` takes, None if it is none.

    Parameters
    ----------
    value : Any
        One of these forms; the Hub's pair of ``bytes`` and ``path``; or pixels, a uint8 tensor or array ``(c, h, w)``,
        ``(h, w, c)`` or ``(h, w)`` with 1 to 4 channels. Tensors have channels first where both would do, arrays last.

    >>> as_encoded(np.zeros((5, 7, 3), np.uint8)).size
    (7, 5)
    """
    if isinstance(value, bytes | Path | Image.Image):
        return value
    if isinstance(value, Mapping) and {"bytes", "path"} <= set(value):
        return value["bytes"] if value["bytes"] is not None else Path(value["path"] or "")
    if (
        getattr(value, "dtype", None) is None
        or str(value.dtype).removeprefix("torch.") != "uint8"
        or value.ndim not in (2, 3)
    ):
        return None
    pixels = np.asarray(value)
    if pixels.ndim == 3:
        first, last = pixels.shape[0] <= 4, pixels.shape[2] <= 4
        if not first and not last:
            return None
        if first and (not last or hasattr(value, "numpy")):
            pixels = pixels.transpose(1, 2, 0)
        pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(pixels))


def _decoded(image: Image.Image, channels: int | None, decoding: Decoding) -> Decoded:
    if image.mode not in GREY + COLOUR or _is_deep(image):
        deep = " of 16 bits" if image.mode in GREY + COLOUR else ""
        raise ValueError(f"mode {image.mode!r}{deep} is not 8-bit grey or colour; convert it first")
    if channels == 1 and image.mode in COLOUR:
        raise ValueError("it is in colour, and the first image is grey; channels=3 takes grey images as colour")
    mode = "RGB" if channels == 3 or image.mode in COLOUR else "L"
    changes = []
    # Phones store previews behind the photo, in a format of its own.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        changes.append(FIRST_FRAME)
    stored = _orientation(image)
    image.load()
    if decoding.orientation == "apply" and (turn := UPRIGHT.get(stored)) is not None:
        # Pillow turns TIFF itself, and nothing else, as it loads it; what is turned is upright ever after.
        image = image.transpose(turn) if _orientation(image) == stored else image
        changes.append(TURNED)
    if decoding.transparency == "white" and image.has_transparency_data:
        layer = image.convert("RGBA")
        if np.asarray(layer)[..., 3].min() < 255:
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            changes.append(COMPOSITED)
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return Decoded(pixels[None] if mode == "L" else pixels.transpose(2, 0, 1), tuple(changes))


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has more bits for a channel than Pillow makes of it: it drops the lower eight in silence."""
    tiles: Iterable[tuple[str, Any, Any, Any]] = getattr(image, "tile", ())
    for kind, _, _, arguments in tiles:
        if ";16" in str(arguments) or (kind.startswith("ppm") and arguments[-1] > 255):
            return True
    return False


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF is written by every kind of device, and what is broken in it breaks Pillow in many ways
        return 1
