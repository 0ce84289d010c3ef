"""Capture: run a network on batches and read the bits of its gates, whatever way they are written.

A dispatch mode sees every ATen operator, so that modules, functional calls, in-place operators, scripted and exported
graphs give the same bits. Bits are read from a gate's input before the operator runs, so in-place operators cost no
copy.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.batch_axes import BatchAxes, Probed
from hashlens.codes.borrow import RunningModule, borrowed
from hashlens.codes.comparison import Comparison
from hashlens.codes.dispatch import Dispatch
from hashlens.codes.finite import FiniteCheck, refuse_not_finite
from hashlens.codes.gates import ACTIVATION_MODULES, Bound, Gate, Plane, max_pool_choices
from hashlens.codes.layer_axes import LayerAxes, Masks
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.layout import Layout
from hashlens.codes.model_error import model_error
from hashlens.codes.naming import layer_name
from hashlens.codes.packed_row import PackedRow
from hashlens.codes.packing import Packed, pack_bits, pack_bits_torch, packed_bytes
from hashlens.data.input_digests import Digests
from hashlens.errors import CaptureError, HashlensError

Tensor = torch.Tensor


@dataclass(frozen=True)
class CapturedBatch:
    """What one batch gave: packed rows (a tensor on an accelerator) laid out as `layers`, values, output, digests.

    The reader adds the scores ``(n, K)`` in the output, where it has some.
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
        Already unwrapped (see :func:`hashlens.codes.borrow.unwrap`).
    layers : sequence of str, optional
        Globs over layer names; ``!glob`` leaves layers out. None takes all.
    granularity : {"unit", "channel"}
        ``channel``: one bit a channel (some unit of it is on) and its activation summed over space.
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
        self.kept: dict[str, npt.NDArray[np.int64]] | None = None
        self.axes = BatchAxes()
        self._compare = Comparison()
        self._row = PackedRow()
        self._probed: dict[str, Probed] | None
        self._start_batch(0, None)

    def __enter__(self) -> "Capture":
        self._stack = ExitStack()
        with self._stack:
            self._stack.enter_context(borrowed(self.model))
            running = RunningModule(self.model, self._enter_module, self._leave_module)
            self._running = self._stack.enter_context(running)
            self.runner = self._running.runner()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def running_path(self) -> str:
        """The path of the module that is running."""
        return self._running.current[0]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers seen, laid out in a row."""
        return lay_out(self.layout.layers)

    def run(self, call: Callable[[Any, Any], Any], inputs: Any, size: int, mask: Masks | None = None) -> CapturedBatch:
        """Run ``call(network, inputs)`` on one batch of `size` examples and return its bits.

        Parameters
        ----------
        call : callable
            Calls the network it is given on the inputs.
        inputs : Any
            The batch.
        size : int
            Examples in the batch.
        mask : mapping, optional
            From globs over layer names to masks, bool ``(size, positions)``, true where a position is no padding; None
            for layers without padding. The first glob that fits counts.

        Raises
        ------
        CaptureError
            If a gate is hidden, its input is not finite, or it changes its size between batches.
        ModelError
            If the network rejects the batch.
        """
        self._start_batch(size, mask)
        dispatch = Dispatch(self)
        try:
            with dispatch:
                output = call(self.runner, inputs)
        except HashlensError:
            raise
        except Exception as error:  # whatever a user's network raises
            if dispatch.fault is not None:
                raise dispatch.fault from None
            raise model_error(error, inputs) from error
        self._finish_batch()
        return CapturedBatch(self._row.joined(), self._value_row(), lay_out(self._seen), output, self._penultimate)

    def probe(
        self, call: Callable[[Any, Any], Any], few: Any, more: Any, order: Sequence[int], whole: bool = True
    ) -> bool:
        """Run two small batches, of other sizes than each other, to see which axis of each gate is the batch.

        Without it the batch is taken to be in front wherever the sizes agree, which a weight, or tokens in front of the
        batch, may do by chance. Gates that get the very same values from both are gates of weights, not of examples.

        Parameters
        ----------
        call : callable
            As in :meth:`run`.
        few, more : Any
            Inputs of some examples, and of one more.
        order : sequence of int
            Which examples of `more` are in `few`.
        whole : bool
            Whether all tensors in the inputs are of examples.

        Returns
        -------
        bool
            Whether the network took both. If not, :meth:`run` says again, better, what it does not take.
        """
        sizes = len(order), len(order) + 1
        before, after = (self._probe_run(call, inputs, size) for inputs, size in zip((few, more), sizes, strict=True))
        if before is None or after is None:
            return False
        self.axes.learn(before, after, order, whole)
        return True

    def drops_batch_of_one(self, call: Callable[[Any, Any], Any], one: Any, two: Any) -> bool:
        """Return whether a batch of one example fails or loses its axis, where the same example twice does not."""
        alone, twice = self._probe_run(call, one, 1), self._probe_run(call, two, 2)
        if alone is None or twice is None:
            return twice is not None
        return alone.keys() != twice.keys() or any(len(alone[name].shape) != len(twice[name].shape) for name in alone)

    def _probe_run(self, call: Callable[[Any, Any], Any], inputs: Any, size: int) -> dict[str, Probed] | None:
        """Return what each gate gets; None if the network fails."""
        self._start_batch(size, None)
        found: dict[str, Probed] = {}
        self._probed = found
        try:
            with Dispatch(self):
                call(self.runner, inputs)
        except Exception:  # whatever a user's network raises
            return None
        return found

    def _start_batch(self, size: int, mask: Masks | None) -> None:
        self._size = size
        self.masked = mask is not None
        self._layer_axes = LayerAxes(size, mask)
        self._finite = FiniteCheck()
        self._probed = None
        self._names: set[str] = set()
        self._seen: list[Layer] = []
        self._row.start()
        self._values: list[Tensor] = []
        self._gates_run = 0
        self._entered: list[int] = []
        self._penultimate: Tensor | None = None

    # --- what the modules tell -----------------------------------------------------------------------------------

    def _enter_module(self, module: torch.nn.Module) -> None:
        self._entered.append(self._gates_run)

    def _leave_module(self, path: str, module: torch.nn.Module, failed: bool) -> None:
        gates_before = self._entered.pop()
        if isinstance(module, ACTIVATION_MODULES) and self._gates_run == gates_before and not failed:
            raise CaptureError(
                f"activation module {path or 'the model'!r} ({type(module).__name__}) ran and no gate was seen in it: "
                "its forward hides the operator; write it with torch operators, or replace it by the standard module"
            )

    # --- what the operators tell ---------------------------------------------------------------------------------

    def on_gate(self, gate: Gate, bound: Bound, output: Tensor | None = None) -> None:
        """Read the bits of one elementwise gate (in channel mode, from its output too)."""
        self._gates_run += 1
        planes = gate.planes(bound)
        if not planes or not (gate.activation or self.every_gate):
            return
        name = layer_name(self._running, gate.name, self._names)
        axis = self._axis(name, gate.name, planes[0][0])
        if axis is None or not self._selected(name):
            return
        if gate.soft and self.hard_only:
            raise CaptureError(
                f"layer {name!r} is soft ({gate.name}): its bit bounds no linear region; leave it out with "
                f"layers='!{name}', or read soft codes with gates='activations'"
            )
        planes = [(self._in_front(x, axis), self._in_front(at, axis)) for x, at in planes]
        if self.channel:
            assert output is not None
            self._take_channels(name, gate, planes, self._in_front(output, axis))
        else:
            shape = tuple(planes[0][0].shape[1:])
            self._take(Layer(name, gate.name, shape, len(planes), gate.soft, bits=len(planes) * prod(shape)), planes)

    def on_pool(self, operator: str, bound: Bound, indices: Tensor) -> None:
        """Read the one-hot choices of one max-pool."""
        if not self.every_gate or self.channel:
            return
        name = layer_name(self._running, operator, self._names)
        axis = self._axis(name, operator, bound["self"])
        if axis is not None and self._selected(name):
            chosen = self._in_front(max_pool_choices(operator, bound, indices), axis)
            chosen, padded = self._layer_axes.in_order(name, chosen, chosen.shape[:-1])
            layer = Layer(name, operator, tuple(chosen.shape[1:-1]), chosen.shape[-1])
            self._append(layer, chosen.flatten(1), padded)

    def on_resize(self, operator: str, bound: Bound, result: Any) -> None:
        """Follow the padded positions through an operator that may change how many there are."""
        self._layer_axes.on_resize(operator, bound, result)

    def on_affine(self, operator: str, inputs: Tensor, outputs: int) -> None:
        """Note an affine map: it says where channels are, and the last one's input is the penultimate feature."""
        self._layer_axes.on_affine(operator, inputs, outputs)
        if self.keep_penultimate and inputs.dim() >= 2 and len(inputs) == self._size:
            self._penultimate = inputs

    def _axis(self, name: str, operator: str, x: Tensor) -> int | None:
        """Return the batch axis of a gate's input (-t: t tokens are folded into it); None if it is no activation."""
        if self._probed is not None:
            self._probed[name] = Probed.of(x, self._size)
            return None
        # A weight may have as many rows as the batch has examples, and says nothing of them.
        if not x.is_floating_point() or isinstance(x, torch.nn.Parameter) or name in self.axes.fixed:
            self.layout.no_activation[f"{name}: {operator} of {tuple(x.shape)}"] = None
            return None
        if x.dim() and x.numel() and not self.layout.is_left_out(name):
            positions = self._layer_axes.positions_of(name)
            tokens = None if positions is None else positions.folded(x.shape[0])
            if tokens is not None and self.axes.folds(name) and self.axes.in_order(name, x):
                return -tokens
            known = self.axes.of(name)
            found = tokens is None and known is not None and known < x.dim() and x.shape[known] == self._size
            if found and self.axes.in_order(name, x):
                return known
        if self.layout.selected(name):
            seen = f"{operator} of {tuple(x.shape)} for {self._size} examples"
            self.layout.leave_out(name, seen, self.axes.reason(name))
        return None

    def _in_front(self, x: Any, axis: int) -> Any:
        """Return a gate's input or output, or a breakpoint of its shape, with the batch in front."""
        if not isinstance(x, Tensor) or axis == 0 or x.dim() == 0:
            return x
        if axis < 0:
            return x.reshape(self._size, -axis, *x.shape[1:]) if x.shape[0] == -axis * self._size else x
        return x.movedim(axis, 0) if x.dim() > axis and x.shape[axis] == self._size else x

    def _selected(self, name: str) -> bool:
        return self.layout.selected(name) and (self.kept is None or name in self.kept)

    # --- bits ----------------------------------------------------------------------------------------------------

    def _take(self, layer: Layer, planes: list[Plane]) -> None:
        x = planes[0][0]
        if self.kept is None and not self.masked and all(one is x and _plain(x, at) for one, at in planes):
            packed = self._row.room(self._size, packed_bytes(layer.bits))
            if not self._compare(x, [float(at) for _, at in planes], packed):
                refuse_not_finite(layer.name, x)
            self._place(layer, packed)
            return
        self._finite.see(layer.name, x)
        on = torch.stack([x > at for x, at in planes], dim=-1)
        on, padded = self._layer_axes.in_order(layer.name, on, x.shape)
        self._append(replace(layer, shape=tuple(on.shape[1:-1])), on.reshape(self._size, -1), padded)

    def _take_channels(self, name: str, gate: Gate, planes: list[Plane], output: Tensor) -> None:
        self._finite.see(name, planes[0][0])
        out = self._layer_axes.masked(name, output)
        if out.dim() == 1:  # one value an example, as a squeezed score, is one channel
            out, planes = out[:, None], [(x[:, None], at) for x, at in planes]
        axis = self._layer_axes.channel_axis(out)
        space = [at for at in range(1, out.dim()) if at != axis]
        self._values.append((out.sum(dim=space) if space else out).float())
        on = [self._layer_axes.masked(name, x > at) for x, at in planes]
        bits = torch.stack([plane.amax(dim=space) if space else plane for plane in on], dim=-1)
        self._append(Layer(name, gate.name, (out.shape[axis],), len(planes), gate.soft), bits.flatten(1))

    def _append(self, layer: Layer, bits: Tensor, padded: bool = False) -> None:
        positions = None if self.kept is None else self.kept[layer.name]
        if positions is not None:
            bits = bits[:, torch.from_numpy(positions).to(bits.device)]
        placed = replace(layer, bits=bits.shape[1], positions=positions)
        packed = pack_bits(bits.numpy()) if bits.device.type == "cpu" else pack_bits_torch(bits)
        self._place(placed, packed, padded=padded and positions is None)

    def _place(self, layer: Layer, packed: Packed | Tensor, padded: bool = False) -> None:
        self.layout.expect(layer, len(self._seen), padded=padded)
        self._seen.append(layer)
        self._row.append(packed)

    def _finish_batch(self) -> None:
        self._finite.finish()
        self.axes.settle()
        self.layout.finish(self._seen, self._size)
        self.layout.check_globs(self._layer_axes.positions)

    # --- rows ----------------------------------------------------------------------------------------------------

    def _value_row(self) -> npt.NDArray[np.float32] | None:
        return torch.cat(self._values, dim=1).detach().cpu().numpy() if self._values else None


def _plain(x: Tensor, at: Tensor | float) -> bool:
    """Return whether NumPy can compare `x` with the breakpoint where it is."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and not isinstance(at, Tensor)
