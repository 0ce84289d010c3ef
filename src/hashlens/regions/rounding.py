"""Rounding: what counts as zero.

A unit has a tolerance of its own: one unit or bound of a layer that is huge must not hide where the others flip. What a
unit is computed from may be larger than the unit, and its rounding with it, so that no tolerance is below that of the
median unit of the layer.
"""

from math import nan

import torch

Tensor = torch.Tensor
NOISE = 64
"""Rounding of a number in a network, in machine epsilons of how large it gets."""
RESOLUTION = 1e-12
"""What is no distance, as a share of the box or segment; in float32, `COARSE` machine epsilons."""
COARSE = 16
SAMPLE = 32
"""Numbers of a layer that the median is taken of."""


def tolerances(dtype: torch.dtype) -> tuple[float, float]:
    """Return what is zero as a share of how large a number gets, and what is no distance, for work in `dtype`."""
    epsilon = torch.finfo(dtype).eps
    return NOISE * epsilon, max(RESOLUTION, COARSE * epsilon)


def median_size(values: Tensor, reach: Tensor) -> Tensor:
    """Return how large the median number gets of those that move, ``(rows,)``; 0 where none does.

    Parameters
    ----------
    values, reach : torch.Tensor
        ``(rows, numbers)``: what numbers are in the middle or at the start, and how far they move from there at
        most, either way.
    """
    some = slice(None, None, 1 + values.shape[1] // SAMPLE)
    away = reach[:, some].abs()
    size = values[:, some].abs() + away
    moving = (away > 0) & torch.isfinite(size)
    if size.shape[1] == 0:
        return size.new_zeros(len(size))
    return torch.where(moving, size, nan).nanmedian(dim=1).values.nan_to_num(0.0)


def noise_of(values: Tensor, reach: Tensor, share: float) -> Tensor:
    """Return what is zero beside each number, ``(rows, numbers)``: `share` of how large it or the median one gets."""
    size = torch.maximum(values.abs() + reach, median_size(values, reach)[:, None])
    return torch.where(torch.isfinite(size), share * size, 0.0)


def first_largest(values: Tensor, noise: Tensor) -> Tensor:
    """Return which of the numbers ``(..., n)`` is the largest, int64; the first of those that are within the noise."""
    best = values.argmax(-1, keepdim=True)
    least = values.gather(-1, best) - noise.gather(-1, best)
    return (values + noise >= least).byte().argmax(-1)
