"""Tables that ``hashlens regions`` prints: one row per example or piece."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from rich.console import RenderableType

from hashlens.data.labels import class_name
from hashlens.regions.along import Along
from hashlens.regions.at import Region
from hashlens.regions.predict_classes import has_classes, predict_classes
from hashlens.regions.units import require_network
from hashlens.report.colours import code_colours
from hashlens.report.figures import Figure
from hashlens.result import Result
from hashlens.tables import number, table

LEVELS = 255
"""Largest value of an 8-bit pixel: for inputs from 0 to 1, a radius of 1/255 is one grey level."""
MAX_ROWS = 20


@dataclass(frozen=True)
class ExampleRadius:
    """Radius of the ball around one example in which the network is affine, and the prediction for it.

    Attributes
    ----------
    id : str
        Identifier of the example.
    label, predicted : int or None
        True class, None if there is no label; and the predicted class, None for a regression.
    output : tuple of float
        All outputs.
    radius, radius_255 : float
        Distance to the nearest boundary in units of the input, and in multiples of 1/255.
    unit : str or None
        Unit that flips at the nearest boundary; None if there is no boundary.
    on_boundaries : int
        Number of units whose boundary the example lies exactly on.
    """

    id: str
    label: int | None
    predicted: int | None
    output: tuple[float, ...]
    radius: float
    radius_255: float
    unit: str | None
    on_boundaries: int


@dataclass(frozen=True)
class RadiusTable(Result):
    """Radii of examples in one norm: 2 or infinity."""

    data: str
    norm: float
    examples: tuple[ExampleRadius, ...]
    class_names: tuple[str, ...] | None = None

    def figures(self) -> tuple[Figure, ...]:
        """Return the histogram of radii, if there are several."""
        from hashlens.regions.figures import radius_figure

        radii = [example.radius for example in self.examples]
        finite = [radius for radius in radii if 0 < radius < inf]
        return (radius_figure({self.data: radii}, self.norm),) if len(finite) > 1 else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields; the norm is a string, since JSON has no infinity."""
        return {**super().to_dict(), "norm": "inf" if self.norm == inf else "2"}

    def __rich__(self) -> RenderableType:
        on_boundary = sum(example.on_boundaries > 0 for example in self.examples)
        columns = ["example", "label", "output", "radius", "in 1/255", "nearest unit", "on boundaries of"]
        rows = [
            [
                example.id,
                "–" if example.label is None else self._class_name(example.label),
                self._prediction(example),
                f"{example.radius:.4g}",
                f"{example.radius_255:.4g}",
                example.unit or "none",
                number(example.on_boundaries),
            ]
            for example in self.examples[:MAX_ROWS]
        ]
        if not on_boundary:
            columns, rows = columns[:-1], [row[:-1] for row in rows]
        radii = np.array([example.radius for example in self.examples])
        notes = []
        if len(radii) > MAX_ROWS:
            notes.append(f"The first {MAX_ROWS} of {len(radii):,} examples.")
        if len(radii) > 1:
            low, middle, high = (f"{radius:.4g}" for radius in (radii.min(), np.median(radii), radii.max()))
            notes.append(f"Radii: least {low}, median {middle}, most {high}.")
        if on_boundary:
            notes.append(f"{on_boundary:,} of {len(radii):,} lie exactly on a boundary, where the radius is 0.")
        kind = "infinity-norm" if self.norm == inf else "2-norm"
        return table(f"Distance to the nearest boundary ({kind})", columns, rows, " ".join(notes))

    def _prediction(self, example: ExampleRadius) -> str:
        if example.predicted is None:
            return f"{example.output[0]:.4g}"
        score = example.output[example.predicted if len(example.output) > 1 else 0]
        return f"{self._class_name(example.predicted)} ({score:.4g})"

    def _class_name(self, label: int) -> str:
        return class_name(self.class_names, label)


def radius_rows(region: Region, norm: float, ids: Any, labels: Any) -> list[ExampleRadius]:
    """Return a row for each example that `region` was computed for."""
    radius = region.radius(norm)
    outputs = region.output.reshape(len(region), -1)
    read_as = region.program.read_as
    classes = predict_classes(outputs, read_as) if has_classes(read_as, outputs.shape[1]) else None
    return [
        ExampleRadius(
            str(ids[row]),
            None if labels is None else int(labels[row]),
            None if classes is None else int(classes[row]),
            tuple(outputs[row].tolist()),
            distance,
            LEVELS * distance,
            None if (unit := radius.units[row]) is None else str(unit),
            int(radius.on_boundary[row]),
        )
        for row, distance in enumerate(radius.distance.tolist())
    ]


@dataclass(frozen=True)
class Piece:
    """A linear piece of a segment.

    Attributes
    ----------
    start, end : float
        Start and end, from 0 to 1 on the whole segment.
    length : float
        Length in units of the input.
    unit : str or None
        Unit that flips at its start; None for the first piece.
    predicted : int or None
        Predicted class in its middle; None for a regression.
    value, slope : tuple of float
        Affine map: at t, from 0 to 1 on the whole segment, the outputs are ``value + t * slope``.
    """

    start: float
    end: float
    length: float
    unit: str | None
    predicted: int | None
    value: tuple[float, ...]
    slope: tuple[float, ...]


@dataclass(frozen=True)
class PieceTable(Result):
    """Linear pieces of the segment between two examples."""

    data: str
    begin: str
    finish: str
    length: float
    pieces: tuple[Piece, ...]
    class_names: tuple[str, ...] | None = None

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of the outputs along the segment, linear on each piece; colours of pieces alternate."""
        from hashlens.regions.figures import pieces_figure

        spans, value, slope = (
            np.array(tensor, np.float64).reshape(len(self.pieces), -1)
            for tensor in zip(
                *(((piece.start, piece.end), piece.value, piece.slope) for piece in self.pieces), strict=True
            )
        )
        colour_indices = np.arange(len(self.pieces)) % len(code_colours())
        return (pieces_figure(spans, value, slope, colour_indices, (self.begin, self.finish), self.class_names),)

    def __rich__(self) -> RenderableType:
        rows = [
            (
                str(row),
                f"{piece.start:.6f}",
                f"{piece.end:.6f}",
                f"{piece.length:.4g}",
                piece.unit or "",
                "–" if piece.predicted is None else class_name(self.class_names, piece.predicted),
            )
            for row, piece in enumerate(self.pieces[:MAX_ROWS])
        ]
        count = len(self.pieces)
        shown = f"The first {MAX_ROWS} of {count:,} pieces." if count > MAX_ROWS else ""
        pieces = "1 linear piece" if count == 1 else f"{count:,} linear pieces"
        return table(
            f"{pieces} from {self.begin} to {self.finish}, {self.length:.4g} apart",
            ("piece", "from", "to", "length", "unit that flips at its start", "class in the middle"), rows, shown,
        )  # fmt: skip


def piece_table(
    along: Along, data: str, begin: str, finish: str, class_names: tuple[str, ...] | None = None
) -> PieceTable:
    """Return the table of pieces of `along`, which must hold a single segment."""
    value, slope = (tensor.reshape(len(along), -1).cpu() for tensor in (along.value, along.slope))
    classes: list[int | None] = [None] * len(along)
    read_as = require_network(along.program, "this segment").read_as
    if has_classes(read_as, value.shape[1]):
        middle = ((along.start + along.end) / 2)[:, None]
        classes = list(predict_classes(value + value.new_tensor(middle) * slope, read_as).tolist())
    units = [None, *(None if unit is None else str(unit) for unit in along.units)]
    lengths = along.lengths.tolist()
    columns = (along.start.tolist(), along.end.tolist(), lengths, units, classes, value.tolist(), slope.tolist())
    pieces = tuple(
        Piece(start, end, length, unit, label, tuple(values), tuple(slopes))
        for start, end, length, unit, label, values, slopes in zip(*columns, strict=True)
    )
    return PieceTable(data, begin, finish, sum(lengths), pieces, class_names)
