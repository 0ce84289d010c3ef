"""Inversion of a neural code: find an input that has a requested code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import excerpt, require_whole
from hashlens.codes.codes import Codes
from hashlens.codes.encode import encode
from hashlens.codes.packing import pack_bits
from hashlens.codes.reading import Gates, Reading
from hashlens.errors import ExplainError, HashlensError, ModelError
from hashlens.explanations.ascent import Adam, InputRange, input_range_of, noise, require_in_range, shape_of
from hashlens.explanations.explain import as_array, explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.generated import Generator
from hashlens.explanations.margins import FixedGates, TargetBits, UnconstrainedGates
from hashlens.explanations.maximize import batches
from hashlens.explanations.request import Request, numbers
from hashlens.regions.trace import trace

Tensor = torch.Tensor
Bits = npt.NDArray[np.bool_]
FIRST_MARGIN, LAST_MARGIN = 0.1, 1e-4
"""Required margin of bits at the first and at the last step, as a share of the layer's mean margin."""
NOT_REACHED = (
    "{count} of {n} codes were not reached: up to {bits} of {total} bits differ, and possibly no input has "
    "this code; raise steps, or give fewer layers="
)
SLOPES = (
    "the network is not piecewise linear, so its gates cannot be kept fixed: the gradients of the network "
    "itself were used"
)


def code_inversion(
    request: Request,
    code: Any = None,
    example: Any = None,
    layers: str | Sequence[str] | None = None,
    shape: Sequence[int] | None = None,
    steps: int = 1000,
    step_size: float = 0.1,
    bounds: Sequence[float] | None = None,
    generator: Any = None,
    latent: int | None = None,
) -> Explanation:
    """Find inputs whose neural code is a requested one.

    There are three uses. With ``x`` alone, the search starts from noise and seeks an input with the code of ``x``. With
    `example` or `code`, it seeks an input with that code and starts from ``x``, or from noise if there is no ``x``. In
    a piecewise linear network the gates for which the code has bits are fixed to it; max-pools have bits only in codes
    of all gates. If all gates are fixed, the network is affine, and the hinge loss of the wrong bits is convex in the
    input. The loss is minimised until the network without fixed gates has the requested code. In other networks no
    gate is fixed.

    With `generator`, only outputs of the generator are searched. The optimisation changes the latent vector, which is
    drawn at random at the start; gradients are passed back through the generator. Such inputs look like the data, but
    possibly none of them has all the requested bits.

    ``values`` holds the change of ``x``, or the input itself if there is no ``x``; ``image`` holds the input, if it
    is an image. ``diagnostics`` holds the number of bits, the number of wrong bits at the start and at the end (the
    Hamming distance of codes read by :func:`hashlens.encode`), also by layer, and the distance from ``x`` in units of
    the input.

    Parameters
    ----------
    request : Request
        The examples and the network, and shared options.
    code : Codes or array of bool, optional
        One or more requested codes, ``(bits,)`` or ``(n, bits)``, of the layers `layers`.
    example : array, optional
        One or more inputs whose code is requested.
    layers : str or sequence of str, optional
        Globs over layer names, as in :class:`hashlens.Reading`; by default all layers.
    shape : sequence of int, optional
        Shape of one input, needed without ``x`` and ``background``; for a table with ``kind="table"``.
    steps : int
        Largest number of steps.
    step_size : float
        Size of the first step, as a share of the range; with `generator`, in units of the latent vector.
    bounds : (float, float), optional
        Range of inputs; by default, for images, that of ``background`` or ``x``. For tables the scale of each column
        comes from ``background``.
    generator : torch.nn.Module or a model of hashlens.generative, optional
        Network from latent codes ``(n, latent)`` to inputs in the units of ``x``; it is not changed.
    latent : int, optional
        Length of the latent codes, if the generator is a plain module.
    """
    require_whole(ExplainError, "steps", steps)
    require_in_range(step_size=step_size)
    if code is not None and example is not None:
        raise ExplainError("code= and example= both set the target: give one of them")
    maker = None if generator is None else Generator.of(generator, latent)
    if maker is not None and shape is None and request.x is None:
        shape = tuple(maker.inputs(maker.start(request, 1), request.subject.like).shape[1:])
    size, input_range = shape_of(request, shape), input_range_of(request, bounds)
    encoder = _encoder(request, code, layers)
    codes = _requested_codes(encoder, code, example, noise(request, 1, size, input_range))
    own = code is None and example is None
    start = noise(request, len(codes), size, input_range) if own or request.x is None else request.x
    start, codes = _pair(start, codes)
    drawn = None if maker is None else maker.start(request, len(codes))
    if maker is not None and drawn is not None:
        start = _generated_start(maker, drawn, start)
    search = _search(encoder, codes, start, maker)
    begin = start if drawn is None else drawn
    made = torch.cat(
        [search.run(begin[rows], rows, input_range, steps, step_size) for rows in batches(request, len(start))]
    )
    return _explained(encoder, codes, start, made, search)


# --- the requested code ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InputEncoder:
    """Encoder of inputs with the layers and gates of the requested code."""

    request: Request
    reading: Reading

    def codes(self, x: Tensor) -> Codes:
        """Return the codes of inputs."""
        return encode(self.request.module, x, reading=self.reading)

    def differing_bits(self, x: Tensor, codes: Codes) -> Bits:
        """Return which bits of inputs differ from the requested codes, bool ``(n, bits)``."""
        own = self.codes(x)
        parts = [own.layer(layer.name).unpack() for layer in codes.layers]
        kept = [part if layer.positions is None else part[:, layer.positions]
                for part, layer in zip(parts, codes.layers, strict=True)]  # fmt: skip
        differing_bits: Bits = np.concatenate(kept, axis=1) != codes.unpack()
        return differing_bits


def _encoder(request: Request, code: Any, layers: str | Sequence[str] | None) -> InputEncoder:
    if request.layer is not None:
        raise ExplainError("layer= is one layer, but a code has several: give layers=, globs over their names")
    reading = Reading(batch_size=request.subject.batch_size)
    if isinstance(code, Codes):
        if layers is not None:
            raise ExplainError("the code already has its layers: leave out layers=")
        gates: Gates = "all" if code.provenance.gates == "all" else "activations"
        return InputEncoder(request, replace(reading, layers=[layer.name for layer in code.layers], gates=gates))
    try:
        return InputEncoder(request, replace(reading, layers=layers))
    except HashlensError as error:
        raise ExplainError(str(error)) from error


def _requested_codes(encoder: InputEncoder, code: Any, example: Any, probe: Tensor) -> Codes:
    """Return the requested codes; raise ExplainError if they do not fit this network."""
    try:
        if code is None:
            return encoder.codes(
                encoder.request.inputs if example is None else _example(encoder.request, example, probe)
            )
        own = encoder.codes(probe)
    except HashlensError as error:
        raise ExplainError(str(error)) from error
    return _checked_codes(code, own) if isinstance(code, Codes) else _from_bits(code, own)


def _example(request: Request, example: Any, probe: Tensor) -> Tensor:
    result = numbers(example, "example", request.subject)
    result = result[None] if result.dim() == probe.dim() - 1 else result
    if result.shape[1:] != probe.shape[1:] or not len(result):
        expected = ", ".join(map(str, probe.shape[1:]))
        raise ExplainError(f"example must be inputs (n, {expected}), received {tuple(result.shape)}")
    return result


def _checked_codes(code: Codes, own: Codes) -> Codes:
    if code.values is not None or code.provenance.granularity != "unit":
        raise ExplainError('the code has a bit for each channel: read it with granularity="unit"')
    if code.provenance.parameters_digest not in ("", own.provenance.parameters_digest):
        raise ExplainError(f"the code is of another network, {code.provenance.model}: encode with this one")
    sizes = {layer.name: (layer.shape, layer.planes) for layer in own.layers}
    for layer in code.layers:
        if sizes[layer.name] != (layer.shape, layer.planes):
            raise ExplainError(
                f"layer {layer.name!r} of the code has units {layer.shape}, of the network {sizes[layer.name][0]}"
            )
    if not len(code):
        raise ExplainError("the code must be one row or more, received none")
    return code


def _from_bits(code: Any, own: Codes) -> Codes:
    bits = np.asarray(code.cpu() if isinstance(code, Tensor) else code)
    bits = bits[None] if bits.ndim == 1 else bits
    if bits.ndim != 2 or bits.shape[1] != own.code_bits or not len(bits) or not np.isin(bits, (0, 1)).all():
        names = ", ".join(layer.name for layer in own.layers[:6]) + (", ..." if len(own.layers) > 6 else "")
        raise ExplainError(
            f"code must be bits, bool (n, {own.code_bits}), of layers {names}, received {excerpt(np.shape(code))}: "
            "choose others with layers="
        )
    parts = np.split(bits.astype(np.bool_), np.cumsum([layer.bits for layer in own.layers])[:-1], axis=1)
    return replace(own, packed=np.concatenate([pack_bits(part) for part in parts], axis=1), ids=np.arange(len(bits)))


def _pair(start: Tensor, codes: Codes) -> tuple[Tensor, Codes]:
    """Return starting inputs and codes, paired row by row."""
    n, k = len(start), len(codes)
    if 1 not in (n, k) and n != k:
        raise ExplainError(f"there must be one x or {k}, one for each code, received {n}")
    return start.expand(max(n, k), *start.shape[1:]), codes[[0] * n] if k == 1 else codes


def _generated_start(maker: Generator, drawn: Tensor, start: Tensor) -> Tensor:
    """Return the inputs of the start, generated from latent codes; raise ExplainError if the network rejects them."""
    made = maker.inputs(drawn, start)
    if made.shape[1:] != start.shape[1:]:
        raise ExplainError(
            f"the generator returns inputs {tuple(made.shape[1:])}, but the network needs {tuple(start.shape[1:])}"
        )
    return made


# --- the search ------------------------------------------------------------------------------------------------------


def _search(encoder: InputEncoder, codes: Codes, start: Tensor, maker: Generator | None) -> "Search":
    request = encoder.request
    try:
        program = trace(request.module, start)
        known = {layer.name: layer.bits for layer in program.layers}
        is_complete = all(known.get(layer.name) == layer.all_bits for layer in codes.layers)
    except ModelError:
        is_complete = False
    return Search(
        encoder,
        codes,
        FixedGates(program)
        if is_complete
        else UnconstrainedGates(request.module, start.dtype, encoder.reading.gates == "all"),
        maker,
        start[:0],
    )


@dataclass(eq=False)
class Search:
    """Search for inputs that have the requested codes."""

    encoder: InputEncoder
    codes: Codes
    margins: FixedGates | UnconstrainedGates
    maker: Generator | None
    like: Tensor
    steps: int = 0

    def run(self, start: Tensor, rows: slice, input_range: InputRange, steps: int, step_size: float) -> Tensor:
        """Return inputs after gradient descent: for each row, the one with the fewest wrong bits.

        `start` holds inputs, or the latent vectors of a generator.
        """
        codes = self.codes[rows]
        hinge = Hinge(self._requested_bits(codes, start.device))
        point = start.to(self.margins.dtype) if self.maker is None else start
        x = self._inputs(point)
        best, fewest, optimiser = x.clone(), torch.full((len(x),), codes.code_bits + 1, device=x.device), Adam(point)
        reached = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for step in range(steps):
            hinge.least = FIRST_MARGIN * (LAST_MARGIN / FIRST_MARGIN) ** (step / steps)
            gradient = self.margins.loss_gradient(x, hinge.wanted, hinge)
            self._count(step, x)
            closer = (hinge.missed <= fewest) & ~reached
            best[closer], fewest[closer] = x[closer], hinge.missed[closer]
            reached |= self._reached(x.to(self.like.dtype), codes, (hinge.missed == 0) & ~reached)
            if bool(reached.all()):
                break
            step_length = step_size * (1 - step / steps)
            if self.maker is None:
                point = input_range.clamp(point + step_length * input_range.scale * optimiser.step(gradient))
            else:
                point = point + step_length * optimiser.step(self.maker.code_gradient(point, gradient))
            x = self._inputs(point)
        return best.to(self.like.dtype)

    def _inputs(self, point: Tensor) -> Tensor:
        if self.maker is None:
            return point
        return self.maker.inputs(point, self.like).to(self.margins.dtype)

    def _reached(self, x: Tensor, codes: Codes, likely: Tensor) -> Tensor:
        """Return which of the likely rows have their code in the network itself, whose rounding may cross a margin."""
        result = likely.clone()
        if bool(likely.any()):
            wrong = self.encoder.differing_bits(x[likely], codes[likely.cpu().numpy()]).any(axis=1)
            result[likely] = torch.from_numpy(~wrong).to(result.device)
        return result

    def _count(self, step: int, x: Tensor) -> None:
        subject = self.encoder.request.subject
        self.steps, subject.calls, subject.rows = max(self.steps, step + 1), subject.calls + 1, subject.rows + len(x)

    def _requested_bits(self, codes: Codes, device: torch.device) -> dict[str, TargetBits]:
        wanted = {}
        for layer in codes.layers:
            places = None if layer.positions is None else torch.from_numpy(layer.positions).to(device)
            wanted[layer.name] = TargetBits(torch.from_numpy(codes.layer(layer.name).unpack()).to(device), places)
        return wanted


class Hinge:
    """Hinge loss: the shortfall of margins below the required one, as shares of their layer's mean, and its count."""

    def __init__(self, wanted: dict[str, TargetBits]) -> None:
        self.wanted, self.least = wanted, FIRST_MARGIN
        self.missed: Tensor

    def __call__(self, margins: dict[str, Tensor]) -> Tensor:
        """Return the sum of the shortfalls."""
        loss, self.missed = [], torch.zeros((), dtype=torch.int64)
        for name, margin in margins.items():
            size = margin.detach().abs()
            size = torch.where(torch.isfinite(size), size, 0.0).mean(dim=1, keepdim=True)
            loss.append((self.least - margin / torch.where(size > 0, size, 1.0)).clamp(min=0).sum())
            wrong = torch.where(self.wanted[name].bits, margin <= 0, margin < 0)
            self.missed = self.missed.to(wrong.device) + wrong.sum(dim=1)
        return torch.stack(loss).sum()


# --- the result ------------------------------------------------------------------------------------------------------


def _explained(encoder: InputEncoder, codes: Codes, start: Tensor, made: Tensor, search: Search) -> Explanation:
    request, n = encoder.request, len(made)
    before, after = (encoder.differing_bits(x, codes) for x in (start, made))
    distance = after.sum(axis=1).tolist()
    each: dict[str, list[Any]] = {
        "hamming_distance": distance,
        "hamming_distance_at_start": before.sum(axis=1).tolist(),
        "bits_by_layer": [_by_layer(codes, row) for row in after],
        "predicted": request.subject.scores(made).argmax(dim=1).tolist(),
    }
    x = None if request.x is None else request.x.expand(n, *request.x.shape[1:])
    if x is not None:
        each["distance_from_x"] = (made - x).double().flatten(1).norm(dim=1).tolist()
    missed = sum(difference > 0 for difference in distance)
    notes = [NOT_REACHED.format(count=missed, n=n, bits=max(distance), total=codes.code_bits)] if missed else []
    notes += [] if isinstance(search.margins, FixedGates) else [SLOPES]
    diagnostics = {"bits": codes.code_bits, "steps": search.steps} | {
        name: list_or_value(values) for name, values in each.items()
    }
    explanation = explained(
        request, "code_inversion", made if x is None else made - x, diagnostics=diagnostics,
        notes=(*request.notes, *notes),
        inputs=None if x is None else as_array(x), image=as_array(made) if request.kind != "table" else None,
    )  # fmt: skip
    rows = np.zeros(n, np.int64) if len(explanation.target) == 1 else np.arange(len(explanation.target))
    return replace(explanation, target=explanation.target[rows], prediction=explanation.prediction[rows])


def _by_layer(codes: Codes, differing_bits: Bits) -> dict[str, int]:
    parts = np.split(differing_bits, np.cumsum([layer.bits for layer in codes.layers])[:-1])
    return {layer.name: int(part.sum()) for layer, part in zip(codes.layers, parts, strict=True)}
