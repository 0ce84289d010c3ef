"""Cutting: straight lines through convex faces, one compiled loop over all faces of a mesh.

A mesh is a planar subdivision in half-edges: each edge is two half-edges, one for the face at either side, which know
their successor around the face, their twin, their face and the vertex that they leave. Both moves of a cut (a vertex
on an edge, an edge through a face) keep it whole, whatever rounding does: V - E + F stays 1.

Every face brings its own lines, since a network is another affine map on each. So that two faces agree on the edge
between them, a vertex remembers the line that made it and is zero on that line from both sides, without a second look.

Importing this module imports numba; compiled code is kept beside the source, or in the user's cache folder.
"""

from typing import Any

import numba
import numpy as np

NEXT, TWIN, FACE, TAIL = 0, 1, 2, 3
"""Columns of a half-edge."""
VERTICES, HALVES, FACES = 0, 1, 2
"""What the counts of a mesh count."""
TRUST = 1e-9
"""A vertex is zero on the line that made it, up to this share of how large the unit gets: more is a jump."""
SAMPLE = 32
"""Lines of a row that the median is taken of."""


def _compiled(function: Any) -> Any:
    return numba.njit(nogil=True, error_model="numpy", cache=True)(function)


@_compiled
def _longer(rows: Any, least: Any) -> Any:
    """Return `rows` with room for at least `least`."""
    room = max(2 * rows.shape[0], least)
    grown = np.empty((room, rows.shape[1]), rows.dtype)
    grown[: rows.shape[0]] = rows
    return grown


@_compiled
def _outline(face: Any, half: Any, first: Any, points: Any, loop: Any, corners: Any) -> Any:
    """Write the half-edges and corners of a face; return them, in longer arrays if needed, and how many."""
    count = 0
    at = first[face, 0]
    while True:
        if count == loop.shape[0]:
            loop, corners = _longer(loop, 0), _longer(corners, 0)
        vertex = half[at, TAIL]
        loop[count, 0] = at
        loop[count, 1] = vertex
        corners[count, 0] = points[vertex, 0]
        corners[count, 1] = points[vertex, 1]
        count += 1
        at = half[at, NEXT]
        if at == first[face, 0]:
            return loop, corners, count


@_compiled
def _crosses(line: Any, corners: Any, count: Any, tolerance: Any) -> Any:
    """Return whether a line has corners of a face on both sides."""
    low = high = line[0] + line[1] * corners[0, 0] + line[2] * corners[0, 1]
    for i in range(1, count):
        z = line[0] + line[1] * corners[i, 0] + line[2] * corners[i, 1]
        low, high = min(low, z), max(high, z)
    return low < -tolerance and high > tolerance


@_compiled
def _reach(across: Any, upward: Any, extent: Any) -> Any:
    """Return how far an affine function gets away from what it is in the middle."""
    return abs(across) * extent[0] + abs(upward) * extent[1]


@_compiled
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


@_compiled
def _median_size(values: Any, across: Any, upward: Any, breakpoints: Any, extent: Any, sizes: Any) -> Any:
    """Return how large the median function gets of those that move: less than its share is rounding in any of them."""
    count = 0
    for at in range(0, values.size, 1 + values.size // SAMPLE):
        reach = _reach(across[at], upward[at], extent)
        # Shifted by a huge breakpoint, or back from it, a small number is lost: the smaller tells how large it is.
        size = reach + min(abs(values[at]), abs(values[at] + breakpoints[at % breakpoints.size]))
        if reach > 0 and size < np.inf:
            sizes[count] = size
            count += 1
    return _median(sizes, count)


@_compiled
def _insert(edge: Any, vertex: Any, half: Any, halves: Any) -> None:
    """Put a vertex on an edge: half-edges ``halves`` and ``halves + 1`` are the parts behind it, on both sides."""
    twin = half[edge, TWIN]
    ahead, back = halves, halves + 1
    half[ahead, TAIL] = half[back, TAIL] = vertex
    half[ahead, NEXT], half[back, NEXT] = half[edge, NEXT], half[twin, NEXT]
    half[ahead, FACE], half[back, FACE] = half[edge, FACE], half[twin, FACE]
    half[edge, NEXT], half[twin, NEXT] = ahead, back
    half[edge, TWIN], half[back, TWIN] = back, edge
    half[ahead, TWIN], half[twin, TWIN] = twin, ahead


@_compiled
def _split(before_p: Any, before_q: Any, half: Any, halves: Any, face: Any) -> None:
    """Join the heads of two half-edges of a face by an edge; what lies from p to q becomes `face`."""
    old = half[before_p, FACE]
    p, q = half[half[before_p, NEXT], TAIL], half[half[before_q, NEXT], TAIL]
    there, back = halves, halves + 1
    half[there, TAIL], half[back, TAIL] = p, q
    half[there, NEXT], half[back, NEXT] = half[before_q, NEXT], half[before_p, NEXT]
    half[there, TWIN], half[back, TWIN] = back, there
    half[before_p, NEXT], half[before_q, NEXT] = there, back
    half[there, FACE] = old
    at = back
    while True:
        half[at, FACE] = face
        at = half[at, NEXT]
        if at == back:
            return


@_compiled
def _turn(heights: Any, count: Any, sign: Any) -> Any:
    """Return the last corner of that sign in front of the other sign, around the face."""
    for i in range(count):
        if sign * heights[i, 0] > 0:
            j = (i + 1) % count
            while heights[j, 0] == 0:
                j = (j + 1) % count
            if sign * heights[j, 0] < 0:
                return i
    return -1


@_compiled
def _meet(
    i: Any, label: Any, points: Any, born: Any, half: Any, counts: Any, loop: Any, corners: Any, count: Any,
    heights: Any,
) -> Any:  # fmt: skip
    """Make sure that the edge from corner i ends on the line, and return it."""
    j = (i + 1) % count
    at = loop[i, 0]
    if heights[j, 0] != 0:
        share = heights[i, 0] / (heights[i, 0] - heights[j, 0])
        vertex = counts[VERTICES]
        for axis in range(2):
            points[vertex, axis] = corners[i, axis] + share * (corners[j, axis] - corners[i, axis])
        born[vertex, 0] = label
        _insert(at, vertex, half, counts[HALVES])
        counts[VERTICES] += 1
        counts[HALVES] += 2
    return at


@_compiled
def _cut(
    face: Any, line: Any, label: Any, tolerance: Any, trust: Any,
    points: Any, born: Any, half: Any, first: Any, counts: Any, loop: Any, corners: Any, count: Any, heights: Any,
) -> Any:  # fmt: skip
    """Cut a face along a line; return the new face, on the negative side, or -1 where the line only touches."""
    negative = positive = False
    for i in range(count):
        z = line[0] + line[1] * corners[i, 0] + line[2] * corners[i, 1]
        if abs(z) <= tolerance or (born[loop[i, 1], 0] == label and abs(z) <= trust):
            z = 0.0
        heights[i, 0] = z
        negative, positive = negative or z < 0, positive or z > 0
    if not (negative and positive):
        return -1
    before_p = _meet(_turn(heights, count, 1), label, points, born, half, counts, loop, corners, count, heights)
    before_q = _meet(_turn(heights, count, -1), label, points, born, half, counts, loop, corners, count, heights)
    new = counts[FACES]
    _split(before_p, before_q, half, counts[HALVES], new)
    first[face, 0], first[new, 0] = counts[HALVES], counts[HALVES] + 1
    counts[HALVES] += 2
    counts[FACES] += 1
    return new


@_compiled
def _room(points: Any, born: Any, half: Any, first: Any, counts: Any) -> Any:
    """Return the arrays of a mesh with room for one more cut."""
    if counts[VERTICES] + 2 > points.shape[0]:
        points, born = _longer(points, 0), _longer(born, 0)
    if counts[HALVES] + 6 > half.shape[0]:
        half = _longer(half, 0)
    if counts[FACES] + 1 > first.shape[0]:
        first = _longer(first, 0)
    return points, born, half, first


@_compiled
def cut_lines(
    faces: Any, values: Any, across: Any, upward: Any, breakpoints: Any, label: Any, noise: Any, resolution: Any,
    extent: Any, points: Any, born: Any, half: Any, first: Any, counts: Any,
) -> Any:  # fmt: skip
    """Cut faces along lines ``value + s * across + t * upward = 0``, each along its own.

    Parameters
    ----------
    faces : numpy.ndarray
        int64 ``(rows,)``.
    values, across, upward : numpy.ndarray
        float64 ``(rows, lines)``. Lines that are not finite are none.
    breakpoints : numpy.ndarray
        float64 ``(lines,)``: what was subtracted from the values, whose rounding they share.
    label : int
        The name of the first line; no other call has used those that follow.
    noise, resolution : float
        What is zero: a share of how large a value or the median one of its row gets, and a distance as a share of the
        extent.
    extent : numpy.ndarray
        float64 ``(2,)``: the largest s and t in magnitude.
    points, born, half, first, counts : numpy.ndarray
        The mesh, which is changed.

    Returns
    -------
    tuple
        For each part its row and face, int64 ``(parts, 1)``, how many parts, and the mesh in arrays that may be longer.
    """
    lines = values.shape[1]
    parents, parts, found = np.empty((2 * faces.size, 1), np.int64), np.empty((2 * faces.size, 1), np.int64), 0
    loop, corners, heights = np.empty((64, 2), np.int64), np.empty((64, 2)), np.empty((64, 1))
    waiting, spans, pending = (
        np.empty((64, 1), np.int64),
        np.empty((64, 2), np.int64),
        np.empty((4 * lines, 1), np.int64),
    )
    line, sizes, zeros = np.empty(3), np.empty(SAMPLE + 1), np.empty((lines, 2))
    for row in range(faces.size):
        floor = _median_size(values[row], across[row], upward[row], breakpoints, extent, sizes)
        live = 0
        for at in range(lines):
            reach = _reach(across[row, at], upward[row, at], extent)
            if abs(values[row, at]) < reach < np.inf:  # else it is beyond the box, or nowhere
                size = max(abs(values[row, at]) + 2 * abs(breakpoints[at]) + reach, floor)
                zeros[at, 0], zeros[at, 1] = max(noise * size, resolution * reach), TRUST * size
                pending[live, 0] = at
                live += 1
        waiting[0, 0], spans[0, 0], spans[0, 1], depth = faces[row], 0, live, 1
        while depth > 0:
            face, start, stop = waiting[depth - 1, 0], spans[depth - 1, 0], spans[depth - 1, 1]
            loop, corners, count = _outline(face, half, first, points, loop, corners)
            if count > heights.shape[0]:
                heights = np.empty((loop.shape[0], 1))
            kept = start
            for at in range(start, stop):
                which = pending[at, 0]
                line[0], line[1], line[2] = values[row, which], across[row, which], upward[row, which]
                if _crosses(line, corners, count, zeros[which, 0]):
                    pending[kept, 0] = which
                    kept += 1
            new = np.int64(-1)
            while new < 0 and kept > start:
                # The line in the middle: neighbours in a layer may be alike, and would cut slice by slice.
                middle = (start + kept) // 2
                which, kept = pending[middle, 0], kept - 1
                pending[middle, 0] = pending[kept, 0]
                line[0], line[1], line[2] = values[row, which], across[row, which], upward[row, which]
                points, born, half, first = _room(points, born, half, first, counts)
                new = _cut(
                    face, line, label + which, zeros[which, 0], zeros[which, 1],
                    points, born, half, first, counts, loop, corners, count, heights,
                )  # fmt: skip
            if new < 0:
                if found == parts.shape[0]:
                    parents, parts = _longer(parents, 0), _longer(parts, 0)
                parents[found, 0], parts[found, 0] = row, face
                found, depth = found + 1, depth - 1
                continue
            left = kept - start
            if kept + left > pending.shape[0]:
                pending = _longer(pending, kept + left)
            if depth == waiting.shape[0]:
                waiting, spans = _longer(waiting, 0), _longer(spans, 0)
            pending[kept : kept + left] = pending[start:kept]
            spans[depth - 1, 1] = kept
            waiting[depth, 0], spans[depth, 0], spans[depth, 1] = new, kept, kept + left
            depth += 1
    return parents, parts, found, points, born, half, first


@_compiled
def _pair_size(one: Any, other: Any, values: Any, across: Any, upward: Any, floor: Any, extent: Any) -> Any:
    """Return how large two elements of a window get together."""
    first = abs(values[one]) + _reach(across[one], upward[one], extent)
    second = abs(values[other]) + _reach(across[other], upward[other], extent)
    return max(first, floor) + max(second, floor)


@_compiled
def _rivals(
    window: Any, values: Any, across: Any, upward: Any, corners: Any, count: Any, noise: Any, floor: Any, extent: Any,
    winners: Any,
) -> Any:  # fmt: skip
    """Return two elements of a window of which each beats the other at some corner of a face; -1 where one wins all.

    Elements that win at no corner need no look: where two that share all corners between them meet, they are cut
    apart, and whoever wins in between then wins at a corner.
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


@_compiled
def cut_windows(
    faces: Any, values: Any, across: Any, upward: Any, breakpoints: Any, label: Any, noise: Any, resolution: Any,
    extent: Any, points: Any, born: Any, half: Any, first: Any, counts: Any,
) -> Any:  # fmt: skip
    """Cut faces where windows change their winner: values ``(rows, windows, elements)``, otherwise as `cut_lines`.

    A cut between two elements goes through the whole face, also where a third beats both: parts may have the same
    winners.
    """
    windows, elements = values.shape[1:]
    parents, parts, found = np.empty((2 * faces.size, 1), np.int64), np.empty((2 * faces.size, 1), np.int64), 0
    loop, corners, heights = np.empty((64, 2), np.int64), np.empty((64, 2)), np.empty((64, 1))
    winners = np.empty((64, 1), np.int64)
    waiting, begun = np.empty((64, 1), np.int64), np.empty((64, 1), np.int64)
    line, sizes = np.empty(3), np.empty(SAMPLE + 1)
    for row in range(faces.size):
        floor = _median_size(values[row].ravel(), across[row].ravel(), upward[row].ravel(), breakpoints, extent, sizes)
        waiting[0, 0], begun[0, 0], depth = faces[row], 0, 1
        while depth > 0:
            face, window = waiting[depth - 1, 0], begun[depth - 1, 0]
            loop, corners, count = _outline(face, half, first, points, loop, corners)
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
                    zero = max(noise * size, resolution * _reach(line[1], line[2], extent))
                    points, born, half, first = _room(points, born, half, first, counts)
                    new = _cut(
                        face, line, name, zero, TRUST * size,
                        points, born, half, first, counts, loop, corners, count, heights,
                    )  # fmt: skip
                    if new >= 0:
                        break
                window += 1
            if new < 0:
                if found == parts.shape[0]:
                    parents, parts = _longer(parents, 0), _longer(parts, 0)
                parents[found, 0], parts[found, 0] = row, face
                found, depth = found + 1, depth - 1
                continue
            if depth == waiting.shape[0]:
                waiting, begun = _longer(waiting, 0), _longer(begun, 0)
            # Of the windows before this one, each has one winner on the whole face: both parts go on from here.
            begun[depth - 1, 0] = window
            waiting[depth, 0], begun[depth, 0] = new, window
            depth += 1
    return parents, parts, found, points, born, half, first


@_compiled
def centers(faces: Any, points: Any, half: Any, first: Any) -> Any:
    """Return the mean of the corners of each face, float64 ``(faces, 2)``."""
    found = np.zeros((faces.size, 2))
    for i in range(faces.size):
        start = at = first[faces[i], 0]
        count = 0
        while True:
            for axis in range(2):
                found[i, axis] += points[half[at, TAIL], axis]
            count += 1
            at = half[at, NEXT]
            if at == start:
                break
        for axis in range(2):
            found[i, axis] /= count
    return found


@_compiled
def locate(where: Any, points: Any, corners: Any, starts: Any, zero: Any) -> Any:
    """Return the face that each point ``(n, 2)`` lies in, int64 ``(n,)``, or -1; of several, where it lies deepest."""
    found = np.full(where.shape[0], -1, np.int64)
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
                found[i], depths[i] = face, depth
    return found
