"""Reader: run a network on examples, batch by batch, and read codes."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from math import ceil
from typing import Any

import torch

from hashlens.codes.batch_parts import each_tensor, pad_batch, some_examples, with_other_example
from hashlens.codes.capture import Capture, CapturedBatch
from hashlens.codes.layer_axes import Masks
from hashlens.codes.layers import choose_bits, sample_each_layer, sample_positions
from hashlens.codes.output_evidence import OutputEvidence
from hashlens.codes.provenance import Provenance
from hashlens.codes.reading import Forward, Mask, Reading
from hashlens.codes.unwrap import unwrap
from hashlens.data.examples import Batch, Examples
from hashlens.data.input_digests import Digests, are_images, input_digests
from hashlens.data.sources import load_data
from hashlens.device import find_device
from hashlens.errors import CodesError, DataError, warn
from hashlens.nets.copying import copied
from hashlens.nets.digest import parameters_digest
from hashlens.nets.output import Output
from hashlens.progress import track


class Reader:
    """Run a network on examples, batch by batch, and yield each batch with its codes.

    It is a context manager, which opens and closes a :class:`~hashlens.codes.capture.Capture`.

    Parameters
    ----------
    model, data
        As in :func:`hashlens.encode`.
    reading : Reading
        Options: layers, gates, granularity, bits, mask, batch size, device and forward function.
    penultimate : bool
        Whether to keep the input of the last affine map of each batch.
    per_layer : bool
        Whether ``reading.bits`` bits are sampled from each layer; by default they are sampled from all layers together.
    digests : bool
        Whether to compute a digest of each input.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        data: Any,
        reading: Reading,
        *,
        penultimate: bool = False,
        per_layer: bool = False,
        digests: bool = True,
    ) -> None:
        if reading.bits is not None and reading.mask is not None:
            raise CodesError("bits= samples codes of one length; with mask= use Codes.sample_bits afterwards")
        if reading.bits is not None and reading.granularity == "channel":
            raise CodesError('bits= samples units; with granularity="channel" use Codes.sample_bits afterwards')
        if per_layer and reading.bits is None:
            raise CodesError("per_layer=True needs bits=, the number of bits per layer")
        self.reading, self.per_layer, self.digests = reading, per_layer, digests
        self.examples: Examples = load_data(data)
        self.sampled_from: int | None = None
        self.largest_batch = 0
        self.images = False
        self._needs_two_cached: bool | None = None
        self._warned = False
        model = unwrap(model)
        parameter = _parameter(model)
        self.dtype = None if parameter is None else parameter.dtype
        model, self.device = move_to_device(model, reading.device)
        self.model = model
        self.static_batch = static_batch_of(model)
        self.digest = parameters_digest(model)
        self.evidence = OutputEvidence(reading.output, model)
        self._operators_recorded = False
        self.capture = Capture(
            model,
            layers=reading.patterns,
            granularity=reading.granularity,
            gates=reading.gates,
            penultimate=penultimate,
        )

    def __enter__(self) -> "Reader":
        self.capture.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.capture.__exit__(*error)

    def __iter__(self) -> Iterator[tuple[Batch, CapturedBatch]]:
        reading = self.reading
        batches = self._batches()
        first = next(batches, None)
        if first is None or len(first) == 0:
            raise DataError(f"{self.examples.name}: no examples to encode; the data set is empty")
        self.images = are_images(first.inputs)
        self._probe(first)
        if reading.bits is not None:
            self._choose_bits(first, reading.bits)
        length = self.examples.known_length
        total = None if length is None else ceil(length / len(first))
        for batch in track(chain([first], batches), "encoding", total):
            yield batch, self._run(batch)
        if note := self.provenance().left_out_note:
            warn(f"{type(self.model).__name__}: {note}")

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from self.examples.batches(self.static_batch or self.reading.batch_size)
        except OSError as error:  # an error of the data, not of writing codes
            raise DataError(f"{self.examples.name} cannot be read: {error}") from error

    def _probe(self, first: Batch) -> None:
        """Find the batch axis of each gate by a probe with two or three of the first examples.

        If the first batch has one example only, the probe repeats it, and makes another one from it.
        """
        count, forward = min(3, len(first)), self.reading.forward
        if self.static_batch is not None:
            return
        inputs = _to_device(first.raw if forward else first.inputs, self.device, None if forward else self.dtype)
        if count == 1:
            self._probe_one(inputs, forward or _forward)
            return
        # Every example gets another row in the smaller batch, so values that are equal in both batches do not depend on
        # the example. The reverse order is tried first, since it reveals networks that sort their batch. Networks that
        # require a sorted batch reject it, so the order of the data is tried next.
        larger, all_batched = some_examples(inputs, len(first), range(count))
        for order in ([2, 0] if count == 3 else [1], [*range(1, count)]):
            left = next(row for row in range(count) if row not in order)
            smaller, others = (some_examples(inputs, len(first), rows)[0] for rows in (order, [left] * len(order)))
            if self.capture.probe(forward or _forward, smaller, larger, order, all_batched, others):
                break
        self.evidence.operators.batch_dependent = bool(self.capture.axes.unsteady)

    def _probe_one(self, inputs: Any, call: Forward) -> None:
        """Find the batch axis of each gate with one example, repeated, and with another one that is made from it."""
        needs_two = self._needs_two_examples(inputs)
        _, all_batched = some_examples(inputs, 1, [0])
        # An expert that gets one token of an example gets two of the same example twice, like a batch axis.
        smaller, larger, others = (
            with_other_example(inputs, own, count + needs_two) for own, count in ((1, 0), (1, 1), (0, 1))
        )
        order = [0, 1] if needs_two else [0]
        if not self.capture.probe(call, smaller, larger, order, all_batched, others) and needs_two:
            twice, thrice = (some_examples(inputs, 1, [0] * times)[0] for times in (2, 3))
            self.capture.probe(call, twice, thrice, order, all_batched)

    def _choose_bits(self, first: Batch, bits: int) -> None:
        """Run one batch to find the layers and their numbers of bits, then choose a sample of these bits."""
        self._run(first)
        layers = self.capture.layers
        self.sampled_from = sum(layer.bits for layer in layers)
        if self.per_layer:
            positions = sample_each_layer(layers, bits, self.reading.seed)
        else:
            positions = sample_positions(self.sampled_from, bits, self.reading.seed)
        choice = choose_bits(layers, positions)
        self.capture.kept_positions = {
            layer.name: kept for layer, kept in zip(choice.sources, choice.kept, strict=True)
        }
        self.capture.layout.reset()

    def _run(self, batch: Batch) -> CapturedBatch:
        size, forward, mask = len(batch), self.reading.forward, None
        self.largest_batch = max(self.largest_batch, self.static_batch or size)
        if self.reading.mask is not None:
            mask = masks_of(self.reading.mask, batch.raw)
        elif not self._warned:
            self._warn_of_padding(batch.raw)
        inputs = _to_device(batch.raw if forward else batch.inputs, self.device, None if forward else self.dtype)
        digests = self._digests(batch, mask) if self.digests else None
        filler = (self.static_batch or size) - size
        if size == 1 and not filler and self._needs_two_examples(inputs):
            filler = 1
        if filler > 0:
            inputs = pad_batch(inputs, size, filler)
            mask = None if mask is None else {glob: pad_batch(part, size, filler) for glob, part in mask.items()}
        # `operators` records the last operator of the network. It is the same in every batch, so the first is enough.
        self.capture.operators = None if self._operators_recorded else self.evidence.operators
        with nullcontext() if self._operators_recorded else self.evidence.operators:
            captured = self.capture.run(forward or _forward, inputs, size + filler, mask)
        self._operators_recorded = True
        captured = replace(captured, scores=self.evidence.add(captured.output, size + filler))
        captured = captured if filler <= 0 else _first_rows(captured, size)
        return replace(captured, digests=digests)

    def _warn_of_padding(self, raw: Any) -> None:
        """Warn once if a batch has padding tokens but no mask is given, so that their bits are read too."""
        for key in raw if isinstance(raw, Mapping) else ():
            value = raw[key]
            if (
                "attention_mask" in str(key)
                and isinstance(value, torch.Tensor)
                and value.dim() == 2
                and not value.all()
            ):
                self._warned = True
                warn(
                    f"{self.examples.name}: some positions of its batches are padding by {key!r}, but codes "
                    f"treat them as tokens: give mask={key!r}"
                )

    def _digests(self, batch: Batch, masks: Masks | None) -> Digests | None:
        """Return the digest of each input, in the dtype that the network receives."""
        raw, forward = batch.raw, self.reading.forward
        mask = next((part for part in (masks or {}).values() if part is not None), None)
        if forward and isinstance(raw, (tuple, list)) and len(raw) > 2:
            return None  # Further entries may be inputs, or only names and row numbers: which to digest is not known.
        return input_digests(batch.inputs, len(batch), mask, None if forward else self.dtype)

    def _needs_two_examples(self, inputs: Any) -> bool:
        """Return whether the network loses the batch axis of a single example, by running it on one and on two."""
        if self._needs_two_cached is None:
            call = self.reading.forward or _forward
            single, all_batched = some_examples(inputs, 1, [0])
            doubled = some_examples(inputs, 1, [0, 0])[0]
            self._needs_two_cached = self.capture.needs_two_examples(call, single, doubled, all_batched)
        return self._needs_two_cached

    @property
    def output(self) -> Output:
        """Kind of the network's output (logits, probabilities, ...), as far as the batches so far show it."""
        return self.evidence.decide()

    def provenance(self) -> Provenance:
        """Return the provenance of the codes read so far."""
        reading, kind = self.reading, self.device.type
        return Provenance(
            model=type(self.model).__name__,
            parameters_digest=self.digest,
            data=self.examples.name,
            granularity=reading.granularity,
            gates=reading.gates,
            masked=reading.mask is not None,
            dtype=str(self.dtype).removeprefix("torch."),
            autocast=str(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else "",
            device=str(self.device),
            batch_size=self.largest_batch,
            threads=torch.get_num_threads(),
            seed=reading.seed,
            images=self.images,
            sampled_from=self.sampled_from,
            left_out=self.capture.layout.left_out,
            output=str(self.output) if self.evidence.gives_scores else "",
            unsteady="; ".join(self.evidence.unsteady),
            torch_version=torch.__version__,
        )


def move_to_device(model: torch.nn.Module, device: str | torch.device | None) -> tuple[torch.nn.Module, torch.device]:
    """Return the network on a device, and the device; the network is copied if it is on another device."""
    parameter = _parameter(model)
    own = torch.device("cpu") if parameter is None else parameter.device
    wanted = own if device is None else find_device(device)
    if wanted.type != own.type or (wanted.index or 0) != (own.index or 0):
        model = copied(model).to(wanted)
    return model, wanted


def _parameter(model: torch.nn.Module) -> torch.Tensor | None:
    return next((p for p in chain(model.parameters(), model.buffers()) if p.is_floating_point()), None)


def _forward(network: Any, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return network(next(iter(inputs.values()))) if _is_unnamed_input(network, inputs) else network(**inputs)
    return network(*inputs) if isinstance(inputs, (tuple, list)) else network(inputs)


def _is_unnamed_input(network: Any, inputs: Mapping[str, Any]) -> bool:
    """Return whether inputs are a single column whose name is not an argument of the network."""
    if len(inputs) != 1:
        return False
    try:
        parameters = inspect.signature(getattr(network, "forward", network)).parameters
    except (TypeError, ValueError):
        return False
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return not takes_all and next(iter(inputs)) not in parameters


def masks_of(mask: Mask, raw: Any) -> Masks:
    """Return a dict from a glob of layer names to the mask of a batch, bool ``(examples, positions)``."""
    if isinstance(mask, Mapping):
        return {glob: None if part is None else _mask(part, raw) for glob, part in mask.items()}
    return {"*": _mask(mask, raw)}


def _mask(mask: str | Callable[[Any], torch.Tensor], raw: Any) -> torch.Tensor:
    try:
        if isinstance(mask, str) and isinstance(raw, torch.Tensor | tuple | list):
            raise TypeError("the batch has no keys")
        values = raw[mask] if isinstance(mask, str) else mask(raw)
    except Exception as error:  # a user's function failed, or the batch is not a dict
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise DataError(
            f"mask={mask!r} cannot be read from a batch of type {type(raw).__name__} ({reason}); "
            "give a key of dict batches, or a function of the batch"
        ) from error
    if not isinstance(values, torch.Tensor) or values.dim() != 2:
        received = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
        raise DataError(
            f"mask must give a tensor (examples, positions), True where there is no padding; received {received}"
        )
    return values.to(torch.bool)


def _to_device(value: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    def move(part: torch.Tensor) -> torch.Tensor:
        moved = part.to(device, dtype if part.is_floating_point() else None)
        # A network may modify its input in place, and the input is often a view of the data.
        return moved.clone() if moved is part else moved

    return each_tensor(value, move)


def static_batch_of(model: torch.nn.Module) -> int | None:
    """Return the batch size that an exported program is fixed to, or None."""
    if isinstance(model, torch.fx.GraphModule):
        for node in model.graph.nodes:
            value = node.meta.get("val")
            if node.op == "placeholder" and isinstance(value, torch.Tensor) and value.dim():
                return value.shape[0] if isinstance(value.shape[0], int) else None
    return None


def _first_rows(captured: CapturedBatch, size: int) -> CapturedBatch:
    output = captured.output
    return replace(
        captured,
        packed=captured.packed[:size],
        values=None if captured.values is None else captured.values[:size],
        output=output[:size] if isinstance(output, torch.Tensor) else output,
        scores=None if captured.scores is None else captured.scores[:size],
        penultimate=None if captured.penultimate is None else captured.penultimate[:size],
    )
