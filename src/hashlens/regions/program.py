"""Programs: a network as a list of affine steps and gates, and rows that flow through it.

Nothing that an allowed network does hangs on the values of its input, so the program of one example is the program of
all of that shape: it is traced once, and then run on as many rows as needed, whatever the network did with its batch.
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
from hashlens.regions.calls import Affine
from hashlens.regions.piecewise_linear import PiecewiseLinear
from hashlens.regions.windows import WindowMax

Tensor = torch.Tensor
Gate = PiecewiseLinear | WindowMax
Step = Affine | PiecewiseLinear | WindowMax
INPUT = 0
BUDGET = 1 << 25
"""Numbers that the widest tensor of a pass may take (256 MiB in float64)."""


@dataclass(frozen=True, eq=False)
class Program:
    """A piecewise linear network, written as steps on numbered registers.

    Attributes
    ----------
    model : str
        Class of the network.
    steps : tuple
        Affine steps and gates in order of execution; register 0 is the input.
    output : int
        Register of the network's output.
    shapes : tuple of tuple of int
        Shape of each register for one example; the input's and the output's begin with the batch of one.
    dtype : torch.dtype
        What it computes in.
    device : torch.device
        Where.
    """

    model: str
    steps: tuple[Step, ...] = field(repr=False)
    output: int
    shapes: tuple[tuple[int, ...], ...] = field(repr=False)
    dtype: torch.dtype
    device: torch.device

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The gates in order of execution."""
        return tuple(step for step in self.steps if not isinstance(step, Affine))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the code: one for each gate."""
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
        """Numbers in the widest register (a max-pool counts its windows)."""
        pools = [gate.layer.bits for gate in self.gates]
        return max(map(prod, [*self.shapes, *((at,) for at in pools)]))

    @cached_property
    def last_used(self) -> tuple[tuple[int, ...], ...]:
        """The registers that are of no more use after each step."""
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
        """Return how many rows may be run at once, where each stands for `each` rows."""
        return max(1, BUDGET // (self.width * each))

    def rows(self, x: Tensor) -> Tensor:
        """Return examples ``(n, *input_shape)`` as rows ``(n, 1, *input_shape)``."""
        return x.reshape(len(x), *self.shapes[INPUT])

    def codes(self, packed: Sequence[Packed], examples: int) -> Codes:
        """Return the codes with the given packed rows, uint8, of each gate."""
        rows = np.concatenate([np.zeros((examples, 0), np.uint8), *packed], axis=1)
        provenance = Provenance(model=self.model, gates="all", dtype=str(self.dtype).removeprefix("torch."))
        return Codes(rows, self.layers, provenance=provenance)


class Flow:
    """Rows on their way through a program: values, tangents, or both.

    A flow stops in front of every gate, for whoever iterates over it to say on which pieces the rows are::

        for gate in flow:
            flow.bend(gate.state(flow.value))

    Rows may be divided there (:meth:`take`), so that each row ends up on pieces of its own.

    Parameters
    ----------
    program : Program
        What they flow through.
    value : torch.Tensor, optional
        ``(rows, *input)``: where the rows start.
    tangent : torch.Tensor, optional
        ``(directions, rows, *input)``, or ``(directions, 1, *input)`` as long as all rows share theirs: what is the
        same for all rows is computed once, up to the first gate.
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
        """The values in front of the gate, ``(rows, *shape)``; after the last, the output."""
        return self._values[self._register]

    @property
    def tangent(self) -> Tensor:
        """The tangents in front of the gate, ``(directions, rows, *shape)``; after the last, the output's."""
        return self._tangents[self._register]

    @property
    def _register(self) -> int:
        done = self._position == len(self.program.steps)
        return self.program.output if done else self._gate.input

    def bend(self, state: Tensor) -> None:
        """Pass the gate in front, with the rows on the pieces of `state`."""
        gate = self._gate
        if self._values:
            self._values[gate.output] = gate.apply(state, self._values[gate.input])
        if self._tangents:
            self._tangents[gate.output] = gate.push(state, self._tangents[gate.input])
        self._advance()

    def take(self, parents: Tensor) -> None:
        """Go on with the rows `parents`, int64, each as often as it is named; no row shares its tangents."""
        self._values = {key: rows.index_select(0, parents) for key, rows in self._values.items()}
        self._tangents = {key: rows.index_select(1, parents) for key, rows in self._tangents.items()}

    def part(self, rows: Tensor) -> "Flow":
        """Return a flow of its own that goes on from here with some rows, int64."""
        flow = Flow(self.program)
        flow._values = {key: at.index_select(0, rows) for key, at in self._values.items()}
        flow._tangents = {key: at.index_select(1, rows) for key, at in self._tangents.items()}
        flow._position = self._position
        return flow

    def _run(self, step: Affine) -> None:
        if self._values:
            self._values[step.output] = step.apply(*(self._values[at] for at in step.inputs))
        if self._tangents:
            tangents = [self._tangents[at] for at in step.inputs]
            directions, rows = len(tangents[0]), max(at.shape[1] for at in tangents)
            flat = [at.expand(-1, rows, *at.shape[2:]).flatten(0, 1) for at in tangents]
            self._tangents[step.output] = step.push(*flat).reshape(directions, rows, *self.program.shapes[step.output])

    def _advance(self) -> None:
        for register in self.program.last_used[self._position]:
            self._values.pop(register, None)
            self._tangents.pop(register, None)
        self._position += 1


def states(program: Program, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the output ``(n, *output)`` and the state of every gate at rows `x`."""
    found = []
    flow = Flow(program, x)
    for gate in flow:
        found.append(gate.state(flow.value))
        flow.bend(found[-1])
    return flow.value, found


def pushed(program: Program, gate_states: list[Tensor], tangent: Tensor) -> Tensor:
    """Return the tangents of the output where the gates are in `gate_states`: the linear map of a region, applied."""
    flow = Flow(program, tangent=tangent)
    for _, state in zip(flow, gate_states, strict=True):
        flow.bend(state)
    return flow.tangent
