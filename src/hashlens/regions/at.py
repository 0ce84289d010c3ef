"""At: the linear region of an example."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Int64
from rich.console import RenderableType

from hashlens.codes.codes import Codes
from hashlens.codes.packing import pack_bits
from hashlens.errors import DataError
from hashlens.regions.affine import LARGEST_MATRIX, AffineMap
from hashlens.regions.ball import DUAL, nearest_boundary, unit_vectors
from hashlens.regions.inputs import matching_examples, program_of
from hashlens.regions.program import Flow, Program, states
from hashlens.regions.units import Unit, Units
from hashlens.result import Result
from hashlens.seeds import torch_generator
from hashlens.tables import number, table

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Radius(Result):
    """Largest ball around each example in which no unit flips.

    Attributes
    ----------
    norm : float
        Norm of the ball: 2 or infinity.
    distance : numpy.ndarray
        float64 ``(n,)``: radius in units of the input; infinite if no unit ever flips, 0 on a boundary.
    units : Units
        Unit with the nearest boundary for each example; a tuple of units in a result that was read from a file.
    on_boundary : numpy.ndarray
        int64 ``(n,)``: number of units whose boundary the example lies exactly on.
    step : float
        Unit of `distance`, as a length in units of the input (:meth:`in_steps`).
    """

    norm: float
    distance: npt.NDArray[np.float64]
    units: Sequence[Unit | None]
    on_boundary: npt.NDArray[np.int64]
    step: float = 1.0

    def in_steps(self, step: float) -> "Radius":
        """Return the same balls with their radii in multiples of a step.

        Parameters
        ----------
        step : float
            Length of a step in units of the input: 1/255 for a grey level of pixels from 0 to 1; divide it by the
            standard deviation for pixels that were divided by it.

        Raises
        ------
        DataError
            If `step` is not above 0.
        """
        if not 0 < step < inf:
            raise DataError(f"step must be a length above 0, in units of the input, received {step!r}")
        return replace(self, distance=self.distance * (self.step / step), step=float(step))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain numbers and names of units; the norm is "2" or "inf"."""
        return {**super().to_dict(), "norm": f"{self.norm:g}"}

    def __rich__(self) -> RenderableType:
        kind = "2" if self.norm == 2 else "infinity"
        rows = [
            (str(row), f"{distance:.4g}", str(unit), number(int(ties)))
            for row, (distance, unit, ties) in enumerate(
                zip(self.distance[:20], self.units[:20], self.on_boundary[:20], strict=True)
            )
        ]
        on = int((self.on_boundary > 0).sum())
        note = f"{on:,} of {len(self.distance):,} examples lie on a boundary, where the radius is 0" if on else ""
        parts = round(1 / self.step)
        step = f"1/{parts:,}" if parts and abs(parts * self.step - 1) < 1e-9 else f"{self.step:.4g}"
        radius = "radius" if self.step == 1 else f"radius in steps of {step}"
        columns = ("example", radius, "nearest unit", "on boundaries of")
        return table(f"Distance to the nearest boundary ({kind}-norm)", columns, rows, note)


@dataclass(frozen=True, eq=False)
class Halfspaces:
    """Regions as intersections of halfspaces: ``y`` is in the closed region if ``A y <= b``.

    Attributes
    ----------
    A, b : torch.Tensor
        ``(n, bits, inputs)`` and ``(n, bits)``: a row for each bit of the code, in its order. For bits that cannot flip
        (a constant unit, the winner of a window) the row of A is 0, and b is at least 0.
    """

    A: Tensor
    b: Tensor


@dataclass(frozen=True, eq=False)
class Region:
    """Linear regions of n examples.

    Attributes
    ----------
    program : Program
        The traced network.
    x : torch.Tensor
        ``(n, *input)``: the examples.
    output : torch.Tensor
        ``(n, *output)``: outputs of the network for them.
    states : list of torch.Tensor
        State of each gate: the linear piece that each unit is on.
    """

    program: Program
    x: Tensor = field(repr=False)
    output: Tensor = field(repr=False)
    states: list[Tensor] = field(repr=False)

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def code(self) -> Codes:
        """Codes of the regions: a bit for every breakpoint of every unit, and one-hot winners of max-pools."""
        bits = [gate.bits(state) for gate, state in zip(self.program.gates, self.states, strict=True)]
        return self.program.codes([pack_bits(bit.cpu().numpy()) for bit in bits], len(self))

    @property
    def affine(self) -> AffineMap:
        """Affine map that the network equals in each region."""
        return AffineMap(self.program, self.x, self.output, self.states)

    @cached_property
    def on_boundary(self) -> Int64[npt.NDArray[np.int64], " {len(self)}"]:
        """Number of units whose boundary each example lies exactly on, int64 ``(n,)``.

        The input of such a unit equals its breakpoint. Its bit is 0 in the code, and the affine map and the chords are
        those of that side. An input that is the same everywhere nearby, because it comes from dead units, is on no
        boundary. To find out, its derivative is computed in one random direction; a non-zero gradient gives 0 there
        with probability 0.
        """
        direction = torch.randn(self.x.shape[1:], generator=torch_generator(0, "on_boundary"), dtype=torch.float64).to(
            self.x
        )
        result = []
        for rows in self._chunks(2):
            tangent = self.program.rows(direction[None])[None]
            flow = Flow(self.program, self.program.rows(self.x[rows]), tangent)
            ties = torch.zeros(len(self.x[rows]), dtype=torch.int64, device=self.x.device)
            for gate, state in zip(flow, [tensors[rows] for tensors in self.states], strict=True):
                zero = gate.slack(state, flow.value) == 0
                ties += (zero & (gate.slack_tangents(state, flow.tangent)[0] != 0)).sum(dim=1)
                flow.pass_gate(state)
            result.append(ties)
        return torch.cat(result).cpu().numpy()

    def radius(self, norm: float = 2) -> Radius:
        """Return the distance from each example to the nearest boundary, and the unit that flips there.

        The distance to the boundary of a unit is ``|z| / ||grad z||`` with the dual norm of the gradient
        (:mod:`hashlens.regions.ball`).

        Parameters
        ----------
        norm : {2, inf}
            Norm of the ball.

        Raises
        ------
        DataError
            If `norm` is neither 2 nor infinity.
        """
        if norm not in tuple(DUAL):
            raise DataError(f"norm must be 2 or inf, received {norm!r}")
        distance, bit = nearest_boundary(self.program, self.x, self.states, norm)
        return Radius(
            float(norm), distance.cpu().numpy(), Units(self.program.layers, bit.cpu().numpy()), self.on_boundary
        )

    def contains(self, y: Any) -> Bool[npt.NDArray[np.bool_], " {len(self)}"]:
        """Return whether each row of `y` ``(n, *input)`` lies in the region of its example, bool ``(n,)``."""
        points = matching_examples(self.program, y, "y", like=self.x)
        inside = np.ones(len(self), np.bool_)
        for rows in self._chunks(1):
            _, others = states(self.program, self.program.rows(points[rows]))
            for state, other in zip(self.states, others, strict=True):
                inside[rows] &= (state[rows] == other).flatten(1).all(dim=1).cpu().numpy()
        return inside

    def halfspaces(self) -> Halfspaces:
        """Return each region as an intersection of halfspaces.

        Raises
        ------
        DataError
            If the network is too wide for the matrices to be stored.
        """
        inputs, bits = prod(self.program.input_shape), sum(layer.bits for layer in self.program.layers)
        if len(self) * inputs * max(bits, self.program.width) > LARGEST_MATRIX:
            raise DataError(
                f"{len(self):,} regions of {bits:,} halfspaces in {inputs:,} dimensions are too many numbers; give "
                "fewer examples or a smaller network, or use radius() and chord(), which need none of them"
            )
        flow = Flow(self.program, self.program.rows(self.x), unit_vectors(self.program, 0, inputs))
        normals, slacks = [self.x.new_zeros(inputs, len(self), 0)], [self.x.new_zeros(len(self), 0)]
        for gate, state in zip(flow, self.states, strict=True):
            normals.append(-gate.slack_tangents(state, flow.tangent).expand(-1, len(self), -1))
            slacks.append(gate.slack(state, flow.value))
            flow.pass_gate(state)
        matrix = torch.cat(normals, dim=2).permute(1, 2, 0)
        slack = torch.cat(slacks, dim=1)
        offset = torch.einsum("nbi,ni->nb", matrix, self.x.flatten(1)) + slack
        return Halfspaces(matrix, torch.where(slack == inf, 0.0, offset))

    def _chunks(self, each: int) -> list[slice]:
        step = self.program.chunk(each)
        return [slice(start, start + step) for start in range(0, len(self), step)]


def at(model: torch.nn.Module | Program, x: Any, dtype: torch.dtype = torch.float64) -> Region:
    """Return the linear regions of examples, exactly.

    Parameters
    ----------
    model : torch.nn.Module or Program
        A piecewise linear network, or one already traced (:func:`hashlens.regions.trace`).
    x : torch.Tensor or numpy.ndarray
        Examples ``(n, *input)``, floating point.
    dtype : torch.dtype
        Dtype of the computation: float64 or float32. A program keeps its own.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If the examples are not valid input.

    Examples
    --------
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), torch.nn.ReLU())
    >>> _ = torch.nn.init.constant_(net[0].weight, 1.0)
    >>> float(at(net, torch.tensor([[3.0, 1.0]])).radius(norm=inf).distance[0])
    2.0
    """
    with torch.inference_mode(False), torch.no_grad():
        program, rows = program_of(model, x, dtype)
        outputs, result = list[Tensor](), list[list[Tensor]]()
        for chunk in torch.split(rows, program.chunk()):
            output, parts = states(program, program.rows(chunk))
            outputs.append(output.reshape(len(chunk), *program.output_shape))
            result.append(parts)
        joined = [torch.cat(tensors) for tensors in zip(*result, strict=True)]
        return Region(program, rows, torch.cat(outputs), joined)
