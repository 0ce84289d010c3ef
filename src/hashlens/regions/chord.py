"""Chord: the exact extent of a linear region along a line through an example, in both directions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import DataError
from hashlens.regions.at import Region, at
from hashlens.regions.inputs import examples
from hashlens.regions.program import Flow, Program
from hashlens.regions.units import Unit, Units, nearest_unit
from hashlens.result import Result
from hashlens.tables import Table, table

Tensor = torch.Tensor
SHOWN = 20
"""Number of rows of a printed table."""


@dataclass(frozen=True, eq=False)
class Chord(Result):
    """The part of each line ``x + t * direction`` that lies in the region of x.

    Attributes
    ----------
    start, end : numpy.ndarray
        float64 ``(n, k)``: values of t at both ends, start <= 0 <= end; infinite if the region is unbounded, 0 if x
        lies on the boundary.
    length : numpy.ndarray
        float64 ``(n, k)``: Euclidean length in units of the input.
    start_units, end_units : Units
        Units that flip at the ends of the n * k chords; tuples in a result that was read from a file.
    on_boundary : numpy.ndarray
        int64 ``(n,)``: number of units whose boundary each example lies exactly on.
    """

    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    length: npt.NDArray[np.float64]
    start_units: Sequence[Unit | None]
    end_units: Sequence[Unit | None]
    on_boundary: npt.NDArray[np.int64]

    def __rich__(self) -> Table:
        each = (self.start.flat, self.end.flat, self.length.flat, self.start_units, self.end_units)
        rows = [
            (str(row // self.start.shape[1]), f"{start:.4g}", f"{end:.4g}", f"{length:.4g}", str(first), str(last))
            for row, (start, end, length, first, last) in enumerate(islice(zip(*each, strict=True), SHOWN))
        ]
        more = f"The first {SHOWN} of {self.start.size:,} chords." if self.start.size > SHOWN else ""
        columns = ("example", "from", "to", "length", "unit at its start", "unit at its end")
        return table("Chords of linear regions", columns, rows, more)


def chord(model: torch.nn.Module | Program, x: Any, directions: Any, dtype: torch.dtype = torch.float64) -> Chord:
    """Return the exact chords of the linear regions of examples along given directions.

    Each direction takes one forward pass of tangents, which gives the speed of every unit towards its breakpoints.

    Parameters
    ----------
    model : torch.nn.Module or Program
        A piecewise linear network, or one already traced.
    x : torch.Tensor or numpy.ndarray
        Examples ``(n, *input)``, floating point.
    directions : torch.Tensor or numpy.ndarray
        ``(n, *input)``: one direction for each example, such as ``y - x`` towards another example; or
        ``(n, k, *input)``: k directions for each.
    dtype : torch.dtype
        Dtype of the computation: float64 or float32. A program keeps its own.

    Returns
    -------
    Chord
        The chords, with k = 1 if there is one direction for each example.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If examples or directions are not valid input, or a direction is zero.
    """
    region = at(model, x, dtype)
    program = region.program
    lines = _lines(program, directions, region.x)
    n, k = lines.shape[:2]
    reach = lines.new_zeros(2, n, k)
    bits = torch.zeros(2, n, k, dtype=torch.int64, device=program.device)
    several = min(k, program.chunk())
    step = program.chunk(several)
    for row in range(0, n, step):
        rows = slice(row, row + step)
        for first in range(0, k, several):
            some = slice(first, first + several)
            reach[:, rows, some], bits[:, rows, some] = _reach(region, rows, lines[rows, some])
    length = reach.sum(dim=0) * torch.linalg.vector_norm(lines.flatten(2), dim=2)
    backward, forward = (Units(program.layers, bit.flatten().cpu().numpy()) for bit in bits)
    start, end = reach.cpu().numpy()
    return Chord(-start, end, length.cpu().numpy(), backward, forward, region.on_boundary)


def _reach(region: Region, rows: slice, lines: Tensor) -> tuple[Tensor, Tensor]:
    """Return the extent of t backward and forward, ``(2, rows, directions)``, and the bits that flip there."""
    n, k = lines.shape[:2]
    program = region.program
    tangent = lines.movedim(1, 0).reshape(k, n, *program.shapes[0])
    flow = Flow(program, program.rows(region.x[rows]), tangent)

    def flip_distances() -> Iterator[Tensor]:
        for gate, state in zip(flow, [state_[rows] for state_ in region.states], strict=True):
            slack = gate.slack(state, flow.value)
            speed = gate.slack_tangents(state, flow.tangent)
            distance = slack / speed.abs()
            yield torch.stack([torch.where(side, distance, inf) for side in (speed > 0, speed < 0)]).flatten(0, 2)
            flow.pass_gate(state)

    reach, bits = nearest_unit(flip_distances(), 2 * k * n, lines)
    return reach.reshape(2, k, n).mT, bits.reshape(2, k, n).mT


def _lines(program: Program, directions: Any, x: Tensor) -> Tensor:
    received = examples(directions, "directions")
    lines, shape = received.to(device=program.device, dtype=program.dtype), program.input_shape
    lines = lines[:, None] if lines.dim() == len(shape) + 1 else lines
    if len(lines) != len(x) or tuple(lines.shape[2:]) != shape:
        one = ", ".join(map(str, shape))
        raise DataError(
            f"directions must be ({len(x)}, {one}) or ({len(x)}, k, {one}), received {tuple(received.shape)}"
        )
    if bool((lines == 0).flatten(2).all(dim=2).any()):
        raise DataError("a direction is zero: give directions that are not")
    return lines
