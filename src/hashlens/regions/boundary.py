"""Decision boundary: where on a plane the predicted class changes, exactly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hashlens.regions.mesh import Mesh
from hashlens.regions.partition import NOISE, RESOLUTION
from hashlens.regions.plane import Plane, predicted
from hashlens.result import Result


@dataclass(frozen=True, eq=False)
class DecisionBoundary(Result):
    """Straight pieces of the decision boundary, one in each linear region that it goes through.

    Attributes
    ----------
    segments : numpy.ndarray
        float64 ``(n, 2, 2)``: both ends of each piece as s, t.
    classes : numpy.ndarray
        int64 ``(n, 2)``: the classes at its sides, the smaller first.
    """

    segments: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def length(self) -> float:
        """Length of all pieces together, in s and t."""
        return float(np.linalg.norm(self.segments[:, 1] - self.segments[:, 0], axis=1).sum())


def decision_boundary(plane: Plane) -> DecisionBoundary:
    """Return where on a plane the class of the largest output changes; of a single output, its sign.

    On each face the outputs are affine, so the classes meet on straight lines, found as those of the regions were.
    Where an output jumps between two faces, the edge between them is part of the boundary.

    Parameters
    ----------
    plane : Plane
        A partition (:func:`hashlens.regions.plane`).
    """
    value, slope = plane.value.flatten(1), plane.slope.flatten(2)
    if value.shape[1] > 1:
        value, slope = value[:, None], slope[:, :, None]
    mesh = plane.mesh.copy()
    mesh.born[:] = -1
    epsilon = torch.finfo(value.dtype).eps
    parents, faces = mesh.cut(np.arange(len(plane)), value, slope, 0, NOISE * epsilon, RESOLUTION * epsilon)
    classes = np.empty(len(faces), np.int64)
    classes[faces] = predicted(plane.output(mesh.centers(faces), parents))
    return _borders(mesh, classes)


def _borders(mesh: Mesh, classes: npt.NDArray[np.int64]) -> DecisionBoundary:
    sides, ends = mesh.edges
    inner = (sides >= 0).all(axis=1)
    sides, ends = classes[sides[inner]], ends[inner]
    border = sides[:, 0] != sides[:, 1]
    return DecisionBoundary(mesh.vertices[ends[border]], np.sort(sides[border], axis=1))
