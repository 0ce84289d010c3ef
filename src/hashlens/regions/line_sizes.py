"""Line sizes: how large the functions get whose zeros are lines, by which rounding is told from a sign; compiled."""

from typing import Any

import numpy as np

from hashlens.compiling import compiled

SAMPLE = 32
"""Lines of a row that the median is taken of."""
TRUST = 1e-9
"""A vertex is zero on the line that made it, up to this share of how large the unit gets: more is a jump."""


@compiled
def reach_of(across: Any, upward: Any, extent: Any) -> Any:
    """Return how far an affine function gets away from what it is in the middle."""
    return abs(across) * extent[0] + abs(upward) * extent[1]


@compiled
def _median(sizes: Any, count: Any) -> Any:
    """Return the median (the lower of two) of some numbers, which are sorted; 0 of none."""
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
    """Return how large the median function gets of those that move: less than its share is rounding in any of them."""
    count = 0
    for at in range(0, values.size, 1 + values.size // SAMPLE):
        reach = reach_of(across[at], upward[at], extent)
        # Shifted by a huge breakpoint, or back from it, a small number is lost: the smaller tells how large it is.
        size = reach + min(abs(values[at]), abs(values[at] + breakpoints[at % breakpoints.size]))
        if reach > 0 and size < np.inf:
            sizes[count] = size
            count += 1
    return _median(sizes, count)
