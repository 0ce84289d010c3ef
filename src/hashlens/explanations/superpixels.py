"""Superpixels, which divide an image into patches of similar colour, and intervals of time of signals."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.errors import ExplainError, MissingExtraError

Array = npt.NDArray[Any]
COMPACTNESS = 0.3
"""Weight of position against colour, for colours from 0 to 1: patches stay compact where colours are similar."""


def superpixels(image: Array, count: int) -> Array:
    """Divide an image into about `count` patches of similar colour, by scikit-image's SLIC.

    SLIC is K-Means on colour and position with centres that start on a grid. Nothing is random: the same image always
    gives the same patches. The parameters: ``n_segments`` is `count`; colours are scaled to 0 to 1 and compared without
    conversion (``convert2lab=False``), since images may have any number of channels; ``compactness`` is 0.3 times the
    square root of the number of channels, since SLIC sums over channels; ``sigma`` is 0 (no smoothing); there are 10
    iterations; patches are connected, and pieces of less than half of the mean size are merged with a neighbour.

    Parameters
    ----------
    image : numpy.ndarray
        ``(c, h, w)``, with any number of channels.
    count : int
        Requested number of patches. The result may have more or fewer, since the grid has a whole number of rows and
        columns, and small patches are merged.

    Returns
    -------
    numpy.ndarray
        ``(h, w)`` int64: the patch of each pixel, from 0, none empty.

    Raises
    ------
    MissingExtraError
        If scikit-image is not installed.

    References
    ----------
    R. Achanta et al., *SLIC superpixels compared to state-of-the-art superpixel methods*, PAMI 2012.
    """
    height, width = image.shape[1:]
    require_whole(ExplainError, "segments", count)
    if count > height * width:
        raise ExplainError(f"segments must be {height * width} or fewer, one for each pixel, received {count}")
    try:
        from skimage.segmentation import slic
    except ImportError:
        raise MissingExtraError("scikit-image", "explanations", "an image that is cut into superpixels") from None
    compactness = COMPACTNESS * np.sqrt(len(image))
    result = slic(image, count, compactness, convert2lab=False, start_label=0, channel_axis=0)
    return result.astype(np.int64, copy=False)  # type: ignore[no-any-return]


def time_segments(shape: Sequence[int], count: int) -> Array:
    """Divide a signal into about `count` intervals of time of equal length, each channel separately.

    Parameters
    ----------
    shape : sequence of int
        Shape of the signal, ``(c, l)`` or ``(l,)``.
    count : int
        Requested number of parts, of all channels together.

    Returns
    -------
    numpy.ndarray
        ``shape`` int64: the part of each position, from 0.
    """
    require_whole(ExplainError, "segments", count)
    *channels, length = shape
    if count > prod(shape):
        raise ExplainError(f"segments must be {prod(shape)} or fewer, one for each position, received {count}")
    in_each = min(max(count // prod(channels), 1), length)
    times = np.arange(length) * in_each // length
    return (np.arange(prod(channels))[:, None] * in_each + times).reshape(shape)


def checked_segments(features: Any, shape: Sequence[int]) -> Array:
    """Return segments in this shape, numbered from 0 without gaps; segments of time alone apply to all channels."""
    segments = np.asarray(features.cpu() if hasattr(features, "cpu") else features)
    whole = segments.dtype.kind in "iu"
    if segments.shape != tuple(shape) and not (whole and len(shape) == 2 and segments.shape == tuple(shape[1:])):
        whole = False
    if not whole:
        raise ExplainError(
            f"features must be segments, whole numbers ({', '.join(map(str, shape))}), one for each "
            f"position, received {segments.dtype} {segments.shape}"
        )
    return _number(np.broadcast_to(segments, shape))


def _number(segments: Array) -> Array:
    return np.unique(segments, return_inverse=True)[1].reshape(segments.shape).astype(np.int64)
