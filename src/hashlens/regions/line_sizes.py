"""Line sizes: the magnitudes of affine functions on the box, to distinguish a sign from rounding; compiled."""

from typing import Any

import numpy as np

from hashlens.compiling import compiled

SAMPLE = 32
"""Number of lines of a row from which the median is taken."""
TRUST = 1e-9
"""Largest value of a unit, relative to its magnitude, at a vertex on its own line; a larger value is a jump."""


@compiled
def reach_of(across: Any, upward: Any, extent: Any) -> Any:
    """Return the largest difference of an affine function from its value in the middle."""
    return abs(across) * extent[0] + abs(upward) * extent[1]


@compiled
def _median(sizes: Any, count: Any) -> Any:
    """Return the median (the lower of two) of some numbers, sorting them in place; 0 if there are none."""
    if count == 0:
        return 0.0
    for i in range(1, count):
        size, at = sizes[i], i
        while at > 0 and sizes[at - 1] > size:
            sizes[at] = sizes[at - 1]
            at -= 1
        sizes[at] = size
    return sizes[(count - 1) // 2]


@compiled
def median_size(values: Any, across: Any, upward: Any, breakpoints: Any, extent: Any, sizes: Any) -> Any:
    """Return the median magnitude of the functions that are not constant, the scale of rounding errors of all."""
    count = 0
    for start in range(0, values.size, 1 + values.size // SAMPLE):
        reach = reach_of(across[start], upward[start], extent)
        # A huge breakpoint hides the size of a small number, so the smaller of both magnitudes counts.
        size = reach + min(abs(values[start]), abs(values[start] + breakpoints[start % breakpoints.size]))
        if reach > 0 and size < np.inf:
            sizes[count] = size
            count += 1
    return _median(sizes, count)
