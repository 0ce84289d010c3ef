"""Along: the exact linear pieces of a network on a segment between two inputs.

All pieces pass through the network together. Each is a row, which holds the value and the slope of every number along
the segment. Before each gate, the pieces are divided where a unit flips, so that the gate is linear on each part. One
pass over the network finds all breakpoints, however close; there is no search.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float64, Int64

from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import hash_rows
from hashlens.codes.packing import Packed, pack_bits
from hashlens.errors import DataError, ReportError
from hashlens.plain import UNWRITTEN, fields_from_plain, from_plain
from hashlens.regions.inputs import matching_examples, program_of
from hashlens.regions.program import Flow, Gate, Program
from hashlens.regions.rounding import tolerances
from hashlens.regions.units import Unit, Units, require_network
from hashlens.report.blocks import blocks
from hashlens.report.figures import Pieces
from hashlens.report.page import Page
from hashlens.report.plain_page import plain_page
from hashlens.result import Result
from hashlens.tables import Table, table

Tensor = torch.Tensor
CACHE = 16
"""Divisor of the memory of a pass when pieces are only counted: smaller passes fit the processor's caches."""
ROOM = 16
"""Growth of the number of pieces at which they are split into parts that are processed in turn."""
SHOWN = 20
"""Number of rows of a printed table."""


@dataclass(frozen=True, eq=False)
class Along(Result):
    """Linear pieces of n segments from a to b, ordered by segment, then from a to b.

    Attributes
    ----------
    a, b : torch.Tensor
        ``(n, *input)``: ends of the segments.
    segment : numpy.ndarray
        int64 ``(pieces,)``: index of the segment of each piece.
    start, end : numpy.ndarray
        float64 ``(pieces,)``: start and end of each piece, from 0 at a to 1 at b.
    value, slope : torch.Tensor
        ``(pieces, *output)``: on a piece the output at ``a + t (b - a)`` is ``value + t * slope``.
    fingerprints : numpy.ndarray
        uint64 ``(pieces, 2)``: 128-bit hash of the code of each piece.
    codes : Codes or None
        Code of each piece; None in a result that was read from a file.
    program : Program or None
        The traced network; None in a result that was read from a file. ``at(program, pieces.middles())`` returns the
        whole affine map of every piece.
    """

    a: Tensor = field(repr=False)
    b: Tensor = field(repr=False)
    segment: npt.NDArray[np.int64]
    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    value: Tensor = field(repr=False)
    slope: Tensor = field(repr=False)
    fingerprints: npt.NDArray[np.uint64] = field(repr=False)
    codes: Codes | None = field(default=None, metadata=UNWRITTEN)
    program: Program | None = field(default=None, repr=False, metadata=UNWRITTEN)
    named: tuple[Unit | None, ...] = field(default=(), repr=False, metadata=UNWRITTEN)
    """Units that flip at breakpoints, in a result that was read from a file."""

    def __len__(self) -> int:
        return len(self.segment)

    @property
    def counts(self) -> Int64[npt.NDArray[np.int64], " {len(self.a)}"]:
        """Number of pieces of each segment, int64 ``(n,)``."""
        return np.bincount(self.segment, minlength=len(self.a))

    @property
    def lengths(self) -> Float64[npt.NDArray[np.float64], " {len(self)}"]:
        """Euclidean length of each piece, in units of the input, float64 ``(pieces,)``."""
        whole = torch.linalg.vector_norm((self.b - self.a).flatten(1), dim=1).cpu().numpy()
        lengths: npt.NDArray[np.float64] = (self.end - self.start) * whole[self.segment]
        return lengths

    @property
    def after(self) -> Int64[npt.NDArray[np.int64], " breakpoints"]:
        """Indices of the pieces that begin at a breakpoint, int64 ``(breakpoints,)``: all but the first of segments."""
        return np.flatnonzero(self.segment[1:] == self.segment[:-1]) + 1

    @property
    def breakpoints(self) -> Float64[npt.NDArray[np.float64], " breakpoints"]:
        """Positions where pieces meet, from 0 to 1, float64 ``(breakpoints,)``; ``segment[after]`` is their segment."""
        return self.start[self.after]

    @property
    def units(self) -> Sequence[Unit | None]:
        """Unit that flips at each breakpoint; if several do, the first in order of execution."""
        if self.codes is None:
            return self.named
        first = []
        for before, after in self._code_pairs():
            differ = before != after
            first.append(np.where(differ.any(axis=1), differ.argmax(axis=1), -1))
        return Units(self.codes.layers, np.concatenate([np.zeros(0, np.int64), *first]))

    def flips(self, breakpoint: int) -> tuple[Unit, ...]:
        """Return every unit that flips at one breakpoint; for a max-pool, the elements that lose and win."""
        piece = int(self.after[breakpoint])
        codes = require_network(self.codes, "this segment")
        before, after = codes.unpack(slice(piece - 1, piece + 1))
        return tuple(unit for unit in Units(codes.layers, np.flatnonzero(before != after)) if unit is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and the unit that flips at the start of each piece, as plain values."""
        return {**super().to_dict(), "segments": len(self.a), "units": self._unit_names()}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "Along":
        """Return the pieces that :meth:`to_dict` wrote, without their network."""
        pieces: Along = fields_from_plain(cls, body)
        units = from_plain(tuple[Unit | None, ...], body.get("units"), "units")
        if len(units) != len(pieces):
            raise ReportError(f"units are {len(units):,}, and there are {len(pieces):,} pieces")
        return replace(pieces, named=tuple(units[piece] for piece in pieces.after.tolist()))

    def __rich__(self) -> Table:
        columns = (self.segment.tolist(), self.start.tolist(), self.end.tolist(), self.lengths.tolist(),
                   self._unit_names())  # fmt: skip
        rows = [
            (str(segment), f"{start:.6f}", f"{end:.6f}", f"{length:.4g}", unit or "")
            for segment, start, end, length, unit in zip(*(column[:SHOWN] for column in columns), strict=True)
        ]
        segments = "1 segment" if len(self.a) == 1 else f"{len(self.a):,} segments"
        pieces = "1 linear piece" if len(self) == 1 else f"{len(self):,} linear pieces"
        return table(
            f"{pieces} of {segments}", ("segment", "from", "to", "length", "unit that flips at its start"), rows,
            f"The first {SHOWN} pieces." if len(self) > SHOWN else "",
        )  # fmt: skip

    def _unit_names(self) -> list[str | None]:
        """Return the unit that flips at the start of each piece; None for the first piece of a segment."""
        names: list[str | None] = [None] * len(self)
        for piece, unit in zip(self.after.tolist(), self.units, strict=True):
            names[piece] = None if unit is None else str(unit)
        return names

    def figures(self, segment: int = 0) -> tuple[Pieces]:
        """Return a figure of the outputs along one segment, linear on each piece."""
        from hashlens.regions.figures import along_figure

        return (along_figure(self, segment),)

    def page(self, segment: int = 0) -> Page:
        """Return the page of one segment, with all pieces as a table."""
        return plain_page(type(self).__name__, blocks(self.__rich__()), self.figures(segment))

    def points(self, t: npt.ArrayLike | Tensor) -> Float[Tensor, " {len(self)} *input"]:
        """Return the inputs at the positions `t` ``(pieces,)`` on the segments of the pieces, ``(pieces, *input)``."""
        rows = torch.as_tensor(self.segment, device=self.a.device)
        share = torch.as_tensor(t, dtype=self.a.dtype, device=self.a.device).reshape(-1, *[1] * (self.a.dim() - 1))
        return self.a[rows] + share * (self.b - self.a)[rows]

    def middles(self) -> Float[Tensor, " {len(self)} *input"]:
        """Return the middle of each piece, ``(pieces, *input)``."""
        return self.points((self.start + self.end) / 2)

    def _code_pairs(self) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
        """Yield the codes before and after breakpoints, some breakpoints at a time."""
        codes = require_network(self.codes, "this segment")
        step = max(1, (1 << 25) // max(1, codes.code_bits))
        for chunk in np.split(self.after, range(step, len(self.after), step)):
            if len(chunk):
                yield codes[chunk - 1].unpack(), codes[chunk].unpack()


def along(model: torch.nn.Module | Program, a: Any, b: Any, dtype: torch.dtype = torch.float64) -> Along:
    """Return the exact linear pieces of a network on segments between inputs.

    Parameters
    ----------
    model : torch.nn.Module or Program
        A piecewise linear network, or one already traced (:func:`hashlens.regions.trace`).
    a, b : torch.Tensor or numpy.ndarray
        ``(n, *input)``, floating point: start and end of each segment.
    dtype : torch.dtype
        Dtype of the computation: float64 or float32. A program keeps its own.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If `a` or `b` is not valid input, or a segment has length 0.

    Examples
    --------
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False), torch.nn.ReLU())
    >>> _ = torch.nn.init.constant_(net[0].weight, 1.0)
    >>> pieces = along(net, torch.tensor([[-1.0, 0.0]]), torch.tensor([[3.0, 0.0]]))
    >>> pieces.breakpoints.tolist(), str(pieces.units[0])
    ([0.25], '1[0]')
    """
    with torch.no_grad():
        program, start = program_of(model, a, dtype, "a")
        end = matching_examples(program, b, "b", like=start)
        same = (start == end).flatten(1).all(dim=1)
        if bool(same.any()):
            raise DataError(f"a and b are the same in row {int(same.nonzero()[0])}, so the segment has no length")
        step = program.chunk(64)
        parts = [_cut_segments(program, start[i : i + step], end[i : i + step]) for i in range(0, len(start), step)]
    segments = [segment + position * step for position, (segment, *_) in enumerate(parts)]
    _, spans, packed, values, slopes = zip(*parts, strict=True)
    segment = torch.cat(segments).cpu().numpy()
    left, right = torch.cat(spans, dim=1).cpu().numpy().astype(np.float64)
    rows = [np.concatenate(arrays) for arrays in zip(*packed, strict=True)]
    codes = program.codes(rows, len(segment))
    shape = (len(segment), *program.output_shape)
    value, slope = torch.cat(values).reshape(shape), torch.cat(slopes).reshape(shape)
    return Along(start, end, segment, left, right, value, slope, hash_rows(codes.packed), codes, program)


def count_pieces(
    program: Program, a: Float[Tensor, " n *input"], b: Float[Tensor, " n *input"]
) -> Int64[npt.NDArray[np.int64], " n"]:
    """Return the number of linear pieces of a network on each segment, int64 ``(n,)``, without storing them.

    Parameters
    ----------
    program : Program
        The traced network.
    a, b : torch.Tensor
        ``(n, *input_shape)``: start and end of each segment, in the dtype and on the device of the program.
    """
    with torch.no_grad():
        counts = torch.zeros(len(a), dtype=torch.int64, device=a.device)
        for rows in torch.split(torch.arange(len(a), device=a.device), program.chunk(CACHE * ROOM)):
            segment, span, flow = _initial_pieces(program, a[rows], b[rows])
            counts[rows] = _piece_counts(flow, segment, span, len(rows))
        return counts.cpu().numpy()


def _initial_pieces(program: Program, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Flow]:
    """Return the segment and the span of the initial pieces, one for each segment, and their flow."""
    span = torch.stack([a.new_zeros(len(a)), a.new_ones(len(a))])
    return torch.arange(len(a), device=a.device), span, Flow(program, program.rows(a), program.rows(b - a)[None])


def _cut_segments(program: Program, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, list[Packed], Tensor, Tensor]:
    """Return the segment of each piece, its span ``(2, pieces)``, packed bits of each gate, values and slopes."""
    segment, span, flow = _initial_pieces(program, a, b)
    bits, lineage = list[Packed](), list[Tensor]()
    for gate in flow:
        parents, span = _parts_at_gate(gate, flow, span)
        segment = segment[parents]
        state = _state(gate, flow, parents, span)
        bits.append(pack_bits(gate.bits(state).cpu().numpy()))
        lineage.append(parents)
        flow.pass_gate(state)
    tangent = flow.tangent[0].expand(len(segment), *flow.tangent.shape[2:])
    return segment, span, _inherit(bits, lineage, len(segment)), flow.value, tangent


def _piece_counts(flow: Flow, segment: Tensor, span: Tensor, segments: int) -> Tensor:
    """Return the final number of pieces of each segment, int64 ``(segments,)``.

    If there are many pieces, they are processed in parts, each to the end of the network.
    """
    most, few = (flow.program.chunk(CACHE * each) for each in (1, ROOM))
    for gate in flow:
        parents, span = _parts_at_gate(gate, flow, span)
        segment = segment[parents]
        if gate is flow.program.gates[-1]:
            break
        flow.pass_gate(_state(gate, flow, parents, span))
        if len(segment) > most:
            parts = torch.split(torch.arange(len(segment), device=segment.device), few)
            counts = [_piece_counts(flow.part(rows), segment[rows], span[:, rows], segments) for rows in parts]
            return torch.stack(counts).sum(dim=0)
    return torch.bincount(segment, minlength=segments)


def _parts_at_gate(gate: Gate, flow: Flow, span: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts into which the next gate divides pieces: the original piece of each part, and its span."""
    noise, resolution = tolerances(flow.program.dtype)
    return _divide(span, *gate.crossings(span, flow.value, flow.tangent[0], noise), resolution)


def _state(gate: Gate, flow: Flow, parents: Tensor, span: Tensor) -> Tensor:
    """Divide the rows of a flow like their pieces, and return the state of the next gate."""
    if len(parents) > len(flow.value):
        flow.take(parents)
    # A unit is on the piece of its middle, where rounding cannot mistake it: it is zero only at the ends.
    middle = span.mean(dim=0).reshape(-1, *[1] * (flow.value.dim() - 1))
    return gate.state(flow.value + middle * flow.tangent[0])


def _divide(span: Tensor, row: Tensor, crossing: Tensor, resolution: float) -> tuple[Tensor, Tensor]:
    """Return the parts into which crossings divide pieces: the original row of each part, and its span."""
    inside = (crossing - span[0, row] > resolution) & (span[1, row] - crossing > resolution)
    row, crossing = row[inside], crossing[inside]
    order = torch.argsort(crossing)
    order = order[torch.argsort(row[order], stable=True)]
    row, crossing = row[order], crossing[order]
    new = torch.ones_like(row, dtype=torch.bool)
    new[1:] = (row[1:] != row[:-1]) | (crossing[1:] - crossing[:-1] > resolution)
    row, crossing = row[new], crossing[new]
    pieces = torch.arange(span.shape[1], device=span.device)
    parents = torch.cat([pieces, row])
    order = torch.argsort(parents, stable=True)
    parents, starts = parents[order], torch.cat([span[0], crossing])[order]
    ends = torch.cat([starts[1:], span[1, -1:]])
    last = torch.ones_like(parents, dtype=torch.bool)
    last[:-1] = parents[1:] != parents[:-1]
    return parents, torch.stack([starts, torch.where(last, span[1, parents], ends)])


def _inherit(bits: list[Packed], lineage: list[Tensor], pieces: int) -> list[Packed]:
    """Return the packed bits of every gate for the final pieces, which later gates divided further."""
    rows, inherited = np.arange(pieces), list[Packed]()
    for packed, parents in zip(reversed(bits), reversed(lineage), strict=True):
        inherited.append(packed[rows])
        rows = parents.cpu().numpy()[rows]
    return inherited[::-1]
