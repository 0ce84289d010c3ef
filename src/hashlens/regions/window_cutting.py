"""Window cutting: cut faces where the largest of a window of affine functions changes, for max-pools; compiled.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled
from hashlens.regions.half_edges import cut, extended, outline, with_room
from hashlens.regions.line_sizes import SAMPLE, TRUST, median_size, reach_of


@compiled
def _pair_size(one: Any, other: Any, values: Any, across: Any, upward: Any, floor: Any, extent: Any) -> Any:
    """Return the largest magnitude of two elements of a window."""
    first = abs(values[one]) + reach_of(across[one], upward[one], extent)
    second = abs(values[other]) + reach_of(across[other], upward[other], extent)
    return max(first, floor) + max(second, floor)


@compiled
def _rivals(
    window: Any, values: Any, across: Any, upward: Any, corners: Any, count: Any, noise: Any, floor: Any, extent: Any,
    winners: Any,
) -> Any:  # fmt: skip
    """Return two elements of a window that each win at some corner of a face; -1 if one wins at all corners.

    Elements that win at no corner can be ignored: the face is cut where the two winners are equal, and an element that
    wins between them then wins at a new corner.
    """
    elements = values.shape[1]
    for i in range(count):
        best = -np.inf
        for element in range(elements):
            z = values[window, element] + across[window, element] * corners[i, 0]
            z += upward[window, element] * corners[i, 1]
            if z > best:
                best, winners[i, 0] = z, element
    for i in range(count):
        for j in range(i + 1, count):
            one, other = winners[i, 0], winners[j, 0]
            if one == other:
                continue
            height = values[window, one] - values[window, other]
            right, up = across[window, one] - across[window, other], upward[window, one] - upward[window, other]
            here = height + right * corners[i, 0] + up * corners[i, 1]
            there = height + right * corners[j, 0] + up * corners[j, 1]
            tolerance = noise * _pair_size(one, other, values[window], across[window], upward[window], floor, extent)
            if here > tolerance and there < -tolerance:
                return one, other
    return -1, -1


@compiled
def cut_windows(
    faces: Any, values: Any, across: Any, upward: Any, breakpoints: Any, label: Any, noise: Any, resolution: Any,
    extent: Any, points: Any, born: Any, half: Any, first: Any, counts: Any,
) -> Any:  # fmt: skip
    """Cut faces where the winner of a window changes; `values` is ``(rows, windows, elements)``, else as `cut_lines`.

    A cut between two elements crosses the whole face, also where a third element wins: parts may have the same winners.
    """
    windows, elements = values.shape[1:]
    parents, parts, result = np.empty((2 * faces.size, 1), np.int64), np.empty((2 * faces.size, 1), np.int64), 0
    loop, corners, heights = np.empty((64, 2), np.int64), np.empty((64, 2)), np.empty((64, 1))
    winners = np.empty((64, 1), np.int64)
    waiting, begun = np.empty((64, 1), np.int64), np.empty((64, 1), np.int64)
    line, sizes = np.empty(3), np.empty(SAMPLE + 1)
    for row in range(faces.size):
        floor = median_size(values[row].ravel(), across[row].ravel(), upward[row].ravel(), breakpoints, extent, sizes)
        waiting[0, 0], begun[0, 0], depth = faces[row], 0, 1
        while depth > 0:
            face, window = waiting[depth - 1, 0], begun[depth - 1, 0]
            loop, corners, count = outline(face, half, first, points, loop, corners)
            if count > heights.shape[0]:
                heights, winners = np.empty((loop.shape[0], 1)), np.empty((loop.shape[0], 1), np.int64)
            new = np.int64(-1)
            while window < windows:
                one, other = _rivals(
                    window, values[row], across[row], upward[row], corners, count, noise, floor, extent, winners
                )
                if one >= 0:
                    line[0] = values[row, window, one] - values[row, window, other]
                    line[1] = across[row, window, one] - across[row, window, other]
                    line[2] = upward[row, window, one] - upward[row, window, other]
                    name = label + (window * elements + min(one, other)) * elements + max(one, other)
                    size = _pair_size(
                        one, other, values[row, window], across[row, window], upward[row, window], floor, extent
                    )
                    zero = max(noise * size, resolution * reach_of(line[1], line[2], extent))
                    points, born, half, first = with_room(points, born, half, first, counts)
                    new = cut(
                        face, line, name, zero, TRUST * size,
                        points, born, half, first, counts, loop, corners, count, heights,
                    )  # fmt: skip
                    if new >= 0:
                        break
                window += 1
            if new < 0:
                if result == parts.shape[0]:
                    parents, parts = extended(parents, 0), extended(parts, 0)
                parents[result, 0], parts[result, 0] = row, face
                result, depth = result + 1, depth - 1
                continue
            if depth == waiting.shape[0]:
                waiting, begun = extended(waiting, 0), extended(begun, 0)
            # All windows before this one have a single winner on the face, so both parts continue with this one.
            begun[depth - 1, 0] = window
            waiting[depth, 0], begun[depth, 0] = new, window
            depth += 1
    return parents, parts, result, points, born, half, first
