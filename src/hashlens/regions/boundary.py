"""Decision boundary: the exact lines on a plane where the predicted class changes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.errors import DataError
from hashlens.regions.mesh import Mesh
from hashlens.regions.plane import Plane
from hashlens.regions.predict_classes import no_classes
from hashlens.regions.rounding import tolerances
from hashlens.result import Result


@dataclass(frozen=True, eq=False)
class DecisionBoundary(Result):
    """Line segments of the decision boundary, one in each linear region that it crosses.

    Attributes
    ----------
    segments : numpy.ndarray
        float64 ``(n, 2, 2)``: both ends of each segment, as coordinates s, t.
    classes : numpy.ndarray
        int64 ``(n, 2)``: classes on its two sides, the smaller first.
    """

    segments: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def length(self) -> float:
        """Total length, in units of s and t."""
        return float(np.linalg.norm(self.segments[:, 1] - self.segments[:, 0], axis=1).sum())


@dataclass(frozen=True, eq=False)
class ClassParts(Result):
    """Faces of a plane, cut further where the predicted class changes.

    Attributes
    ----------
    mesh : Mesh
        Mesh of the parts.
    faces : numpy.ndarray
        int64 ``(parts,)``: face of the plane that each part belongs to.
    classes : numpy.ndarray
        int64 ``(parts,)``: class predicted on the whole part.
    """

    mesh: Mesh
    faces: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]


def class_parts(plane: Plane) -> ClassParts:
    """Return the faces of a plane, cut further where the predicted class changes.

    On each face the outputs are affine, so the classes meet on straight lines, which are found like those of regions.
    """
    value, slope = plane.middle.reshape(len(plane), -1), plane.slope.reshape(2, len(plane), -1)
    if not plane.has_classes:
        raise DataError(no_classes(plane.read_as))
    cut = value.new_full((1,), plane.read_as.cut)
    if value.shape[1] > 1:
        value, slope, cut = value[:, None], slope[:, :, None], value.new_zeros(value.shape[1])
    else:
        value = value - cut
    mesh = plane.mesh.copy()
    mesh.born[:] = -1
    parents, parts = mesh.cut(np.arange(len(plane)), value, slope, cut, 0, *tolerances(value.dtype))
    faces = np.empty(len(parts), np.int64)
    faces[parts] = parents
    return ClassParts(mesh.trimmed(), faces, plane.predicted(mesh.centers(np.arange(len(faces))) + mesh.center, faces))


def decision_boundary(plane: Plane) -> DecisionBoundary:
    """Return the lines on a plane where the predicted class changes.

    The class is that of the largest output. A single logit is cut at 0, a single probability at 1/2.

    Where an output jumps between two faces, the edge between them is part of the boundary.

    Parameters
    ----------
    plane : Plane
        Result of :func:`hashlens.regions.plane`.

    Raises
    ------
    DataError
        If the network has no classes: no outputs, or those of a regression.
    """
    parts = class_parts(plane)
    sides, ends = parts.mesh.edges
    inner = (sides >= 0).all(axis=1)
    classes, ends = parts.classes[sides[inner]], ends[inner]
    border = classes[:, 0] != classes[:, 1]
    return DecisionBoundary(parts.mesh.vertices[ends[border]], np.sort(classes[border], axis=1))
