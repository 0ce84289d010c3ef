"""Boundary lines of a chart: contours where a quantity over two axes crosses a threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.result import Result

Polyline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Boundary(Result):
    """Contour where a quantity crosses a threshold, interpolated between the cells of a chart.

    Attributes
    ----------
    name : str
        Name of the threshold, as in :class:`~hashlens.measures.RegimeThresholds`.
    threshold : float
        Value of the threshold.
    lines : tuple of polylines
        Points (x, y) in the units of the axes; empty if there is no crossing.
    low, high : tuple of polylines
        Contours of the lower and upper bounds of the cells' intervals (or ranges of repeats): bounds of the line.
    """

    name: str
    threshold: float
    lines: tuple[Polyline, ...]
    low: tuple[Polyline, ...]
    high: tuple[Polyline, ...]


def level_at(positions: npt.ArrayLike, levels: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the values at fractional positions between levels: geometric between positive levels, else linear.

    >>> level_at([0.5, 1.5], [0, 1, 4]).tolist()
    [0.5, 2.0]
    """
    fractions = np.asarray(positions, np.float64)
    values = np.asarray(levels, np.float64)
    lower = np.clip(np.floor(fractions).astype(np.int64), 0, len(values) - 2)
    part, low, high = fractions - lower, values[lower], values[lower + 1]
    positive = low > 0
    geometric = np.where(positive, low, 1.0) * (high / np.where(positive, low, 1.0)) ** part
    return np.where(positive, geometric, low + part * (high - low))


def position_of(values: npt.ArrayLike, levels: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the fractional positions of values between levels: the inverse of :func:`level_at`.

    >>> position_of([0.5, 2.0], [0, 1, 4]).tolist()
    [0.5, 1.5]
    """
    targets = np.asarray(values, np.float64)
    known = np.asarray(levels, np.float64)
    left = np.clip(np.searchsorted(known, targets, side="right") - 1, 0, len(known) - 2)
    low, high = known[left], known[left + 1]
    positive = low > 0
    base = np.where(positive, low, 1.0)
    geometric = np.log(np.where(positive, targets, 1.0) / base) / np.log(np.where(positive, high / base, 2.0))
    return np.where(positive, geometric, (targets - low) / (high - low)) + left.astype(np.float64)


def crossings(
    surface: npt.NDArray[np.float64], threshold: float, x_levels: Sequence[float], y_levels: Sequence[float]
) -> tuple[Polyline, ...]:
    """Return the polylines along which a surface crosses a threshold.

    Parameters
    ----------
    surface : array of float
        ``(len(x_levels), len(y_levels))``: value of each cell; lines avoid cells that are NaN.
    threshold : float
        Threshold of the surface, which is interpolated linearly between neighbouring cells.
    x_levels, y_levels : sequence of float
        Increasing levels of the axes. Points between positive levels are interpolated in the logarithm.
    """
    from contourpy import LineType, contour_generator

    z = np.ma.masked_invalid(surface.T)
    polylines = contour_generator(z=z, line_type=LineType.Separate, corner_mask=True).lines(threshold)
    lines = [np.asarray(points, np.float64) for points in polylines]
    return tuple(
        tuple(zip(level_at(line[:, 0], x_levels).tolist(), level_at(line[:, 1], y_levels).tolist(), strict=True))
        for line in lines
    )
