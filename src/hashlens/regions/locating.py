"""Locating: find the face of a mesh that each point lies in, compiled.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled


@compiled
def locate(where: Any, points: Any, corners: Any, starts: Any, zero: Any) -> Any:
    """Return the face of each point ``(n, 2)``, int64 ``(n,)``, or -1; of several, the one it is deepest in."""
    result = np.full(where.shape[0], -1, np.int64)
    depths = np.full(where.shape[0], -zero)
    for face in range(starts.size - 1):
        loop = corners[starts[face] : starts[face + 1]]
        low, high = points[loop[0]].copy(), points[loop[0]].copy()
        for vertex in loop[1:]:
            for axis in range(2):
                low[axis] = min(low[axis], points[vertex, axis])
                high[axis] = max(high[axis], points[vertex, axis])
        for i in range(where.shape[0]):
            x, y = where[i]
            if x < low[0] or x > high[0] or y < low[1] or y > high[1]:
                continue
            depth = np.inf
            for turn in range(loop.size):
                tail, head = points[loop[turn - 1]], points[loop[turn]]
                right, up = head[0] - tail[0], head[1] - tail[1]
                depth = min(depth, (right * (y - tail[1]) - up * (x - tail[0])) / np.hypot(right, up))
            if depth > depths[i]:
                result[i], depths[i] = face, depth
    return result
