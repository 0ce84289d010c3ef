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
    """Line segments of the decision boundary; each lies in one linear region, or on the edge between two.

    Attributes
    ----------
    segments : numpy.ndarray
        float64 ``(n, 2, 2)``: both ends of each segment, as coordinates s, t on the plane.
    classes : numpy.ndarray
        int64 ``(n, 2)``: classes on both sides of each segment, the smaller first.
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

    On each face the outputs are affine, so the classes meet on straight lines. The mesh is cut along them as along the
    lines of gates: a single output is cut like a ReLU, and several outputs like a max-pool of one window.
    """
    if not plane.has_classes:
        raise DataError(no_classes(plane.read_as))
    # On each face the outputs are affine in s and t: their values at the center of the box, and their slopes.
    values, slopes = plane.middle.reshape(len(plane), -1), plane.slope.reshape(2, len(plane), -1)
    if values.shape[1] > 1:  # one window of all outputs
        values, slopes, breakpoints = values[:, None], slopes[:, :, None], values.new_zeros(values.shape[1])
    else:
        breakpoints = values.new_full((1,), plane.read_as.threshold)
        values = values - breakpoints
    mesh = plane.mesh.copy()
    # Lines are numbered from 0 again. The vertices so far were created by other lines, so their numbers are removed.
    mesh.born[:] = -1
    noise, resolution = tolerances(values.dtype)
    parents, parts = mesh.cut(
        np.arange(len(plane)), values, slopes, breakpoints, label=0, noise=noise, resolution=resolution
    )
    faces = np.empty(len(parts), np.int64)
    faces[parts] = parents
    inside = mesh.centers(np.arange(len(faces))) + mesh.center  # a point in each part, as s and t
    return ClassParts(mesh.trimmed(), faces, plane.predicted(inside, faces))


def decision_boundary(plane: Plane) -> DecisionBoundary:
    """Return the lines on a plane where the predicted class changes.

    The class is that of the largest output. A single output gives class 1 above 0 if it is a logit, and above 1/2 if it
    is a probability.

    At a gate that is not continuous, such as a hardshrink, the outputs may jump from one face to the next. If the class
    changes there, the edge between the faces is part of the boundary.

    Parameters
    ----------
    plane : Plane
        Result of :func:`hashlens.regions.plane`.

    Raises
    ------
    DataError
        If the network predicts no classes: it has no outputs, or they are values of a regression.
    """
    parts = class_parts(plane)
    sides, ends = parts.mesh.edges
    is_inner = (sides >= 0).all(axis=1)
    classes, ends = parts.classes[sides[is_inner]], ends[is_inner]
    is_boundary = classes[:, 0] != classes[:, 1]
    return DecisionBoundary(parts.mesh.vertices[ends[is_boundary]], np.sort(classes[is_boundary], axis=1))
