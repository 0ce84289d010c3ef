"""Cutting: cut convex faces along straight lines, in one compiled loop over all faces of a mesh.

Every face has its own lines, since the network is a different affine map on each. So that two faces agree on the edge
between them, a vertex stores the line that created it, and counts as zero on that line for both faces.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled
from hashlens.regions.half_edges import cut, extended, outline, with_room
from hashlens.regions.line_sizes import SAMPLE, TRUST, median_size, reach_of


@compiled
def _crosses(line: Any, corners: Any, count: Any, tolerance: Any) -> Any:
    """Return whether a line has corners of a face on both sides."""
    low = high = line[0] + line[1] * corners[0, 0] + line[2] * corners[0, 1]
    for i in range(1, count):
        z = line[0] + line[1] * corners[i, 0] + line[2] * corners[i, 1]
        low, high = min(low, z), max(high, z)
    return low < -tolerance and high > tolerance


@compiled
def cut_lines(
    faces: Any, values: Any, across: Any, upward: Any, breakpoints: Any, label: Any, noise: Any, resolution: Any,
    extent: Any, points: Any, born: Any, half: Any, first: Any, counts: Any,
) -> Any:  # fmt: skip
    """Cut each face along its own lines ``value + s * across + t * upward = 0``.

    Parameters
    ----------
    faces : numpy.ndarray
        int64 ``(rows,)``: indices of the faces.
    values, across, upward : numpy.ndarray
        float64 ``(rows, lines)``: coefficients. Lines with coefficients that are not finite are ignored.
    breakpoints : numpy.ndarray
        float64 ``(lines,)``: breakpoints that were subtracted from the values, for the size of rounding errors.
    label : int
        Number of the first line; it and the numbers after it were not used by other calls.
    noise, resolution : float
        Tolerances: rounding of a value, as a share of its own or of the median magnitude in its row; and the smallest
        distance, as a share of the extent.
    extent : numpy.ndarray
        float64 ``(2,)``: largest magnitudes of s and t.
    points, born, half, first, counts : numpy.ndarray
        Arrays of the mesh, which are changed.

    Returns
    -------
    tuple
        Row and face of each part, int64 ``(parts, 1)`` each, the number of parts, and the arrays of the mesh, which may
        be longer.
    """
    lines = values.shape[1]
    parents, parts, result = np.empty((2 * faces.size, 1), np.int64), np.empty((2 * faces.size, 1), np.int64), 0
    loop, corners, heights = np.empty((64, 2), np.int64), np.empty((64, 2)), np.empty((64, 1))
    waiting, spans, pending = (
        np.empty((64, 1), np.int64),
        np.empty((64, 2), np.int64),
        np.empty((4 * lines, 1), np.int64),
    )
    line, sizes, zeros = np.empty(3), np.empty(SAMPLE + 1), np.empty((lines, 2))
    for row in range(faces.size):
        floor = median_size(values[row], across[row], upward[row], breakpoints, extent, sizes)
        live = 0
        for i in range(lines):
            reach = reach_of(across[row, i], upward[row, i], extent)
            if abs(values[row, i]) < reach < np.inf:  # otherwise it is outside the box, or does not exist
                size = max(abs(values[row, i]) + 2 * abs(breakpoints[i]) + reach, floor)
                zeros[i, 0], zeros[i, 1] = max(noise * size, resolution * reach), TRUST * size
                pending[live, 0] = i
                live += 1
        waiting[0, 0], spans[0, 0], spans[0, 1], depth = faces[row], 0, live, 1
        while depth > 0:
            face, start, stop = waiting[depth - 1, 0], spans[depth - 1, 0], spans[depth - 1, 1]
            loop, corners, count = outline(face, half, first, points, loop, corners)
            if count > heights.shape[0]:
                heights = np.empty((loop.shape[0], 1))
            kept = start
            for i in range(start, stop):
                which = pending[i, 0]
                line[0], line[1], line[2] = values[row, which], across[row, which], upward[row, which]
                if _crosses(line, corners, count, zeros[which, 0]):
                    pending[kept, 0] = which
                    kept += 1
            new = np.int64(-1)
            while new < 0 and kept > start:
                # The middle line first: neighbours in a layer may be nearly parallel, and would cut off thin slices.
                middle = (start + kept) // 2
                which, kept = pending[middle, 0], kept - 1
                pending[middle, 0] = pending[kept, 0]
                line[0], line[1], line[2] = values[row, which], across[row, which], upward[row, which]
                points, born, half, first = with_room(points, born, half, first, counts)
                new = cut(
                    face, line, label + which, zeros[which, 0], zeros[which, 1],
                    points, born, half, first, counts, loop, corners, count, heights,
                )  # fmt: skip
            if new < 0:
                if result == parts.shape[0]:
                    parents, parts = extended(parents, 0), extended(parts, 0)
                parents[result, 0], parts[result, 0] = row, face
                result, depth = result + 1, depth - 1
                continue
            left = kept - start
            if kept + left > pending.shape[0]:
                pending = extended(pending, kept + left)
            if depth == waiting.shape[0]:
                waiting, spans = extended(waiting, 0), extended(spans, 0)
            pending[kept : kept + left] = pending[start:kept]
            spans[depth - 1, 1] = kept
            waiting[depth, 0], spans[depth, 0], spans[depth, 1] = new, kept, kept + left
            depth += 1
    return parents, parts, result, points, born, half, first
