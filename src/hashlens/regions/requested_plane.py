"""Requested plane: the traced network and the slice for the arguments of :func:`hashlens.regions.plane`."""

from collections.abc import Sequence
from typing import Any

import torch

from hashlens.errors import DataError, ModelError
from hashlens.nets.output import OutputLike
from hashlens.regions.program import Program
from hashlens.regions.slices import Box, Slice, principal_slice, slice_through, spanned_slice
from hashlens.regions.trace import trace

GRID = 8
"""Points per side of a grid in the box, on which the network is run to see how its output is read."""


def requested_plane(
    model: torch.nn.Module | Program,
    box: Sequence[float] | None,
    origin: Any,
    directions: Any,
    through: Any,
    pca: Any,
    dtype: torch.dtype,
    output: OutputLike,
) -> tuple[Program, Slice]:
    """Return the traced network and the slice of its inputs.

    Without `origin`, `through` and `pca` the network must take two numbers, and the slice is its own input plane.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If the arguments define no plane, or if its inputs have another shape than those of the network.
    """
    flat = _slice(box, origin, directions, through, pca)
    if flat is None:
        flat = spanned_slice(torch.zeros(2), torch.eye(2), box)
        program = _program_of_two(model, _grid(flat.box), dtype, output)
    else:
        program = trace(model, flat.points([_middle(flat.box), *_grid(flat.box)]), dtype, output=output)
    if program.input_shape != tuple(flat.origin.shape):
        expected, got = tuple(program.input_shape), tuple(flat.origin.shape)
        raise DataError(f"the plane is one of inputs {got}, but the network was traced for {expected}")
    return program, flat


def _middle(box: Box) -> tuple[float, float]:
    left, right, bottom, top = box
    return left / 2 + right / 2, bottom / 2 + top / 2


def _grid(box: Box) -> list[tuple[float, float]]:
    """Return points all over a box, which show how the output is read."""
    left, right, bottom, top = box
    share = [(at + 0.5) / GRID for at in range(GRID)]
    return [(left + s * (right - left), bottom + t * (top - bottom)) for s in share for t in share]


def _slice(box: Sequence[float] | None, origin: Any, directions: Any, through: Any, pca: Any) -> Slice | None:
    """Return the slice that the arguments define, or None if they define none."""
    named = [
        name for name, argument in (("origin", origin), ("through", through), ("pca", pca)) if argument is not None
    ]
    if len(named) > 1 or (origin is None) != (directions is None):
        raise DataError("give one of origin= with directions=, through= or pca=")
    if origin is not None:
        return spanned_slice(origin, directions, box)
    if through is not None:
        return slice_through(through, box)
    return None if pca is None else principal_slice(pca, box)


def _program_of_two(
    model: torch.nn.Module | Program, points: list[tuple[float, float]], dtype: torch.dtype, output: OutputLike
) -> Program:
    """Trace a network whose input is two numbers."""
    needed = DataError(
        "the network does not take two numbers; it needs a plane: through= three examples, pca= of many, "
        "or origin= and directions="
    )
    try:
        program = trace(model, torch.tensor([(0.4142135623730951, -0.7320508075688772), *points]), dtype, output=output)
    except ModelError as error:
        if error.__cause__ is None:  # the network takes two numbers, but it is not piecewise linear
            raise
        raise needed from error
    if program.input_shape != (2,):
        raise needed
    return program
