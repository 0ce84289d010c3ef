"""Decoder of images: every image becomes 8-bit pixels, grey or colour, upright and opaque."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Transpose

from hashlens.data.address import Address
from hashlens.errors import DataError, nearest

# Raster formats only: Pillow passes others, such as EPS, to external interpreters.
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
"""Operation that turns an image upright, by its EXIF orientation."""

TURNED = "turned upright by the orientation in their EXIF"
COMPOSITED = "drawn on white where they are transparent"
GREY_FIRST = "it is in colour, and the first image is grey"
FIRST_FRAME = "read from the first of several frames or pages"

Encoded = bytes | Path | Image.Image
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoding:
    """Settings for decoding image files.

    Attributes
    ----------
    orientation : str
        ``"apply"`` turns an image upright by its EXIF orientation; ``"ignore"`` keeps it as stored.
    transparency : str
        ``"white"`` draws transparent images on white; ``"ignore"`` drops the transparency and keeps the stored colours,
        also of invisible pixels.
    channels : str
        ``"first"`` decodes all images like the first one, grey or colour; ``"3"`` decodes all images as colour.

    Raises
    ------
    DataError
        If a value is not one of these.
    """

    orientation: str = "apply"
    transparency: str = "white"
    channels: str = "first"

    hints: ClassVar[Mapping[str, str]] = {
        TURNED: "orientation=ignore takes them as stored",
        COMPOSITED: "transparency=ignore takes the colours as stored",
        GREY_FIRST: "channels=3 takes grey images as colour",
    }
    """Option that changes each default behaviour, by the note about this behaviour."""

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
    def from_address(cls, address: Address) -> Self:
        """Return the settings in an address, such as ``folder:photos?orientation=ignore``.

        Raises
        ------
        DataError
            If an option is not a setting for images.
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
    """Pixels of an image, uint8 ``(c, h, w)``, and the changes made to it: `TURNED`, `COMPOSITED`, `FIRST_FRAME`."""

    pixels: Pixels
    changes: tuple[str, ...]


def changes_line(changes: Mapping[str, int], n: int, hints: Mapping[str, str] = Decoding.hints) -> str:
    """Return one line with the changes made to n images, the number of images for each, and how to avoid them.

    >>> changes_line({FIRST_FRAME: 2}, 60)
    'of 60 images, 2 are read from the first of several frames or pages'
    """
    parts = [
        f"{count} are {change}" + (f" ({hints[change]})" if change in hints else "")
        for change, count in changes.items()
    ]
    return f"of {n} images, " + ", ".join(parts)


def decode(encoded: Encoded, channels: int | None = None, decoding: Decoding = Decoding()) -> Decoded:
    """Return the pixels of one image.

    Parameters
    ----------
    encoded : bytes, pathlib.Path or PIL.Image.Image
        Content of an image file, its path, or an open image.
    channels : int, optional
        Expected number of channels, 1 or 3; with 3, a grey image is decoded as colour. By default that of the image.
    decoding : Decoding
        Settings for orientation and transparency.

    Returns
    -------
    Decoded
        uint8 pixels ``(c, h, w)``, and the changes made.

    Raises
    ------
    ValueError
        If the image has more than 8 bits per channel, or colour where grey is expected. Errors of Pillow for damaged
        files are not converted.
    """
    if channels is None and decoding.channels == "3":
        channels = 3
    if isinstance(encoded, Image.Image):
        return _decode_image(encoded, channels, decoding)
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded, formats=FORMATS) as image:
        return _decode_image(image, channels, decoding)


def as_encoded(value: Any) -> Encoded | None:
    """Return an image in a form that :func:`decode` takes; None if `value` is not an image.

    Parameters
    ----------
    value : Any
        One of the forms that :func:`decode` takes; the Hub's dict of ``bytes`` and ``path``; or pixels, a uint8 tensor
        or array ``(c, h, w)``, ``(h, w, c)`` or ``(h, w)`` with 1 to 4 channels. If the order is ambiguous, tensors
        have channels first, arrays last.

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


def _decode_image(image: Image.Image, channels: int | None, decoding: Decoding) -> Decoded:
    if image.mode not in GREY + COLOUR or _is_deep(image):
        deep = " of 16 bits" if image.mode in GREY + COLOUR else ""
        raise ValueError(f"mode {image.mode!r}{deep} is not 8-bit grey or colour; convert it first")
    if channels == 1 and image.mode in COLOUR:
        raise ValueError(f"{GREY_FIRST}; {decoding.hints[GREY_FIRST]}")
    mode = "RGB" if channels == 3 or image.mode in COLOUR else "L"
    changes = []
    # Phones store previews after the photo, in the format MPO.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        changes.append(FIRST_FRAME)
    stored = _orientation(image)
    image.load()
    if decoding.orientation == "apply" and (turn := UPRIGHT.get(stored)) is not None:
        # Pillow rotates only TIFF files itself, when it loads them; these must not be rotated again.
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
    """Return whether the file has more than 8 bits per channel; Pillow silently drops the lower eight."""
    tiles: Iterable[tuple[str, Any, Any, Any]] = getattr(image, "tile", ())
    for kind, _, _, arguments in tiles:
        if ";16" in str(arguments) or (kind.startswith("ppm") and arguments[-1] > 255):
            return True
    return False


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF data make Pillow raise many kinds of errors
        return 1
