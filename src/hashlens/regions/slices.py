"""Slices: rectangles on planes in a network's input space."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float64

from hashlens.errors import DataError
from hashlens.regions.inputs import examples

Tensor = torch.Tensor
Box = tuple[float, float, float, float]
MARGIN = 0.25
"""Margin of the box around the examples on each side, as a share of their range."""


@dataclass(frozen=True, eq=False)
class Slice:
    """The inputs ``origin + s * directions[0] + t * directions[1]`` with s and t in a box.

    Attributes
    ----------
    origin : torch.Tensor
        float64 ``input``: the point s = t = 0.
    directions : torch.Tensor
        float64 ``(2, *input)``: directions of s and of t.
    box : tuple of float
        Bounds of s and t: ``(left, right, bottom, top)``.
    marks : numpy.ndarray
        float64 ``(k, 2)``: s and t of the examples that define the slice; empty if there are none.
    """

    origin: Tensor = field(repr=False)
    directions: Tensor = field(repr=False)
    box: Box
    marks: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)), repr=False)

    def points(self, coordinates: npt.ArrayLike) -> Float64[Tensor, " {len(coordinates)} *input"]:
        """Return the inputs at s, t ``(n, 2)``, float64 ``(n, *input)``."""
        at = torch.as_tensor(np.asarray(coordinates, np.float64))
        away: Tensor = torch.tensordot(at, self.directions, dims=1)
        return self.origin + away

    def project(self, x: Any) -> tuple[Float64[npt.NDArray[np.float64], "n 2"], Float64[npt.NDArray[np.float64], " n"]]:
        """Return s, t ``(n, 2)`` of the point on the plane nearest to each of `x` ``(n, *input)``, and its distance.

        Raises
        ------
        DataError
            If `x` is not valid input, or has another shape.
        """
        rows = examples(x).detach().cpu().to(torch.float64)
        if rows.shape[1:] != self.origin.shape:
            raise DataError(f"x must be (n, {', '.join(map(str, self.origin.shape))}), received {tuple(rows.shape)}")
        away = (rows - self.origin).flatten(1).numpy()
        basis = self.directions.flatten(1).numpy()
        coordinates = np.linalg.lstsq(basis.T, away.T, rcond=None)[0].T
        return coordinates, np.linalg.norm(away - coordinates @ basis, axis=1)


def spanned_slice(origin: Any, directions: Any, box: Sequence[float] | None) -> Slice:
    """Return the slice with an origin ``input`` and directions ``(2, *input)``; the box is -1 to 1 by default.

    Raises
    ------
    DataError
        If the directions do not span a plane, or the box has no area.
    """
    start = examples(_batched(origin), "origin")[0].cpu().to(torch.float64)
    lines = examples(directions, "directions").cpu().to(torch.float64)
    if lines.shape != (2, *start.shape):
        expected = ", ".join(map(str, (2, *start.shape)))
        raise DataError(f"directions must be ({expected}), as the origin is, received {tuple(lines.shape)}")
    lengths = torch.linalg.vector_norm(lines.flatten(1), dim=1)
    if bool((lengths == 0).any()) or not _spans(lines.flatten(1) / lengths[:, None]):
        raise DataError("the directions lie on one line (or are zero), so they span no plane; give two that differ")
    return Slice(start, lines, checked_box((-1.0, 1.0, -1.0, 1.0) if box is None else box))


def slice_through(x: Any, box: Sequence[float] | None = None) -> Slice:
    """Return the slice through three examples, with s and t in units of the input.

    The first example is the origin, the second lies on the s axis; the directions are orthonormal.

    Parameters
    ----------
    x : torch.Tensor or numpy.ndarray
        ``(3, *input)``: the examples.
    box : sequence of float, optional
        ``(left, right, bottom, top)``; by default the three examples with a margin of a quarter.

    Raises
    ------
    DataError
        If there are not three examples, or they lie on one line.
    """
    rows = examples(x, "through").cpu().to(torch.float64)
    if len(rows) != 3:
        raise DataError(f"a plane goes through three examples, received {len(rows)}; for more give pca=")
    sides = (rows[1:] - rows[0]).flatten(1)
    lengths = torch.linalg.vector_norm(sides, dim=1)
    if bool((lengths == 0).any()) or not _spans(sides / lengths[:, None]):
        raise DataError("the three examples lie on one line, so they span no plane; give others")
    return _fit(rows, rows[0], sides, box)


def principal_slice(x: Any, box: Sequence[float] | None = None) -> Slice:
    """Return the slice through the mean of examples along their first two principal components.

    Parameters and errors are those of :func:`slice_through`, with three or more examples.
    """
    rows = examples(x, "pca").cpu().to(torch.float64)
    if len(rows) < 3 or prod(rows.shape[1:]) < 2:
        raise DataError(f"a principal plane takes three examples or more of two numbers, received {tuple(rows.shape)}")
    mean = rows.mean(dim=0)
    _, spread, components = torch.linalg.svd((rows - mean).flatten(1), full_matrices=False)
    if float(spread[1]) <= 1e-12 * float(spread[0]) or float(spread[0]) == 0:
        raise DataError("the examples lie on one line, so they span no plane; give others")
    # Signs of components are arbitrary: the largest entry is made positive.
    largest = components[:2].gather(1, components[:2].abs().argmax(dim=1, keepdim=True))
    return _fit(rows, mean, components[:2] * largest.sign(), box)


def checked_box(box: Sequence[float]) -> Box:
    """Return a box as four numbers.

    Raises
    ------
    DataError
        If it is not a box, or has no area.
    """
    try:
        left, right, bottom, top = (float(edge) for edge in box)
    except (TypeError, ValueError) as error:
        raise DataError(f"box must be four numbers (left, right, bottom, top), received {box!r}") from error
    if not all(map(isfinite, (left, right, bottom, top))) or left >= right or bottom >= top:
        raise DataError(f"box must be finite with left < right and bottom < top, received {(left, right, bottom, top)}")
    return left, right, bottom, top


def _fit(rows: Tensor, origin: Tensor, sides: Tensor, box: Sequence[float] | None) -> Slice:
    """Return the slice spanned by two vectors, with a box around the projections of the examples."""
    basis, triangle = torch.linalg.qr(sides.T)
    basis = (basis * triangle.diagonal().sign()).T
    marks = ((rows - origin).flatten(1) @ basis.T).numpy()
    if box is None:
        low, high = marks.min(axis=0), marks.max(axis=0)
        margin = MARGIN * (high - low)
        box = (low[0] - margin[0], high[0] + margin[0], low[1] - margin[1], high[1] + margin[1])
    return Slice(origin, basis.reshape(2, *origin.shape), checked_box(box), marks)


def _spans(unit: Tensor) -> bool:
    """Return whether two unit vectors ``(2, inputs)`` are linearly independent."""
    return float(torch.linalg.svdvals(unit)[-1]) > 1e-9


def _batched(origin: Any) -> Any:
    return origin[None] if hasattr(origin, "__getitem__") and not isinstance(origin, (list, tuple)) else [origin]
