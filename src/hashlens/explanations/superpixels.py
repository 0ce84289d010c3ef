"""Superpixels, an image cut into patches of like colour; and signals cut into stretches of time."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.errors import ExplainError

Array = npt.NDArray[Any]
ROUNDS = 10
# Weight of the place against the colour: patches stay compact where the colour says little.
COMPACTNESS = 0.3


def superpixels(image: Array, count: int) -> Array:
    """Cut an image into about `count` patches, by k-means on colour and place.

    The centres start on a grid, so that nothing is drawn: the same image is always cut in the same way.

    Parameters
    ----------
    image : numpy.ndarray
        ``(c, h, w)``, any number of channels.
    count : int
        Patches wanted; a few may be lost on the way.

    Returns
    -------
    numpy.ndarray
        ``(h, w)`` int64: the patch of each pixel, from 0, none empty.

    References
    ----------
    R. Achanta et al., *SLIC superpixels compared to state-of-the-art superpixel methods*, PAMI 2012.
    """
    from scipy.spatial import cKDTree

    height, width = image.shape[1:]
    require_whole(ExplainError, "segments", count)
    if count > height * width:
        raise ExplainError(f"segments must be {height * width} or fewer, one for each pixel, received {count}")
    points = _points(image, count)
    centres = points[_grid(height, width, count)]
    for _ in range(ROUNDS):
        nearest = cKDTree(centres).query(points)[1]
        sizes = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, at, minlength=len(centres)) for at in points.T], axis=1)
        # A centre that no pixel is nearest to is dropped.
        centres = sums[sizes > 0] / sizes[sizes > 0, None]
    return _in_one_piece(cKDTree(centres).query(points)[1].reshape(height, width))


def stretches(shape: Sequence[int], count: int) -> Array:
    """Cut a signal into about `count` stretches of time of equal length, each channel by itself.

    Parameters
    ----------
    shape : sequence of int
        ``(c, l)`` or ``(l,)``.
    count : int
        Parts wanted, of all channels together.

    Returns
    -------
    numpy.ndarray
        ``shape`` int64: the part of each place, from 0.
    """
    require_whole(ExplainError, "segments", count)
    *channels, length = shape
    if count > prod(shape):
        raise ExplainError(f"segments must be {prod(shape)} or fewer, one for each place, received {count}")
    in_each = min(max(count // prod(channels), 1), length)
    times = np.arange(length) * in_each // length
    return (np.arange(prod(channels))[:, None] * in_each + times).reshape(shape)


def checked(features: Any, shape: Sequence[int]) -> Array:
    """Return given segments of that shape, numbered from 0 without gaps; those of time alone are of all channels."""
    given = np.asarray(features.cpu() if hasattr(features, "cpu") else features)
    whole = given.dtype.kind in "iu"
    if given.shape != tuple(shape) and not (whole and len(shape) == 2 and given.shape == tuple(shape[1:])):
        whole = False
    if not whole:
        raise ExplainError(
            f"features must be segments, whole numbers ({', '.join(map(str, shape))}), one for each place, received "
            f"{given.dtype} {given.shape}"
        )
    return _numbered(np.broadcast_to(given, shape))


def _points(image: Array, count: int) -> Array:
    """Return ``(h * w, c + 2)``: colours from 0 to 1, and places in units of the distance between centres."""
    channels, height, width = image.shape
    low, high = image.min(), image.max()
    colour = (image - low) / (high - low) if high > low else np.zeros_like(image)
    spacing = np.sqrt(height * width / count)
    places = np.indices((height, width)) * (COMPACTNESS / spacing)
    return np.concatenate([colour / np.sqrt(channels), places]).reshape(channels + 2, -1).T.astype(np.float64)


def _grid(height: int, width: int, count: int) -> Array:
    """Return `count` pixels, spread evenly in rows that hold one more or one fewer."""
    rows = min(height, count, max(1, round(float(np.sqrt(count * height / width)))))
    rows = max(rows, -(-count // width))
    found = []
    for row, columns in enumerate(np.diff(np.linspace(0, count, rows + 1).round().astype(int))):
        down = int((row + 0.5) * height / rows)
        found += [down * width + int((column + 0.5) * width / columns) for column in range(columns)]
    return np.array(found)


def _in_one_piece(segments: Array) -> Array:
    """Keep the largest piece of each segment; pixels of other pieces go to the segment nearest to them."""
    from scipy.ndimage import distance_transform_edt, find_objects, label

    stray = np.zeros(segments.shape, dtype=bool)
    for number, box in enumerate(find_objects(segments + 1)):
        if box is None:
            continue
        pieces, found = label(segments[box] == number)
        if found > 1:
            largest = np.bincount(pieces[pieces > 0]).argmax()
            stray[box] |= (pieces > 0) & (pieces != largest)
    if stray.any():
        places = distance_transform_edt(stray, return_distances=False, return_indices=True)
        segments = segments[tuple(places)]
    return _numbered(segments)


def _numbered(segments: Array) -> Array:
    return np.unique(segments, return_inverse=True)[1].reshape(segments.shape).astype(np.int64)
