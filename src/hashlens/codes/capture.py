"""Capture: run a network on batches and read the bits of its gates, however they are implemented.

A dispatch mode sees every ATen operator. So modules, functional calls, in-place operators, scripted and exported graphs
give the same bits. Bits are read from a gate's input before the operator runs, so in-place operators need no copy.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.batch_axes import BatchAxes, ProbedInput
from hashlens.codes.bounds import UNBOUNDED, has_constant_bits
from hashlens.codes.comparison import Comparison
from hashlens.codes.dispatch import Dispatch
from hashlens.codes.evaluation_mode import evaluation_mode
from hashlens.codes.finite import FiniteCheck, refuse_not_finite
from hashlens.codes.gates import ACTIVATION_MODULES, Bound, Gate, Plane, gate_of_module, max_pool_choices
from hashlens.codes.last_operator import LastOperators
from hashlens.codes.layer_axes import LayerAxes, Masks
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.layout import Layout
from hashlens.codes.model_error import model_error
from hashlens.codes.naming import ACTIVATION_NAMES, layer_name
from hashlens.codes.packed_row import PackedRow
from hashlens.codes.packing import Packed, pack_bits, pack_bits_torch, packed_bytes
from hashlens.codes.provenance import CONSTANT
from hashlens.codes.reorderings import Reorderings
from hashlens.codes.running_module import RunningModule
from hashlens.data.input_digests import Digests
from hashlens.errors import CaptureError, HashlensError

Tensor = torch.Tensor


@dataclass(frozen=True)
class CapturedBatch:
    """Result of one batch: packed rows (a tensor on an accelerator) in the layout `layers`, values, output, digests.

    The reader adds the scores ``(n, K)`` of the output, if there are any.
    """

    packed: Packed | Tensor
    values: npt.NDArray[np.float32] | None
    layers: tuple[Layer, ...]
    output: Any
    penultimate: Tensor | None
    digests: Digests | None = None
    scores: Tensor | None = None


class Capture:
    """Read the bits of a network, batch by batch; a context manager.

    Parameters
    ----------
    model : torch.nn.Module
        Already unwrapped (see :func:`hashlens.codes.unwrap.unwrap`).
    layers : sequence of str, optional
        Globs over layer names; ``!glob`` leaves layers out. None takes all layers.
    granularity : {"unit", "channel"}
        ``unit``: one bit per unit. ``channel``: one bit per channel (on if any of its units is on), and the channel's
        activation summed over space.
    gates : {"activations", "hard", "all"}
        ``hard`` refuses soft activations; ``all`` adds abs, maximum, minimum and max-pool.
    penultimate : bool
        Whether to keep the input of the last affine map of each batch.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        layers: Sequence[str] | None = None,
        granularity: str = "unit",
        gates: str = "activations",
        penultimate: bool = False,
    ) -> None:
        self.model = model
        self.layout = Layout(layers)
        self.channel = granularity == "channel"
        self.every_gate = gates == "all"
        self.hard_only = gates == "hard"
        self.keep_penultimate = penultimate
        self.kept_positions: dict[str, npt.NDArray[np.int64]] | None = None
        self.axes = BatchAxes()
        self.operators: LastOperators | None = None
        """Record of the operators of this pass; None if they are not recorded."""
        self._position_axes: dict[str, int | None] = {}
        self._compare = Comparison()
        self._row = PackedRow()
        self._probed: dict[str, ProbedInput] | None
        self._start_batch(0, None)

    def __enter__(self) -> "Capture":
        self._stack = ExitStack()
        with self._stack:
            self._stack.enter_context(evaluation_mode(self.model))
            running = RunningModule(self.model, self._enter_module, self._leave_module)
            self._running = self._stack.enter_context(running)
            self.runner = self._running.runner()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def running_path(self) -> str:
        """Path of the module that is running."""
        return self._running.current[0]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers seen so far, in the layout of a row."""
        return lay_out(self.layout.layers)

    def run(self, call: Callable[[Any, Any], Any], inputs: Any, size: int, mask: Masks | None = None) -> CapturedBatch:
        """Run ``call(network, inputs)`` on one batch of `size` examples and return its bits.

        Parameters
        ----------
        call : callable
            Function that calls the network on the inputs.
        inputs : Any
            The batch.
        size : int
            Number of examples in the batch.
        mask : mapping, optional
            Masks by glob over layer names: bool ``(size, positions)``, true where a position is not padding, or None
            for layers without padding. The first glob that matches is used.

        Raises
        ------
        CaptureError
            If a gate is hidden, its input is not finite, or its size changes between batches.
        ModelError
            If the network rejects the batch.
        """
        self._start_batch(size, mask)
        dispatch = Dispatch(self, self._reorderings.update if self.masked else None)
        try:
            with dispatch:
                output = call(self.runner, inputs)
        except HashlensError:
            raise
        except Exception as error:  # whatever a user's network raises
            if dispatch.error is not None:
                raise dispatch.error from None
            raise model_error(error, inputs) from error
        self._check_graph()
        self._finish_batch()
        return CapturedBatch(
            self._row.join(), self._value_row(), lay_out(self._batch_layers), output, self._penultimate
        )

    def probe(
        self,
        call: Callable[[Any, Any], Any],
        smaller: Any,
        larger: Any,
        order: Sequence[int],
        all_batched: bool = True,
        others: Any = None,
    ) -> bool:
        """Run two small batches of different sizes, to find the batch axis of each gate.

        Without a probe, axis 0 is taken as the batch axis if its length is the batch size. A weight, or an axis of
        tokens, may have that length by chance. Gates with equal input values in both batches are applied to weights,
        not to examples.

        Parameters
        ----------
        call : callable
            As in :meth:`run`.
        smaller, larger : Any
            Inputs of some examples, and of these with one more.
        order : sequence of int
            Rows of `larger` that are in `smaller`, in its order.
        all_batched : bool
            Whether every tensor of the inputs has a batch axis.
        others : Any, optional
            As many examples as in `smaller`, others if possible; run if some gates had equal values in both batches.

        Returns
        -------
        bool
            Whether the network accepted both batches. If not, :meth:`run` raises with a better message.
        """
        sizes = len(order), len(order) + 1
        first, second = (
            self._probe_run(call, inputs, size) for inputs, size in zip((smaller, larger), sizes, strict=True)
        )
        if first is None or second is None:
            return False
        self.axes.learn(first, second, order, all_batched)
        if others is not None and self.axes.fixed:
            third = self._probe_run(call, others, sizes[0])
            if third is not None:
                self.axes.recheck_fixed(first, third)
        return True

    def needs_two_examples(
        self, call: Callable[[Any, Any], Any], single: Any, doubled: Any, all_batched: bool = True
    ) -> bool:
        """Return whether a batch of one example fails or loses its batch axis, and the same example twice does not.

        If neither happens, the two batches also serve as the probe, if there was none (see :meth:`probe`).
        """
        first, second = self._probe_run(call, single, 1), self._probe_run(call, doubled, 2)
        if first is None or second is None:
            return second is not None
        if first.keys() != second.keys() or any(len(first[name].shape) != len(second[name].shape) for name in first):
            return True
        if not self.axes.are_known:
            self.axes.learn(first, second, [0], all_batched)
        return False

    def _probe_run(self, call: Callable[[Any, Any], Any], inputs: Any, size: int) -> dict[str, ProbedInput] | None:
        """Return a record of the input of each gate; None if the network fails."""
        self._start_batch(size, None)
        probed: dict[str, ProbedInput] = {}
        self._probed = probed
        try:
            with Dispatch(self):
                call(self.runner, inputs)
        except Exception:  # whatever a user's network raises
            return None
        return probed

    def _start_batch(self, size: int, mask: Masks | None) -> None:
        self._size = size
        self.masked = mask is not None
        self._layer_axes = LayerAxes(size, mask, self._position_axes)
        self._reorderings = Reorderings(self._layer_axes)
        self._finite = FiniteCheck()
        self._probed = None
        self._names: set[str] = set()
        self._batch_layers: list[Layer] = []
        self._row.start()
        self._values: list[Tensor] = []
        self._gates_run = 0
        self._gated_calls: set[str] = set()
        self._entered: list[int] = []
        self._penultimate: Tensor | None = None

    # --- calls from modules ---------------------------------------------------------------------------------------

    def _enter_module(self, module: torch.nn.Module) -> None:
        self._entered.append(self._gates_run)

    def _leave_module(self, path: str, module: torch.nn.Module, failed: bool) -> None:
        gates_before = self._entered.pop()
        if isinstance(module, ACTIVATION_MODULES) and self._gates_run == gates_before and not failed:
            raise CaptureError(
                f"activation module {path or 'the model'!r} ({type(module).__name__}) ran and no gate was seen in it: "
                "its forward hides the operator; write it with torch operators, or replace it by the standard module"
            )

    def _check_graph(self) -> None:
        """Raise CaptureError if an activation module of an exported program has no gate any more."""
        for call, (path, kind) in self._running.calls.items():
            if kind in ACTIVATION_NAMES and call not in self._gated_calls:
                raise CaptureError(
                    f"activation module {path!r} ({kind.rpartition('.')[2]}) of the exported program gives "
                    "no gate: it was decomposed into other operators; give the program as it was before "
                    "run_decompositions"
                )

    # --- calls from operators -------------------------------------------------------------------------------------

    def on_gate(self, gate: Gate, bound: Bound, output: Tensor | None = None) -> None:
        """Read the bits of one elementwise gate (in channel mode, from its output too)."""
        gate = gate_of_module(self._running.current[1], gate)
        planes = gate.planes(bound)
        if not planes or not (gate.activation or self.every_gate):
            return
        self._gates_run += 1
        self._gated_calls.add(self._running.call)
        name = layer_name(self._running, gate.name, self._names)
        axis = self._axis(name, gate.name, planes[0][0])
        if axis is None or not self._select(name) or self._leave_out_constant(name, gate.name, planes):
            return
        if gate.soft and self.hard_only:
            raise CaptureError(
                f"layer {name!r} is soft ({gate.name}): its bit bounds no linear region; leave it out with "
                f"layers='!{name}', or read soft codes with gates='activations'"
            )
        self._layer_axes.reordered = self._reorderings.describe(planes[0][0])
        planes = [(self._batch_first(x, axis), self._batch_first(breakpoint, axis)) for x, breakpoint in planes]
        if self.channel:
            assert output is not None
            self._read_channels(name, gate, planes, self._batch_first(output, axis))
        else:
            shape = tuple(planes[0][0].shape[1:])
            self._read_units(
                Layer(name, gate.name, shape, len(planes), gate.soft, bits=len(planes) * prod(shape)), planes
            )

    def on_pool(self, operator: str, bound: Bound, indices: Tensor) -> None:
        """Read the one-hot choices of one max-pool."""
        if not self.every_gate or self.channel:
            return
        name = layer_name(self._running, operator, self._names)
        axis = self._axis(name, operator, bound["self"])
        if axis is not None and self._select(name):
            chosen = self._batch_first(max_pool_choices(operator, bound, indices), axis)
            chosen, padded = self._layer_axes.pad_last(name, chosen, chosen.shape[:-1])
            layer = Layer(name, operator, tuple(chosen.shape[1:-1]), chosen.shape[-1])
            self._add_bits(layer, chosen.flatten(1), padded)

    def on_resize(self, operator: str, bound: Bound, result: Any) -> None:
        """Update the padded positions after an operator that may change the number of positions."""
        self._layer_axes.on_resize(operator, bound, result)

    def on_affine(self, operator: str, inputs: Tensor, outputs: int) -> None:
        """Record an affine map: it shows the channel axis, and the input of the last one is the penultimate feature."""
        self._layer_axes.on_affine(operator, inputs, outputs)
        if self.keep_penultimate and inputs.dim() >= 2 and len(inputs) == self._size:
            self._penultimate = inputs

    def _axis(self, name: str, operator: str, x: Tensor) -> int | None:
        """Return the batch axis of a gate's input (-t if t tokens are folded into it); None if the gate is not read."""
        if self._probed is not None:
            self._probed[name] = ProbedInput.from_input(x, self._size)
            return None
        # A weight may have as many rows as the batch has examples, but does not belong to them.
        if not x.is_floating_point() or isinstance(x, torch.nn.Parameter) or name in self.axes.fixed:
            self.layout.no_activation[f"{name}: {operator} of {tuple(x.shape)}"] = None
            return None
        if x.dim() and x.numel() and not self.layout.is_left_out(name):
            positions = self._layer_axes.positions_of(name)
            tokens = None if positions is None else positions.folded_width(x.shape[0])
            if tokens is not None and self.axes.may_fold(name) and self.axes.check_order(name, x):
                return -tokens
            axis = self.axes.axis(name)
            fits = axis is not None and axis < x.dim() and x.shape[axis] == self._size
            if fits and self.axes.check_order(name, x):
                return axis
        if self.layout.select(name):
            description = f"{operator} of {tuple(x.shape)} for {self._size} examples"
            self.layout.leave_out(name, description, self.axes.reason(name))
        return None

    def _leave_out_constant(self, name: str, operator: str, planes: list[Plane]) -> bool:
        """Leave out a gate whose bits no input of the network can change, and return whether it was left out."""
        bounds = UNBOUNDED if self.operators is None else self.operators.bounds(planes[0][0])
        if bounds == UNBOUNDED or not has_constant_bits(bounds, [breakpoint for _, breakpoint in planes]):
            return False
        self.layout.leave_out(name, f"{operator} of {tuple(planes[0][0].shape)}", CONSTANT)
        return True

    def _batch_first(self, x: Any, axis: int) -> Any:
        """Return a gate's input or output, or a breakpoint of its shape, with the batch axis first."""
        if not isinstance(x, Tensor) or axis == 0 or x.dim() == 0:
            return x
        if axis < 0:
            return x.reshape(self._size, -axis, *x.shape[1:]) if x.shape[0] == -axis * self._size else x
        return x.movedim(axis, 0) if x.dim() > axis and x.shape[axis] == self._size else x

    def _select(self, name: str) -> bool:
        return self.layout.select(name) and (self.kept_positions is None or name in self.kept_positions)

    # --- bits ----------------------------------------------------------------------------------------------------

    def _read_units(self, layer: Layer, planes: list[Plane]) -> None:
        x = planes[0][0]
        if (
            self.kept_positions is None
            and not self.masked
            and all(tensor is x and _comparable_in_numpy(x, breakpoint) for tensor, breakpoint in planes)
        ):
            packed = self._row.next_part(self._size, packed_bytes(layer.bits))
            if not self._compare(x, [float(breakpoint) for _, breakpoint in planes], packed):
                refuse_not_finite(layer.name, x)
            self._add_packed(layer, packed)
            return
        self._finite.check(layer.name, x)
        bits = torch.stack([x > breakpoint for x, breakpoint in planes], dim=-1)
        bits, padded = self._layer_axes.pad_last(layer.name, bits, x.shape)
        self._add_bits(replace(layer, shape=tuple(bits.shape[1:-1])), bits.reshape(self._size, -1), padded)

    def _read_channels(self, name: str, gate: Gate, planes: list[Plane], output: Tensor) -> None:
        self._finite.check(name, planes[0][0])
        out = self._layer_axes.clear_padding(name, output)
        if out.dim() == 1:  # one value per example, such as a squeezed score, is one channel
            out, planes = out[:, None], [(x[:, None], breakpoint) for x, breakpoint in planes]
        axis = self._layer_axes.channel_axis(out)
        space = [other for other in range(1, out.dim()) if other != axis]
        self._values.append((out.sum(dim=space) if space else out).float())
        masked_bits = [self._layer_axes.clear_padding(name, x > breakpoint) for x, breakpoint in planes]
        bits = torch.stack([part.amax(dim=space) if space else part for part in masked_bits], dim=-1)
        self._add_bits(Layer(name, gate.name, (out.shape[axis],), len(planes), gate.soft), bits.flatten(1))

    def _add_bits(self, layer: Layer, bits: Tensor, padded: bool = False) -> None:
        positions = None if self.kept_positions is None else self.kept_positions[layer.name]
        if positions is not None:
            bits = bits[:, torch.from_numpy(positions).to(bits.device)]
        final_layer = replace(layer, bits=bits.shape[1], positions=positions)
        packed = pack_bits(bits.numpy()) if bits.device.type == "cpu" else pack_bits_torch(bits)
        self._add_packed(final_layer, packed, padded=padded and positions is None)

    def _add_packed(self, layer: Layer, packed: Packed | Tensor, padded: bool = False) -> None:
        self.layout.check_layer(layer, len(self._batch_layers), padded=padded)
        self._batch_layers.append(layer)
        self._row.append(packed)

    def _finish_batch(self) -> None:
        self._finite.finish()
        self._layer_axes.check_steps()
        self.axes.stop_checking()
        self.layout.finish(self._batch_layers, self._size)
        self.layout.check_globs(self._layer_axes.positions)

    # --- rows ----------------------------------------------------------------------------------------------------

    def _value_row(self) -> npt.NDArray[np.float32] | None:
        return torch.cat(self._values, dim=1).detach().cpu().numpy() if self._values else None


def _comparable_in_numpy(x: Tensor, breakpoint: Tensor | float) -> bool:
    """Return whether NumPy can compare `x` with the breakpoint without a copy."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and not isinstance(breakpoint, Tensor)
