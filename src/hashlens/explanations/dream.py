"""Deep dream: amplify the patterns that a layer responds to in an image."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import ExplainError
from hashlens.explanations.ascent import ascend, input_range_of, layer_output, require_in_range, shifts_of
from hashlens.explanations.explain import as_array, explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.maximize import batches, channels_of
from hashlens.explanations.places import Place, place_of
from hashlens.explanations.request import Request

Tensor = torch.Tensor
SMALLEST = 8
"""Smallest number of pixels of the shorter side of an octave."""


def deep_dream(
    request: Request,
    channels: int | Sequence[int] | None = None,
    octaves: int = 3,
    octave_scale: float = 1.4,
    steps: int = 20,
    step_size: float = 0.04,
    total_variation: float = 0.1,
    jitter: int | None = None,
    bounds: Sequence[float] | None = None,
) -> Explanation:
    """Amplify in images the patterns that a layer responds to (Mordvintsev, Olah, Tyka, 2015).

    The mean square of the output of ``layer``, by default the last layer with spatial maps, is increased by gradient
    ascent: first on small copies of the image, then on larger ones up to its size (octaves). The change made at one
    size is carried over to the next.

    ``image`` holds the result, ``values`` the change of ``x``. ``diagnostics`` holds the mean square before and after.

    Parameters
    ----------
    request : Request
        The images and the network, and shared options.
    channels : int or sequence of int, optional
        Channels of the layer; by default all.
    octaves : int
        Number of image sizes. A network that accepts only one image size needs 1.
    octave_scale : float
        Ratio of each size to the one before.
    steps : int
        Number of steps at each size.
    step_size : float
        Size of the first step, as a share of the range.
    total_variation : float
        Weight of the penalty for roughness.
    jitter : int, optional
        Largest random shift of images between steps, in pixels; by default an eighth of the shorter side.
    bounds : (float, float), optional
        Range of the images; by default that of ``background`` or ``x``.
    """
    for name, value in (("octaves", octaves), ("steps", steps)):
        require_whole(ExplainError, name, value)
    require_in_range(step_size=step_size, total_variation=total_variation)
    if not is_number(octave_scale) or not 1 < octave_scale <= 8:
        raise ExplainError(f"octave_scale must be a number above 1, up to 8, received {excerpt(octave_scale)}")
    x, input_range = request.inputs, input_range_of(request, bounds)
    jitter = min(x.shape[2:]) // 8 if jitter is None else jitter
    require_whole(ExplainError, "jitter", jitter, least=0)
    place = place_of(request)
    chosen = _channels(request, place, channels)
    shifts = shifts_of(request, steps, jitter)

    def seen(images: Tensor) -> Tensor:
        result = layer_output(request, place, images)
        return (result if chosen is None else result[:, chosen]).flatten(1).square().mean(dim=1)

    def ascend_images(images: Tensor) -> Tensor:
        return torch.cat([
            ascend(lambda at: seen(at).sum(), images[rows], input_range, steps=steps, step_size=step_size,
                   smoothness=total_variation, smallness=0.0, shifts=shifts) for rows in batches(request, len(images))
        ])  # fmt: skip

    sizes = _sizes(tuple(x.shape[2:]), octaves, octave_scale)
    added = torch.zeros_like(x)
    for size in sizes:
        small = _resize(x, size)
        added = ascend_images(input_range.clamp(small + _resize(added, size))) - small
    result_images = input_range.clamp(x + added)
    with torch.no_grad():
        before, after = (
            torch.cat([seen(pictures[rows]) for rows in batches(request, len(pictures))]).tolist()
            for pictures in (x, result_images)
        )
    diagnostics = {"layer": place.name, "octaves": len(sizes), "mean_square": list_or_value(after),
            "mean_square_at_start": list_or_value(before)}  # fmt: skip
    return explained(request, "deep_dream", result_images - x, image=as_array(result_images), diagnostics=diagnostics)


def _channels(request: Request, place: Place, channels: int | Sequence[int] | None) -> list[int] | None:
    if channels is None:
        return None
    with torch.no_grad():
        result = layer_output(request, place, request.inputs[:1])
    return channels_of(channels, place.name, result.shape[1])


def _sizes(size: tuple[int, ...], octaves: int, scale: float) -> list[tuple[int, ...]]:
    """Return sizes from the smallest octave to that of the image; sizes that are too small are left out."""
    sizes = [tuple(round(side / scale**octave) for side in size) for octave in range(octaves)]
    return [octave for octave in reversed(sizes) if min(octave) >= min(SMALLEST, *size)]


def _resize(images: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
