"""Mesh: a rectangle divided into convex faces, stored as half-edges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.plain import fields_to_plain

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
OUTSIDE = -1
"""Index of the face outside the mesh."""


@dataclass(eq=False)
class Mesh:
    """A planar subdivision that can be cut further.

    Attributes
    ----------
    points : numpy.ndarray
        float64 ``(vertices, 2)``: coordinates relative to `center`, which keeps their digits.
    born : numpy.ndarray
        int64 ``(vertices, 1)``: number of the line that created each vertex.
    half : numpy.ndarray
        int64 ``(half-edges, 4)``: successor around the face, twin, face, and start vertex.
    first : numpy.ndarray
        int64 ``(faces, 1)``: a half-edge of each face.
    counts : numpy.ndarray
        int64 ``(3,)``: numbers of vertices, half-edges and faces; the arrays have room for more.
    extent : numpy.ndarray
        float64 ``(2,)``: half the side lengths of the rectangle.
    center : numpy.ndarray
        float64 ``(2,)``: center of the rectangle.
    """

    points: Floats
    born: Ints
    half: Ints
    first: Ints
    counts: Ints
    extent: Floats
    center: Floats

    @classmethod
    def rectangle(cls, left: float, right: float, bottom: float, top: float) -> "Mesh":
        """Return the mesh of a rectangle, with one face."""
        extent = np.array([right / 2 - left / 2, top / 2 - bottom / 2])
        corners = extent * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        center = np.array([left / 2 + right / 2, bottom / 2 + top / 2])
        inner = [[(i + 1) % 4, 4 + i, 0, i] for i in range(4)]
        outer = [[4 + (i - 1) % 4, i, OUTSIDE, (i + 1) % 4] for i in range(4)]
        half, first = np.array(inner + outer, np.int64), np.zeros((1, 1), np.int64)
        return cls(corners, np.full((4, 1), -1), half, first, np.array([4, 8, 1]), extent, center)

    def cut(
        self, faces: Ints, values: torch.Tensor, slopes: torch.Tensor, breakpoints: torch.Tensor, label: int,
        noise: float, resolution: float,
    ) -> tuple[Ints, Ints]:  # fmt: skip
        """Cut faces where affine functions on them are zero, or where the largest element of a window changes.

        Parameters
        ----------
        faces : numpy.ndarray
            int64 ``(rows,)``: indices of the faces.
        values, slopes : torch.Tensor
            ``(rows, lines)`` or ``(rows, windows, elements)``; `slopes` has one more axis of length 2 in front. At s, t
            relative to the center the functions are ``values + s * slopes[0] + t * slopes[1]``.
        breakpoints : torch.Tensor
            ``(lines,)``: breakpoints that were subtracted from the values.
        label : int
            Number of the first line. Numbers identify lines, so that faces agree on their vertices.
        noise : float
            Tolerance for zero, as a share of the magnitude of a value, or of the median magnitude in its row.
        resolution : float
            Smallest distance, as a share of the extent.

        Returns
        -------
        numpy.ndarray, numpy.ndarray
            Row and face of each part: int64 ``(parts,)`` each, rows in order.
        """
        from hashlens.regions.cutting import cut_lines
        from hashlens.regions.window_cutting import cut_windows

        arrays = (self.points, self.born, self.half, self.first, self.counts)
        kernel = cut_lines if values.ndim == 2 else cut_windows
        lines = (np.ascontiguousarray(tensor.cpu().numpy(), np.float64) for tensor in (values, *slopes, breakpoints))
        parents, parts, result, *arrays = kernel(faces, *lines, label, noise, resolution, self.extent, *arrays)
        self.points, self.born, self.half, self.first = arrays
        return parents[:result, 0], parts[:result, 0]

    def to_plain(self) -> dict[str, Any]:
        """Return the arrays as values for JSON, without unused entries."""
        return fields_to_plain(self.trimmed())

    def trimmed(self) -> "Mesh":
        """Return the mesh without unused entries of its arrays."""
        vertices, halves, faces = self.counts.tolist()
        kept = self.points[:vertices], self.born[:vertices], self.half[:halves], self.first[:faces]
        return Mesh(*kept, self.counts, self.extent, self.center)

    def copy(self) -> "Mesh":
        """Return an independent copy."""
        ints = (self.born.copy(), self.half.copy(), self.first.copy(), self.counts.copy())
        return Mesh(self.points.copy(), *ints, self.extent, self.center)

    @property
    def vertices(self) -> Floats:
        """Corners of faces, float64 ``(vertices, 2)``."""
        return self.points[: self.counts[0]] + self.center

    @property
    def edges(self) -> tuple[Ints, Ints]:
        """Faces on both sides of each edge, ``(edges, 2)``, -1 outside; and vertices at both ends, ``(edges, 2)``."""
        half = self.half[: self.counts[1]]
        one = np.flatnonzero(np.arange(len(half)) < half[:, 1])
        sides = half[np.stack([one, half[one, 1]], axis=1)]
        return sides[..., 2], sides[..., 3]

    def outlines(self) -> tuple[Ints, Ints]:
        """Return the corners of all faces, anticlockwise, one face after another, and the index where each begins."""
        half, faces = self.half[: self.counts[1]], int(self.counts[2])
        sizes = np.bincount(half[half[:, 2] >= 0, 2], minlength=faces)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        corners = np.empty(starts[-1], np.int64)
        at, left = self.first[:faces, 0].copy(), np.arange(faces)
        for turn in range(int(sizes.max())):
            left = left[sizes[left] > turn]
            corners[starts[left] + turn] = half[at[left], 3]
            at[left] = half[at[left], 0]
        return corners, starts

    def centers(self, faces: Ints) -> Floats:
        """Return the mean of the corners of faces, float64 ``(faces, 2)``, relative to `center`.

        It lies inside the face, since faces are convex.
        """
        from hashlens.regions.half_edges import centers

        result: Floats = centers(faces, self.points, self.half, self.first)
        return result

    def areas(self) -> Floats:
        """Return the area of each face, float64 ``(faces,)``."""
        corners, starts = self.outlines()
        sizes = np.diff(starts)
        # Coordinates relative to the first corner of each face keep the digits of small faces.
        here = self.points[corners] - np.repeat(self.points[corners[starts[:-1]]], sizes, axis=0)
        following = np.arange(1, len(corners) + 1)
        following[starts[1:] - 1] = starts[:-1]
        x, y = here.T
        doubled: Floats = np.add.reduceat(x * y[following] - x[following] * y, starts[:-1])
        return doubled / 2

    def merged(self, group: Ints) -> "Mesh":
        """Return the mesh with the faces of each group ``(faces,)``, numbered from 0, joined into one.

        The joined faces must be convex. Vertices that are no longer the end of an edge are removed.
        """
        half = self.half[: self.counts[1]]
        owner = np.where(half[:, 2] >= 0, group[half[:, 2]], OUTSIDE)
        kept = owner != owner[half[:, 1]]
        if kept.all():
            return self
        following = half[:, 0].copy()
        while (inner := kept & ~kept[following]).any():
            following[inner] = half[half[following[inner], 1], 0]
        # A vertex with only two edges is removed, except for the corners of the rectangle.
        meeting = np.bincount(half[kept, 3], minlength=len(self.points))
        through = (meeting == 2) & (np.arange(len(self.points)) >= 4)
        stays = kept & ~through[half[:, 3]]
        while (passed := through[half[following, 3]] & stays).any():
            following[passed] = following[following[passed]]
        return _renumber(half, owner, following, stays, self)


def _renumber(half: Ints, owner: Ints, following: Ints, stays: npt.NDArray[np.bool_], old: Mesh) -> Mesh:
    """Return a mesh of the half-edges that stay. The twin of the half-edge from u to v is the one from v to u."""
    number = np.cumsum(stays) - 1
    tails = half[stays, 3]
    used, tail = np.unique(tails, return_inverse=True)
    successor = number[following[stays]]
    head = tail[successor]
    # Two ends have one half-edge in each direction: in order of tail and head, and of head and tail, twins are paired.
    forward = np.lexsort((head, tail))
    backward = np.lexsort((tail, head))
    twin = np.empty(len(tail), np.int64)
    twin[forward] = backward
    faces = owner[stays]
    first = np.zeros((int(faces.max()) + 1, 1), np.int64)
    first[faces[faces >= 0], 0] = np.flatnonzero(faces >= 0)
    table = np.stack([successor, twin, faces, tail], axis=1)
    counts = np.array([len(used), len(table), len(first)])
    return Mesh(old.points[used], old.born[used], table, first, counts, old.extent, old.center)
