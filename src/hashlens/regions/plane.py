"""Plane: the linear regions of a network on a two-dimensional slice, as polygons."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float64, Int64
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.codes.codes import Codes
from hashlens.codes.packing import Packed, pack_bits
from hashlens.errors import DataError
from hashlens.nets.output import Output
from hashlens.plain import UNWRITTEN
from hashlens.regions.at import Region, at
from hashlens.regions.mesh import Mesh
from hashlens.regions.predict_classes import has_classes, no_classes, predict_classes
from hashlens.regions.program import Program, states
from hashlens.regions.rounding import noise_of, tolerances
from hashlens.regions.slices import Box, Slice
from hashlens.regions.units import Units, require_network
from hashlens.report.figures import Polygons
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.tables import number, table

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Plane(Result):
    """Linear regions of a network on a plane, as polygons (faces).

    Attributes
    ----------
    slice : Slice
        The plane, and the box on it.
    mesh : Mesh
        Mesh of the polygons.
    middle, slope : torch.Tensor
        ``(faces, *output)`` and ``(2, faces, *output)``: affine map of each face. The output at s, t is
        ``middle + (s - s0) * slope[0] + (t - t0) * slope[1]``, where s0, t0 is the center of the box. So the numbers
        of a small box far from 0 keep their digits.
    fingerprints : numpy.ndarray
        uint64 ``(faces, 2)``: 128-bit hash of the code of each face.
    codes : Codes or None
        Code of each face; None in a result that was read from a file.
    program : Program or None
        The traced network; None in a result that was read from a file.
    sampled, per_side : int or None
        Number of regions that a grid with `per_side` points per side finds (:meth:`with_sampled`).
    output_kind, output_reason : str
        How the network's output is read (:attr:`read_as`), and why; empty in files of earlier versions.
    schema_version : int
        Version of the format of the file.
    """

    schema_version: ClassVar[int] = 2

    slice: Slice
    mesh: Mesh = field(repr=False)
    middle: Tensor = field(repr=False)
    slope: Tensor = field(repr=False)
    fingerprints: npt.NDArray[np.uint64] = field(repr=False)
    codes: Codes | None = field(default=None, repr=False, metadata=UNWRITTEN)
    program: Program | None = field(default=None, repr=False, metadata=UNWRITTEN)
    sampled: int | None = None
    per_side: int | None = None
    output_kind: str = ""
    output_reason: str = ""

    def __len__(self) -> int:
        return len(self.fingerprints)

    @property
    def count(self) -> int:
        """Number of regions in the box."""
        return len(self)

    @property
    def box(self) -> Box:
        """Bounds of s and t: ``(left, right, bottom, top)``."""
        return self.slice.box

    @property
    def read_as(self) -> Output:
        """How the output of the network is read."""
        single = self.middle[:1].numel() == 1
        return Output(self.output_kind or ("binary_logit" if single else "logits"), self.output_reason)

    @property
    def has_classes(self) -> bool:
        """Whether the network predicts classes: not without outputs, nor with those of a regression."""
        return has_classes(self.read_as, self.middle[:1].numel())

    @property
    def value(self) -> Float[Tensor, " {len(self)} *output"]:
        """Value of each affine map at s = t = 0, ``(faces, *output)``; add ``s * slope[0] + t * slope[1]``."""
        s, t = self.mesh.center.tolist()
        value: Tensor = self.middle - s * self.slope[0] - t * self.slope[1]
        return value

    @property
    def vertices(self) -> Float64[npt.NDArray[np.float64], "vertices 2"]:
        """Corners of the polygons as s, t, float64 ``(vertices, 2)``."""
        return self.mesh.vertices

    @property
    def edges(self) -> tuple[Int64[npt.NDArray[np.int64], "edges 2"], Int64[npt.NDArray[np.int64], "edges 2"]]:
        """Faces on both sides of each edge, -1 outside the box, and vertices at its ends: ``(edges, 2)`` each."""
        return self.mesh.edges

    @cached_property
    def adjacency(self) -> Int64[npt.NDArray[np.int64], "inner_edges 2"]:
        """Pairs of faces that share an edge, int64 ``(inner edges, 2)``."""
        faces = self.edges[0]
        return faces[(faces >= 0).all(axis=1)]

    @cached_property
    def units(self) -> Units:
        """Unit that flips between each pair in `adjacency`; if several do, the first in order of execution."""
        first = [np.zeros(0, np.int64)]
        codes = require_network(self.codes, "this plane")
        step = max(1, (1 << 25) // max(1, codes.code_bits))
        for pairs in np.split(self.adjacency, range(step, len(self.adjacency), step)):
            if not len(pairs):
                continue
            differ = codes[pairs[:, 0]].unpack() != codes[pairs[:, 1]].unpack()
            first.append(np.where(differ.any(axis=1), differ.argmax(axis=1), -1))
        return Units(codes.layers, np.concatenate(first))

    @cached_property
    def outlines(self) -> tuple[Int64[npt.NDArray[np.int64], " corners"], Int64[npt.NDArray[np.int64], " starts"]]:
        """Vertices around each face, anticlockwise, one face after another; and the index where each face begins."""
        return self.mesh.outlines()

    def polygon(self, face: int) -> Float64[npt.NDArray[np.float64], "corners 2"]:
        """Return the corners of a face as s, t, anticlockwise, float64 ``(corners, 2)``."""
        at = int(self._faces([face])[0])
        corners, starts = self.outlines
        return self.vertices[corners[starts[at] : starts[at + 1]]]

    @cached_property
    def areas(self) -> Float64[npt.NDArray[np.float64], " {len(self)}"]:
        """Area of each face in units of s times t, float64 ``(faces,)``; the sum is the area of the box."""
        return self.mesh.areas()

    @cached_property
    def centers(self) -> Float64[npt.NDArray[np.float64], "{len(self)} 2"]:
        """A point inside each face, float64 ``(faces, 2)``."""
        return self.mesh.centers(np.arange(len(self))) + self.mesh.center

    def region(self, faces: int | Sequence[int] | npt.NDArray[np.int64] | None = None) -> Region:
        """Return the full-dimensional linear regions of faces, with affine map, radius and so on; by default of all."""
        chosen = self.centers if faces is None else self.centers[self._faces(faces)]
        return at(require_network(self.program, "this plane"), self.slice.points(chosen))

    def _faces(self, faces: Any) -> npt.NDArray[np.int64]:
        """Return indices of faces; raise DataError if there are no such faces."""
        chosen = np.atleast_1d(np.asarray(faces))
        if chosen.dtype.kind not in "iu" or chosen.ndim != 1 or ((chosen < 0) | (chosen >= len(self))).any():
            raise DataError(f"faces are numbered from 0 to {len(self) - 1}, received {faces!r}")
        return chosen.astype(np.int64)

    def output(self, coordinates: npt.ArrayLike, faces: npt.ArrayLike) -> Float[Tensor, " {len(faces)} *output"]:
        """Return the affine maps of `faces` ``(n,)`` at the coordinates s, t ``(n, 2)``: outputs ``(n, *output)``."""
        rows = torch.as_tensor(np.asarray(faces, np.int64))
        where = torch.as_tensor(np.asarray(coordinates, np.float64) - self.mesh.center).to(self.middle)
        s, t = (tensor.reshape(-1, *[1] * (self.middle.dim() - 1)) for tensor in where.T)
        output: Tensor = self.middle[rows] + s * self.slope[0, rows] + t * self.slope[1, rows]
        return output

    @cached_property
    def gradient_norms(self) -> Float64[npt.NDArray[np.float64], " {len(self)}"]:
        """Frobenius norm of the output's derivative along the plane, per unit of the input, ``(faces,)``.

        For a network with two inputs and one output this is the norm of its gradient.
        """
        metric = np.linalg.inv(np.linalg.cholesky(_gram(self.slice)))
        slope = self.slope.reshape(2, len(self), -1).cpu().numpy().astype(np.float64)
        norms: npt.NDArray[np.float64] = np.sqrt((np.tensordot(metric, slope, axes=1) ** 2).sum(axis=(0, 2)))
        return norms

    @cached_property
    def classes(self) -> Int64[npt.NDArray[np.int64], " {len(self)}"]:
        """Predicted class in the middle of each face: of the largest output; of a single score, 1 above its cut."""
        return self.predicted(self.centers, np.arange(len(self)))

    def predicted(
        self, coordinates: npt.ArrayLike, faces: npt.ArrayLike
    ) -> Int64[npt.NDArray[np.int64], " {len(faces)}"]:
        """Return the class that the affine maps of `faces` ``(n,)`` predict at s, t ``(n, 2)``, int64 ``(n,)``.

        Outputs that differ by no more than rounding count as equal; the first of them is chosen.
        """
        rows = torch.as_tensor(np.asarray(faces, np.int64))
        if not self.has_classes:
            raise DataError(no_classes(self.read_as))
        output, middle = (
            tensor.reshape(len(rows), -1) for tensor in (self.output(coordinates, faces), self.middle[rows])
        )
        across, upward = self.slope.reshape(2, len(self), -1)[:, rows].abs()
        reach = float(self.mesh.extent[0]) * across + float(self.mesh.extent[1]) * upward
        return predict_classes(output, self.read_as, noise_of(middle, reach, tolerances(middle.dtype)[0]))

    def locate(self, coordinates: npt.ArrayLike) -> Int64[npt.NDArray[np.int64], " {len(coordinates)}"]:
        """Return the face at each s, t ``(n, 2)``, int64 ``(n,)``; -1 outside the box.

        Raises
        ------
        DataError
            If the coordinates are not pairs of numbers. ``plane.slice.project`` returns the coordinates of examples.
        """
        from hashlens.regions.locating import locate

        where = np.asarray(coordinates, np.float64)
        if where.ndim != 2 or where.shape[1] != 2:
            raise DataError(
                f"coordinates must be (n, 2), received {where.shape}; slice.project(x) has those of examples"
            )
        corners, starts = self.outlines
        away = np.ascontiguousarray(where - self.mesh.center)
        zero = 1e-12 * float(self.mesh.extent.max())
        result: npt.NDArray[np.int64] = locate(away, self.mesh.points, corners, starts, zero)
        return result

    def points_in(self, x: Any, within: float = 1e-6) -> Int64[npt.NDArray[np.int64], " n"]:
        """Return the face of each example ``(n, *input)``, int64 ``(n,)``; -1 if it is not on the plane or in the box.

        Parameters
        ----------
        x : torch.Tensor or numpy.ndarray
            Examples.
        within : float
            Largest distance of an example from the plane, in units of the input.
        """
        coordinates, distance = self.slice.project(x)
        return np.where(distance <= within, self.locate(coordinates), -1)

    def sampled_count(self, per_side: int = 1001) -> int:
        """Return the number of different codes on a grid of ``per_side ** 2`` points; a grid misses small regions.

        Grid points exactly on boundaries may have codes that no region has; these are counted too, so the number can be
        larger than that of the regions.
        """
        if per_side < 2:
            raise DataError(f"a grid has at least 2 points per side, received {per_side}")
        program = require_network(self.program, "this plane")
        left, right, bottom, top = self.box
        seen: set[bytes] = set()
        s, step = np.linspace(left, right, per_side), program.chunk()
        for t in np.linspace(bottom, top, per_side):
            row = self.slice.points(np.stack([s, np.full(per_side, t)], axis=1))
            for chunk in torch.split(row.to(device=program.device, dtype=program.dtype), step):
                _, result = states(program, program.rows(chunk))
                seen.update(map(bytes, _bits(program, result, len(chunk))))
        return len(seen)

    def with_sampled(self, per_side: int) -> "Plane":
        """Return the plane with the number of regions that a grid with `per_side` points per side finds."""
        return replace(self, sampled=self.sampled_count(per_side), per_side=per_side)

    @cached_property
    def boundary_length(self) -> float | None:
        """Length of the decision boundary, in units of s and t; None if the network predicts no classes."""
        from hashlens.regions.boundary import decision_boundary

        return decision_boundary(self).length if self.has_classes else None

    def figures(self, colour: Literal["gradient", "class", "code"] = "gradient") -> tuple[Polygons]:
        """Return the regions as figure data, coloured by gradient norm, predicted class or code."""
        from hashlens.regions.figures import plane_figure

        return (plane_figure(self, colour),)

    def page(self, colour: Literal["gradient", "class", "code"] = "gradient") -> Page:
        """Return the page of the plane: an interactive map of its regions."""
        from hashlens.regions.page import plane_page

        return plane_page(self, *self.figures(colour))

    def to_dict(self) -> dict[str, Any]:
        """Return the data to restore the plane, counts, and the code, area, class, gradient and corners of each region.

        The code is given as its fingerprint in 32 hexadecimal digits. The network is left out.
        """
        corners, starts = self.outlines
        around = np.split(self.vertices[corners], starts[1:-1])
        classes = self.classes.tolist() if self.has_classes else [None] * self.count
        columns = (self.code_names, self.areas.tolist(), classes, self.gradient_norms.tolist(), around)
        names = ("code", "area", "predicted", "gradient_norm", "corners")
        regions = [dict(zip(names, (*row, code.tolist()), strict=True)) for *row, code in zip(*columns, strict=True)]
        counts = {"count": self.count, "edges": len(self.edges[0]), "vertices": len(self.vertices)}
        length = {"boundary_length": self.boundary_length}
        return {**super().to_dict(), **counts, "box": list(self.box), **length, "regions": regions}

    @property
    def code_names(self) -> list[str]:
        """Fingerprint of the code of each face, as 32 hexadecimal digits."""
        return [f"{int(one):016x}{int(other):016x}" for one, other in self.fingerprints]

    def __rich__(self) -> RenderableType:
        left, right, bottom, top = self.box
        share = np.sort(self.areas)[::-1] / self.areas.sum()
        half = int(np.searchsorted(np.cumsum(share), 0.5)) + 1
        rows = [
            ("regions", number(self.count)),
            ("edges", number(len(self.edges[0]))),
            ("vertices", number(len(self.vertices))),
            ("regions that cover half of the area", number(half)),
            ("median area / mean area", number(float(np.median(share) * len(share)))),
        ]
        numbers = table(f"Linear regions in [{left:g}, {right:g}] x [{bottom:g}, {top:g}]", ("", ""), rows)
        return Group(numbers, *map(Text, plane_sentences(self)))


def plane_sentences(plane: Any) -> list[str]:
    """Return sentences on the length of the decision boundary of a plane, and on the regions found by sampling."""
    if plane.boundary_length is not None:
        lines = [f"The decision boundary is {plane.boundary_length:.4g} long."]
    else:
        lines = [f"No decision boundary: {no_classes(plane.read_as)}."]
    if plane.boundary_length is not None and plane.read_as.kind != "logits" and plane.read_as.reason:
        lines.append(f"The {plane.read_as.description}.")
    if plane.sampled is not None:
        grid = f"{plane.per_side:,} x {plane.per_side:,}"
        missed = plane.count - plane.sampled
        lines.append(
            f"A grid of {grid} points finds {plane.sampled:,} regions and misses {missed:,}."
            if missed >= 0
            else f"A grid of {grid} points finds {plane.sampled:,} codes, of which {-missed:,} or more are on "
            "boundaries only."
        )
    return lines


def _bits(program: Program, found: list[Tensor], rows: int) -> Packed:
    packed = [pack_bits(gate.bits(state).cpu().numpy()) for gate, state in zip(program.gates, found, strict=True)]
    return np.concatenate([np.zeros((rows, 0), np.uint8), *packed], axis=1)


def _gram(plane_slice: Slice) -> npt.NDArray[np.float64]:
    basis = plane_slice.directions.flatten(1).numpy()
    gram: npt.NDArray[np.float64] = basis @ basis.T
    return gram
