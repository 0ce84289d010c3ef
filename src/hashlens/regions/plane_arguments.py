"""Plane arguments: the traced network and the slice that the arguments of :func:`hashlens.regions.plane` define."""

from collections.abc import Sequence
from typing import Any

import torch

from hashlens.errors import DataError, ModelError
from hashlens.nets.output import OutputLike
from hashlens.regions.program import Program
from hashlens.regions.slices import Box, Slice, principal_slice, slice_through, spanned_slice
from hashlens.regions.trace import trace

POINTS_PER_SIDE = 8
"""Points per side of the grid on which the network is run to decide whether its output is scores, probabilities or
values. The decision uses 64 examples."""
TRACED_POINT = (0.4142135623730951, -0.7320508075688772)
"""Point at which a network with two inputs is traced: sqrt(2) - 1 and 1 - sqrt(3).

It is unlikely to lie on the boundary of a linear region.
"""


def program_and_slice(
    model: torch.nn.Module | Program,
    box: Sequence[float] | None,
    origin: Any,
    directions: Any,
    through: Any,
    pca: Any,
    dtype: torch.dtype,
    output: OutputLike,
) -> tuple[Program, Slice]:
    """Return the traced network and the slice of its inputs; the arguments are those of :func:`hashlens.regions.plane`.

    Without `origin`, `through` and `pca` the network must take two numbers, and the plane is its whole input space.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If the arguments define no plane, or points of the plane have another shape than inputs of the network.
    """
    plane_slice = _slice(box, origin, directions, through, pca)
    if plane_slice is None:
        plane_slice = spanned_slice(torch.zeros(2), torch.eye(2), box)
        program = _trace_two_numbers(model, _grid(plane_slice.box), dtype, output)
    else:
        points = plane_slice.points([_middle(plane_slice.box), *_grid(plane_slice.box)])
        program = trace(model, points, dtype, output=output)
    if program.input_shape != tuple(plane_slice.origin.shape):
        expected, received = tuple(program.input_shape), tuple(plane_slice.origin.shape)
        raise DataError(f"inputs on the plane have shape {received}, but the network was traced for {expected}")
    return program, plane_slice


def _middle(box: Box) -> tuple[float, float]:
    left, right, bottom, top = box
    return left / 2 + right / 2, bottom / 2 + top / 2


def _grid(box: Box) -> list[tuple[float, float]]:
    """Return the points of a grid in a box."""
    left, right, bottom, top = box
    shares = [(i + 0.5) / POINTS_PER_SIDE for i in range(POINTS_PER_SIDE)]
    return [(left + s * (right - left), bottom + t * (top - bottom)) for s in shares for t in shares]


def _slice(box: Sequence[float] | None, origin: Any, directions: Any, through: Any, pca: Any) -> Slice | None:
    """Return the slice that the arguments define, or None if they define none."""
    definitions = sum(argument is not None for argument in (origin, through, pca))
    if definitions > 1 or (origin is None) != (directions is None):
        raise DataError("give one of origin= with directions=, through= or pca=")
    if origin is not None:
        return spanned_slice(origin, directions, box)
    if through is not None:
        return slice_through(through, box)
    return None if pca is None else principal_slice(pca, box)


def _trace_two_numbers(
    model: torch.nn.Module | Program, points: list[tuple[float, float]], dtype: torch.dtype, output: OutputLike
) -> Program:
    """Trace a network whose input is two numbers."""
    no_plane = DataError(
        "the network does not take two numbers; it needs a plane: through= three examples, pca= three "
        "examples or more, or origin= and directions="
    )
    try:
        program = trace(model, torch.tensor([TRACED_POINT, *points]), dtype, output=output)
    except ModelError as error:
        if error.__cause__ is None:  # not raised by the network: it takes two numbers, but is not piecewise linear
            raise
        raise no_plane from error
    if program.input_shape != (2,):
        raise no_plane
    return program
