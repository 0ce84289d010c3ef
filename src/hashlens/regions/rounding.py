"""Rounding: tolerances for zero.

Each unit has its own tolerance, so that one huge unit or bound of a layer does not hide the flips of the others. A unit
is a sum of terms, which may be larger than the sum, as may their rounding errors. So no tolerance is below that of the
median unit of the layer.
"""

from math import nan

import torch

Tensor = torch.Tensor
NOISE = 64
"""Rounding error of a number in a network, in machine epsilons of its largest magnitude."""
RESOLUTION = 1e-12
"""Smallest distance, as a share of the box or segment; in float32, `COARSE` machine epsilons."""
COARSE = 16
SAMPLE = 32
"""Number of units of a layer from which the median is taken."""


def tolerances(dtype: torch.dtype) -> tuple[float, float]:
    """Return the tolerance for zero, relative to the magnitude of a number, and the smallest distance, for a dtype."""
    epsilon = torch.finfo(dtype).eps
    return NOISE * epsilon, max(RESOLUTION, COARSE * epsilon)


def median_size(values: Tensor, reach: Tensor) -> Tensor:
    """Return the median of the largest magnitudes of the numbers that change, ``(rows,)``; 0 if none does.

    Parameters
    ----------
    values, reach : torch.Tensor
        ``(rows, numbers)``: value of each number in the middle or at the start, and its largest change from there, in
        either direction.
    """
    some = slice(None, None, 1 + values.shape[1] // SAMPLE)
    away = reach[:, some].abs()
    size = values[:, some].abs() + away
    moving = (away > 0) & torch.isfinite(size)
    if size.shape[1] == 0:
        return size.new_zeros(len(size))
    return torch.where(moving, size, nan).nanmedian(dim=1).values.nan_to_num(0.0)


def noise_of(values: Tensor, reach: Tensor, share: float) -> Tensor:
    """Return the tolerance of each number, ``(rows, numbers)``: `share` of its own or of the median magnitude."""
    size = torch.maximum(values.abs() + reach, median_size(values, reach)[:, None])
    return torch.where(torch.isfinite(size), share * size, 0.0)


def first_largest(values: Tensor, noise: Tensor) -> Tensor:
    """Return the index of the largest of the numbers ``(..., n)``, int64; the first of those within the noise."""
    best = values.argmax(-1, keepdim=True)
    least = values.gather(-1, best) - noise.gather(-1, best)
    return (values + noise >= least).byte().argmax(-1)
