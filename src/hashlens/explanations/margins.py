"""Margins: how far every bit of a code is on the wanted side, and the slope of that with respect to the input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

from hashlens.codes.dispatch import Dispatch
from hashlens.codes.gates import Bound, Gate
from hashlens.codes.naming import layer_name
from hashlens.codes.running_module import RunningModule
from hashlens.errors import ExplainError
from hashlens.regions.program import Flow, Program
from hashlens.regions.windows import WindowMax

Tensor = torch.Tensor
Loss = Callable[[dict[str, Tensor]], Tensor]


@dataclass(frozen=True)
class TargetBits:
    """The bits that a layer is to have.

    Attributes
    ----------
    bits : torch.Tensor
        bool ``(n, k)``.
    places : torch.Tensor or None
        int64 ``(k,)``: which of the layer's bits they are; None for all.
    """

    bits: Tensor
    places: Tensor | None = None

    def of(self, rows: slice) -> "TargetBits":
        """Return those of some rows."""
        return TargetBits(self.bits[rows], self.places)

    def chosen(self, all_bits: Tensor) -> Tensor:
        """Return what is wanted of something of all bits, ``(n, k)``."""
        return all_bits if self.places is None else all_bits[:, self.places]

    def put_into(self, own: Tensor) -> Tensor:
        """Return all bits ``(n, bits)`` with those that are wanted in their place."""
        if self.places is None:
            return self.bits
        return own.index_copy(1, self.places, self.bits)


class Margins(Protocol):
    """How margins are read, and pulled on."""

    dtype: torch.dtype

    def slope(self, x: Tensor, wanted: dict[str, TargetBits], loss: Loss) -> Tensor:
        """Return the slope of a loss of the margins of each layer, ``(n, bits)``, positive on the wanted side."""


@dataclass(frozen=True)
class FixedGates:
    """Margins in a piecewise linear network whose gates are held on the wanted side.

    With its gates held the network is affine, so a loss that is convex in the margins is convex in the input: there is
    no wrong valley to end in. Where all margins are positive, the network itself has that code.
    """

    program: Program

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in."""
        return self.program.dtype

    def slope(self, x: Tensor, wanted: dict[str, TargetBits], loss: Loss) -> Tensor:
        """Return the slope of a loss of the margins of each layer."""
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (found,) = torch.autograd.grad(loss(self._margins(leaf, wanted)), leaf)
        return found

    def _margins(self, x: Tensor, wanted: dict[str, TargetBits]) -> dict[str, Tensor]:
        margins = {}
        flow = Flow(self.program, self.program.rows(x))
        for gate in flow:
            state = gate.state(flow.value.detach())
            request = wanted.get(gate.layer.name)
            if request is not None:
                bits = request.put_into(gate.bits(state))
                state = _winners(gate, bits, state) if isinstance(gate, WindowMax) else bits.reshape(state.shape)
                margins[gate.layer.name] = request.chosen(gate.slack(state, flow.value))
            flow.bend(state)
        return margins


def _winners(gate: WindowMax, bits: Tensor, state: Tensor) -> Tensor:
    return bits.reshape(*state.shape, gate.positions.shape[1]).to(torch.uint8).argmax(dim=-1)


class UnconstrainedGates:
    """Margins in any network, as it is: what an early gate does wrong moves all that comes behind it."""

    channel = masked = False

    def __init__(self, model: torch.nn.Module, dtype: torch.dtype, every_gate: bool = False) -> None:
        self.model, self.dtype, self.every_gate = model, dtype, every_gate
        self._wanted: dict[str, TargetBits] = {}
        self._kept: dict[str, tuple[Gate, Bound, GradientEdge]] = {}
        self._names: set[str] = set()
        self._running: RunningModule

    def slope(self, x: Tensor, wanted: dict[str, TargetBits], loss: Loss) -> Tensor:
        """Return the slope of a loss of the margins of each layer."""
        self._wanted, self._kept, self._names = wanted, {}, set()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            with RunningModule(self.model, _nothing, _nothing) as self._running, Dispatch(self):
                self._running.runner()(leaf * 1)
            inputs, margins = {}, {}
            for name, (gate, bound, _) in self._kept.items():
                inputs[name] = bound["self"].requires_grad_()
                above = [at - breakpoint for at, breakpoint in gate.planes(bound)]
                side = wanted[name].chosen(torch.stack(above, dim=-1).reshape(len(x), -1))
                margins[name] = torch.where(wanted[name].bits, side, -side)
            pulls = torch.autograd.grad(loss(margins), list(inputs.values()))
            edges = [edge for _, _, edge in self._kept.values()]
            (found,) = torch.autograd.grad(edges, leaf, pulls, allow_unused=True)
        return torch.zeros_like(x) if found is None else found

    @property
    def running_path(self) -> str:
        """The path of the module that is running."""
        return self._running.current[0]

    def on_gate(self, gate: Gate, bound: Bound, output: Tensor | None = None) -> None:
        """Keep what goes into a gate, and where slopes with respect to it enter the network."""
        if not gate.planes(bound) or not (gate.activation or self.every_gate):
            return
        name = layer_name(self._running, gate.name, self._names)
        if name not in self._wanted:
            return
        if not bound["self"].requires_grad:
            raise ExplainError(f"layer {name!r} does not depend on the input: leave it out with layers=['!{name}']")
        copies = {key: at.detach().clone() if isinstance(at, Tensor) else at for key, at in bound.items()}
        self._kept[name] = gate, copies, get_gradient_edge(bound["self"])

    def on_pool(self, operator: str, bound: Bound, indices: Tensor) -> None:
        """Max-pools are left as they are."""

    def on_affine(self, operator: str, inputs: Tensor, outputs: int) -> None:
        """Affine maps have no bits."""

    def on_resize(self, operator: str, bound: Bound, result: Any) -> None:
        """There is no padding to follow."""


def _nothing(*_: Any) -> None:
    pass
