"""Rounding: how small a number may be to count as zero.

It serves the exact regions of a network on a box, along a segment and on a polygon. Each unit has its own tolerance, so
that one unit with huge values does not make the tolerance too large to see other units switch. The terms of a sum, and
so its rounding error, can be larger than the sum itself. Hence a unit near zero gets at least the tolerance of the
layer's median unit.
"""

from math import nan

import torch

Tensor = torch.Tensor
NOISE = 64
"""Assumed rounding error of a number, divided by (largest magnitude x machine epsilon)."""
RESOLUTION = 1e-12
"""Smallest distance that counts, in float64.

On a segment: between two points where units switch, or between such a point and an end, relative to the segment. On a
box: between a vertex and a line where a unit switches, relative to the box.
"""
RESOLUTION_EPSILONS = 16
"""Smallest distance that counts, in machine epsilons, where this is more than `RESOLUTION`, as in float32."""
SAMPLE = 32
"""Largest number of units of a layer from which the median is taken."""


def tolerances(dtype: torch.dtype) -> tuple[float, float]:
    """Return (relative tolerance for zero, smallest relative distance) for a dtype."""
    epsilon = torch.finfo(dtype).eps
    return NOISE * epsilon, max(RESOLUTION, RESOLUTION_EPSILONS * epsilon)


def median_magnitude(values: Tensor, reach: Tensor) -> Tensor:
    """Return the median of the largest magnitudes of the numbers that change, ``(rows,)``; 0 if none does.

    The median is of at most `SAMPLE` of the numbers in a row.

    Parameters
    ----------
    values, reach : torch.Tensor
        ``(rows, numbers)``: value of each number in the middle of the box or at the start of the segment, and the
        largest difference from this value elsewhere in the box or on the segment.
    """
    sampled = slice(None, None, 1 + values.shape[1] // SAMPLE)
    sampled_reach = reach[:, sampled].abs()
    magnitude = values[:, sampled].abs() + sampled_reach
    moving = (sampled_reach > 0) & torch.isfinite(magnitude)
    if magnitude.shape[1] == 0:
        return magnitude.new_zeros(len(magnitude))
    return torch.where(moving, magnitude, nan).nanmedian(dim=1).values.nan_to_num(0.0)


def noise_of(values: Tensor, reach: Tensor, share: float) -> Tensor:
    """Return the tolerance of each number, ``(rows, numbers)``; parameters as in :func:`median_magnitude`.

    It is `share` times the larger of two magnitudes: the largest of the number itself, and the median of its row. It is
    0 where this is infinite.
    """
    magnitude = torch.maximum(values.abs() + reach, median_magnitude(values, reach)[:, None])
    return torch.where(torch.isfinite(magnitude), share * magnitude, 0.0)


def first_largest(values: Tensor, noise: Tensor) -> Tensor:
    """Return the index of the first number that equals the largest up to noise, of numbers ``(..., n)``; int64."""
    best = values.argmax(-1, keepdim=True)
    least = values.gather(-1, best) - noise.gather(-1, best)
    return (values + noise >= least).byte().argmax(-1)
