"""Half-edges: a planar subdivision into convex faces, and the two operations that cut it, compiled.

Each edge is two half-edges, one for the face on each side. A half-edge stores its successor around the face, its twin,
its face and its start vertex. Both operations of a cut (insert a vertex on an edge, insert an edge through a face) keep
the mesh consistent, independently of rounding: V - E + F stays 1.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled

NEXT, TWIN, FACE, TAIL = 0, 1, 2, 3
"""Columns of a half-edge."""
VERTICES, HALVES, FACES = 0, 1, 2
"""Indices of the counts of a mesh."""


@compiled
def extended(rows: Any, least: Any) -> Any:
    """Return `rows` with room for at least `least`."""
    new_length = max(2 * rows.shape[0], least)
    grown = np.empty((new_length, rows.shape[1]), rows.dtype)
    grown[: rows.shape[0]] = rows
    return grown


@compiled
def outline(face: Any, half: Any, first: Any, points: Any, loop: Any, corners: Any) -> Any:
    """Write the half-edges and corners of a face; return them, in longer arrays if needed, and their number."""
    count = 0
    at = first[face, 0]
    while True:
        if count == loop.shape[0]:
            loop, corners = extended(loop, 0), extended(corners, 0)
        vertex = half[at, TAIL]
        loop[count, 0] = at
        loop[count, 1] = vertex
        corners[count, 0] = points[vertex, 0]
        corners[count, 1] = points[vertex, 1]
        count += 1
        at = half[at, NEXT]
        if at == first[face, 0]:
            return loop, corners, count


@compiled
def _insert(edge: Any, vertex: Any, half: Any, halves: Any) -> None:
    """Insert a vertex on an edge: half-edges ``halves`` and ``halves + 1`` are the parts after it, on both sides."""
    twin = half[edge, TWIN]
    ahead, back = halves, halves + 1
    half[ahead, TAIL] = half[back, TAIL] = vertex
    half[ahead, NEXT], half[back, NEXT] = half[edge, NEXT], half[twin, NEXT]
    half[ahead, FACE], half[back, FACE] = half[edge, FACE], half[twin, FACE]
    half[edge, NEXT], half[twin, NEXT] = ahead, back
    half[edge, TWIN], half[back, TWIN] = back, edge
    half[ahead, TWIN], half[twin, TWIN] = twin, ahead


@compiled
def _split(before_p: Any, before_q: Any, half: Any, halves: Any, face: Any) -> None:
    """Join the heads of two half-edges of a face by an edge; the part from p to q becomes `face`."""
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


@compiled
def _turn(heights: Any, count: Any, sign: Any) -> Any:
    """Return the last corner with this sign before the sign changes, around the face."""
    for i in range(count):
        if sign * heights[i, 0] > 0:
            j = (i + 1) % count
            while heights[j, 0] == 0:
                j = (j + 1) % count
            if sign * heights[j, 0] < 0:
                return i
    return -1


@compiled
def _meet(
    i: Any, label: Any, points: Any, born: Any, half: Any, counts: Any, loop: Any, corners: Any, count: Any,
    heights: Any,
) -> Any:  # fmt: skip
    """Make the edge from corner i end on the line, by a new vertex if needed, and return it."""
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


@compiled
def cut(
    face: Any, line: Any, label: Any, tolerance: Any, trust: Any,
    points: Any, born: Any, half: Any, first: Any, counts: Any, loop: Any, corners: Any, count: Any, heights: Any,
) -> Any:  # fmt: skip
    """Cut a face along a line; return the new face, on the negative side, or -1 if the line only touches it."""
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


@compiled
def with_room(points: Any, born: Any, half: Any, first: Any, counts: Any) -> Any:
    """Return the arrays of a mesh with room for one more cut."""
    if counts[VERTICES] + 2 > points.shape[0]:
        points, born = extended(points, 0), extended(born, 0)
    if counts[HALVES] + 6 > half.shape[0]:
        half = extended(half, 0)
    if counts[FACES] + 1 > first.shape[0]:
        first = extended(first, 0)
    return points, born, half, first


@compiled
def centers(faces: Any, points: Any, half: Any, first: Any) -> Any:
    """Return the mean of the corners of each face, float64 ``(faces, 2)``."""
    result = np.zeros((faces.size, 2))
    for i in range(faces.size):
        start = at = first[faces[i], 0]
        count = 0
        while True:
            for axis in range(2):
                result[i, axis] += points[half[at, TAIL], axis]
            count += 1
            at = half[at, NEXT]
            if at == start:
                break
        for axis in range(2):
            result[i, axis] /= count
    return result
