"""Programs: a network as a list of affine steps and gates, and rows that flow through it.

Tracing accepts only networks that run the same operators whatever the values of the input. So the program traced with
one example is valid for all examples of that shape: it is traced once, and then run on any number of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer
from hashlens.codes.packing import Packed
from hashlens.codes.provenance import Provenance
from hashlens.nets.output import Output
from hashlens.regions.calls import Affine
from hashlens.regions.piecewise_linear import PiecewiseLinear
from hashlens.regions.windows import WindowMax

Tensor = torch.Tensor
Gate = PiecewiseLinear | WindowMax
Step = Affine | PiecewiseLinear | WindowMax
INPUT = 0
BUDGET = 1 << 25
"""Largest number of entries of the widest tensor of a pass (256 MiB in float64)."""


@dataclass(frozen=True, eq=False)
class Program:
    """A piecewise linear network, written as steps on numbered registers.

    Attributes
    ----------
    model : str
        Class name of the network.
    steps : tuple
        Affine steps and gates in order of execution; register 0 is the input.
    output : int
        Register of the network's output.
    shapes : tuple of tuple of int
        Shape of each register for one example; that of the input begins with a batch axis of length 1, that of the
        output usually does.
    dtype : torch.dtype
        Dtype of the computation.
    device : torch.device
        Device of the computation.
    read_as : Output
        How the output is read: as scores of classes, or as values.
    """

    model: str
    steps: tuple[Step, ...] = field(repr=False)
    output: int
    shapes: tuple[tuple[int, ...], ...] = field(repr=False)
    dtype: torch.dtype
    device: torch.device
    read_as: Output

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """Gates in order of execution."""
        return tuple(step for step in self.steps if not isinstance(step, Affine))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the code: one for each gate."""
        return tuple(gate.layer for gate in self.gates)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.shapes[INPUT][1:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output for one example."""
        shape = self.shapes[self.output]
        return shape[1:] if shape and shape[0] == 1 else shape

    @cached_property
    def width(self) -> int:
        """Number of entries of the widest register (a max-pool counts the elements of all windows)."""
        gate_bits = [gate.layer.bits for gate in self.gates]
        return max(*map(prod, self.shapes), *gate_bits)

    @cached_property
    def last_used(self) -> tuple[tuple[int, ...], ...]:
        """Registers that are no longer needed after each step."""
        last = {register: position for position, step in enumerate(self.steps) for register in step.inputs}
        dead: list[list[int]] = [[] for _ in self.steps]
        for position, step in enumerate(self.steps):
            last.setdefault(step.output, position)
        last[self.output] = len(self.steps)
        for register, position in last.items():
            if position < len(self.steps):
                dead[position].append(register)
        return tuple(map(tuple, dead))

    def chunk(self, each: int = 1) -> int:
        """Return the number of rows that may be run at once, if every row needs the memory of `each` rows."""
        return max(1, BUDGET // (self.width * each))

    def rows(self, x: Tensor) -> Tensor:
        """Return examples ``(n, *input_shape)`` as rows ``(n, 1, *input_shape)``."""
        return x.reshape(len(x), *self.shapes[INPUT])

    def codes(self, packed: Sequence[Packed], examples: int) -> Codes:
        """Return codes from the packed rows of each gate, uint8."""
        none = np.zeros((examples, 0), np.uint8)  # a network without gates has codes of 0 bits
        rows = np.concatenate([none, *packed], axis=1)
        provenance = Provenance(model=self.model, gates="all", dtype=str(self.dtype).removeprefix("torch."))
        return Codes(rows, self.layers, provenance=provenance)


class Flow:
    """Rows that are passed through a program: values, tangents, or both.

    A flow is an iterator that stops before every gate. The caller then sets the state of the gate, the linear piece
    that each unit is on::

        for gate in flow:
            flow.pass_gate(gate.state(flow.value))

    There, a row may be repeated (:meth:`take`), so that its copies have different states.

    Parameters
    ----------
    program : Program
        The traced network.
    value : torch.Tensor, optional
        ``(rows, 1, *input_shape)``: inputs, as :meth:`Program.rows` returns them.
    tangent : torch.Tensor, optional
        ``(k, rows, 1, *input_shape)``: k directions in input space for each row; or ``(k, 1, 1, *input_shape)`` if all
        rows share them. Shared tangents are computed only once up to the first gate.
    """

    def __init__(self, program: Program, value: Tensor | None = None, tangent: Tensor | None = None) -> None:
        self.program = program
        self._values = {} if value is None else {INPUT: value}
        self._tangents = {} if tangent is None else {INPUT: tangent}
        self._position = 0

    def __iter__(self) -> Iterator[Gate]:
        while self._position < len(self.program.steps):
            step = self.program.steps[self._position]
            if isinstance(step, Affine):
                self._run(step)
                self._advance()
            else:
                yield step

    @property
    def _gate(self) -> Gate:
        step = self.program.steps[self._position]
        assert not isinstance(step, Affine)
        return step

    @property
    def value(self) -> Tensor:
        """Values before the next gate, ``(rows, *shape)``; after the last gate, the output."""
        return self._values[self._register]

    @property
    def tangent(self) -> Tensor:
        """Tangents before the next gate, ``(directions, rows, *shape)``; after the last gate, those of the output."""
        return self._tangents[self._register]

    @property
    def _register(self) -> int:
        done = self._position == len(self.program.steps)
        return self.program.output if done else self._gate.input

    def pass_gate(self, state: Tensor) -> None:
        """Pass the next gate, with the rows in the given state."""
        gate = self._gate
        if self._values:
            self._values[gate.output] = gate.apply(state, self._values[gate.input])
        if self._tangents:
            self._tangents[gate.output] = gate.map_tangents(state, self._tangents[gate.input])
        self._advance()

    def take(self, row_numbers: Tensor) -> None:
        """Replace the rows by those with these numbers, int64, which may repeat; not while tangents are shared."""
        self._values = {key: rows.index_select(0, row_numbers) for key, rows in self._values.items()}
        self._tangents = {key: rows.index_select(1, row_numbers) for key, rows in self._tangents.items()}

    def part(self, row_numbers: Tensor) -> "Flow":
        """Return a separate flow that continues from here with the rows of these numbers, int64."""
        flow = Flow(self.program)
        flow._values = {key: value.index_select(0, row_numbers) for key, value in self._values.items()}
        flow._tangents = {key: tangent.index_select(1, row_numbers) for key, tangent in self._tangents.items()}
        flow._position = self._position
        return flow

    def _run(self, step: Affine) -> None:
        if self._values:
            self._values[step.output] = step.apply(*(self._values[register] for register in step.inputs))
        if self._tangents:
            tangents = [self._tangents[register] for register in step.inputs]
            directions, rows = len(tangents[0]), max(tangent.shape[1] for tangent in tangents)
            flat = [tangent.expand(-1, rows, *tangent.shape[2:]).flatten(0, 1) for tangent in tangents]
            self._tangents[step.output] = step.map_tangents(*flat).reshape(
                directions, rows, *self.program.shapes[step.output]
            )

    def _advance(self) -> None:
        for register in self.program.last_used[self._position]:
            self._values.pop(register, None)
            self._tangents.pop(register, None)
        self._position += 1


def states(program: Program, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the output ``(n, *output)`` and the state of every gate at rows `x`."""
    result = []
    flow = Flow(program, x)
    for gate in flow:
        result.append(gate.state(flow.value))
        flow.pass_gate(result[-1])
    return flow.value, result


def output_tangents(program: Program, gate_states: list[Tensor], tangent: Tensor) -> Tensor:
    """Return the tangents of the output: the linear map of the region with these gate states, applied to `tangent`."""
    flow = Flow(program, tangent=tangent)
    for _, state in zip(flow, gate_states, strict=True):
        flow.pass_gate(state)
    return flow.tangent
