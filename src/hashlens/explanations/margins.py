"""Margins: how far the input of each gate is on the required side of its breakpoint, and gradients of their losses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

from hashlens.codes.dispatch import Dispatch
from hashlens.codes.gates import Bound, Gate, gate_of_module
from hashlens.codes.naming import layer_name
from hashlens.codes.running_module import RunningModule
from hashlens.errors import ExplainError
from hashlens.regions.program import Flow, Program
from hashlens.regions.windows import WindowMax

Tensor = torch.Tensor
Loss = Callable[[dict[str, Tensor]], Tensor]


@dataclass(frozen=True)
class TargetBits:
    """Required bits of a layer.

    Attributes
    ----------
    bits : torch.Tensor
        bool ``(n, k)``: required values of the bits.
    places : torch.Tensor or None
        int64 ``(k,)``: indices of these bits in the layer; None for all.
    """

    bits: Tensor
    places: Tensor | None = None

    def of(self, rows: slice) -> "TargetBits":
        """Return the required bits of some rows."""
        return TargetBits(self.bits[rows], self.places)

    def chosen(self, all_bits: Tensor) -> Tensor:
        """Return the columns of the required bits from an array of all bits, ``(n, k)``."""
        return all_bits if self.places is None else all_bits[:, self.places]

    def put_into(self, own: Tensor) -> Tensor:
        """Return all bits ``(n, bits)`` with the required ones replaced."""
        if self.places is None:
            return self.bits
        return own.index_copy(1, self.places, self.bits)


class Margins(Protocol):
    """Interface: the gradient of a loss of the margins with respect to the input."""

    dtype: torch.dtype

    def loss_gradient(self, x: Tensor, wanted: dict[str, TargetBits], loss: Loss) -> Tensor:
        """Return the gradient of a loss of the margins of each layer, ``(n, bits)``, positive on the required side."""


@dataclass(frozen=True)
class FixedGates:
    """Margins in a piecewise linear network; the gates with required bits are fixed to the required side.

    If all gates are fixed, the network is affine, so a loss that is convex in the margins is convex in the input, and
    has no local minima. If all margins are positive, the network itself has the required code.
    """

    program: Program

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the computation."""
        return self.program.dtype

    def loss_gradient(self, x: Tensor, wanted: dict[str, TargetBits], loss: Loss) -> Tensor:
        """Return the gradient of a loss of the margins of each layer."""
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (result,) = torch.autograd.grad(loss(self._margins(leaf, wanted)), leaf)
        return result

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
            flow.pass_gate(state)
        return margins


def _winners(gate: WindowMax, bits: Tensor, state: Tensor) -> Tensor:
    return bits.reshape(*state.shape, gate.positions.shape[1]).to(torch.uint8).argmax(dim=-1)


class UnconstrainedGates:
    """Margins in any network, without fixing gates: a wrong bit of an early gate changes all later margins."""

    channel = masked = False

    def __init__(self, model: torch.nn.Module, dtype: torch.dtype, every_gate: bool = False) -> None:
        self.model, self.dtype, self.every_gate = model, dtype, every_gate
        self._wanted: dict[str, TargetBits] = {}
        self._kept: dict[str, tuple[Gate, Bound, GradientEdge]] = {}
        self._names: set[str] = set()
        self._rows_first: bool | None = None
        self._running: RunningModule

    def loss_gradient(self, x: Tensor, wanted: dict[str, TargetBits], loss: Loss) -> Tensor:
        """Return the gradient of a loss of the margins of each layer."""
        self._wanted = wanted
        if self._rows_first is None and len(x) > 1:
            # A run on one example shows which axis has the examples; tokens may come first.
            gates = self._run(x[:1].detach().clone().requires_grad_()).values()
            self._rows_first = all(bound["self"].shape[:1] == (1,) for _, bound, _ in gates)
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            inputs, edges, sides = list[Tensor](), list[GradientEdge](), dict[str, list[Tensor]]()
            for rows in [leaf] if self._rows_first or len(x) == 1 else torch.split(leaf, 1):
                for name, (gate, bound, edge) in self._run(rows).items():
                    inputs.append(bound["self"].requires_grad_())
                    edges.append(edge)
                    above = [value - breakpoint for value, breakpoint in gate.planes(bound)]
                    side = wanted[name].chosen(torch.stack(above, dim=-1).reshape(len(rows), -1))
                    sides.setdefault(name, []).append(side)
            margins = {
                name: torch.where(wanted[name].bits, side := torch.cat(parts), -side) for name, parts in sides.items()
            }
            pulls = torch.autograd.grad(loss(margins), inputs)
            (result,) = torch.autograd.grad(edges, leaf, pulls, allow_unused=True)
        return torch.zeros_like(x) if result is None else result

    def _run(self, rows: Tensor) -> dict[str, tuple[Gate, Bound, GradientEdge]]:
        """Run the network on some rows and return the input of each requested gate."""
        self._kept, self._names = {}, set()
        with torch.enable_grad(), RunningModule(self.model, _nothing, _nothing) as self._running, Dispatch(self):
            self._running.runner()(rows * 1)
        return self._kept

    @property
    def running_path(self) -> str:
        """Path of the module that is running."""
        return self._running.current[0]

    def on_gate(self, gate: Gate, bound: Bound, output: Tensor | None = None) -> None:
        """Record the input of a gate, and the tensor whose gradient is taken."""
        gate = gate_of_module(self._running.current[1], gate)
        if not gate.planes(bound) or not (gate.activation or self.every_gate):
            return
        name = layer_name(self._running, gate.name, self._names)
        if name not in self._wanted:
            return
        if not bound["self"].requires_grad:
            raise ExplainError(f"layer {name!r} does not depend on the input: leave it out with layers=['!{name}']")
        copies = {
            key: argument.detach().clone() if isinstance(argument, Tensor) else argument
            for key, argument in bound.items()
        }
        self._kept[name] = gate, copies, get_gradient_edge(bound["self"])

    def on_pool(self, operator: str, bound: Bound, indices: Tensor) -> None:
        """Ignore max-pools."""

    def on_affine(self, operator: str, inputs: Tensor, outputs: int) -> None:
        """Ignore affine maps, which have no bits."""

    def on_resize(self, operator: str, bound: Bound, result: Any) -> None:
        """Ignore changes of the sequence length: there is no padding."""


def _nothing(*_: Any) -> None:
    pass
