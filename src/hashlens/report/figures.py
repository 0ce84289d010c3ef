"""Data of figures, without drawing; every backend draws the same numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette; colour-blind readers can distinguish its colours."""


@dataclass(frozen=True)
class Rule:
    """A line across a figure at a position of an axis; with a name it is in the legend."""

    axis: Literal["x", "y"]
    at: float
    name: str = ""


@dataclass(frozen=True)
class Series:
    """One named line: x and y of equal length, and the lower and upper ends of a band around it, if known."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lines:
    """Lines over one axis, with rules across them, reference points and named ticks.

    If `dense` is true, lines have no markers, and the axis ends where they end. The points of each series in
    `references` are drawn hollow, in the colour of the line of the same name. `band_name` names the bands.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()
    log_x: bool = False
    references: tuple[Series, ...] = ()
    reference_name: str = ""
    band_name: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    dense: bool = False

    @property
    def has_negative(self) -> bool:
        """True if a line or a band goes below zero; then the axis does not start at zero."""
        return any(y < 0 for series in (*self.series, *self.references) for y in (*series.y, *series.low))

    @classmethod
    def over(
        cls, names: Sequence[str], lines: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str
    ) -> "Lines":
        """Return lines over an axis of named positions, such as layers; values that are not finite are left out.

        Parameters
        ----------
        names : sequence of str
            Names of the positions, in order.
        lines : mapping of str to sequence of float
            A value for each position, by the name of the line.
        title, x_label, y_label : str
            Title of the figure, and labels of its axes.
        """
        places = tuple(map(float, range(len(names))))
        series = []
        for name, values in lines.items():
            known = [(place, value) for place, value in zip(places, values, strict=True) if np.isfinite(value)]
            series.append(Series(name, tuple(place for place, _ in known), tuple(value for _, value in known)))
        return cls(title, x_label, y_label, tuple(series), ticks=tuple(zip(places, names, strict=True)))


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from top to bottom, in groups of one colour each; unknown values are left out.

    `ends` contains the intervals of the bars of each group, if they are known; values are written by `number_format`.
    The axis extends at least to `reach`. If `signed` is true, bars above and below 0 have different colours. With
    `start` the first bar of a group begins at this value, and each other bar at the end of the bar above it (a
    waterfall of the terms of a sum).
    """

    title: str
    x_label: str
    names: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float | None, ...]], ...]
    ends: tuple[tuple[tuple[float, float] | None, ...], ...] = ()
    number_format: str = "{:.3f}"
    reach: float = 1.0
    signed: bool = False
    start: float | None = None

    def starts(self, values: Sequence[float | None]) -> list[float]:
        """Return the start of each bar of a group."""
        if self.start is None:
            return [0.0] * len(values)
        return list(accumulate((value or 0.0 for value in values[:-1]), initial=self.start))

    def span(self, room: float = 0.16) -> tuple[float, float]:
        """Return the ends of the axis of a waterfall, with the share `room` left free at each end."""
        ends = [end for _, values in self.groups for end in (*self.starts(values), sum(v or 0.0 for v in values)
                + (self.start or 0.0))]  # fmt: skip
        margin = room * ((max(ends) - min(ends)) or 1.0)
        return min(ends) - margin, max(ends) + margin


@dataclass(frozen=True)
class Intervals:
    """Values with intervals, from top to bottom; the axis need not include zero."""

    title: str
    x_label: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    ends: tuple[tuple[float, float], ...]
    number_format: str = "{:.3f}"


@dataclass(frozen=True)
class Histogram:
    """Histograms of several samples with the same bins, as shares; `y_label` names the shares.

    `rules` are lines at positions of an axis, such as a threshold. If `least` is set, the axis of shares is logarithmic
    and begins there.
    """

    title: str
    x_label: str
    edges: tuple[float, ...]
    shares: tuple[tuple[str, tuple[float, ...]], ...]
    y_label: str = "share of pairs"
    log_x: bool = False
    rules: tuple[Rule, ...] = ()
    least: float | None = None


@dataclass(frozen=True)
class Tile:
    """One cell of a heat map.

    Attributes
    ----------
    column, row : int
        Position of the cell in the map.
    value : float
        Index of its colour in the colours of the map; on a map with a scale, a number on the scale.
    opacity : float
        Opacity from 0 to 1; below 1 the cell is paler and hatched.
    text : str
        Text in the cell.
    crossed : bool
        True if the cell is crossed out.
    """

    column: int
    row: int
    value: float
    opacity: float = 1.0
    text: str = ""
    crossed: bool = False


@dataclass(frozen=True)
class Contour:
    """A line on a heat map: polylines in fractional columns and rows."""

    name: str
    dashed: bool
    strong: bool
    lines: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, eq=False)
class Scale:
    """The range of numbers that the colours of a map represent, from `low` to `high`.

    `under` and `over` are true if there are smaller or larger numbers, which have the colours of the ends.
    """

    name: str
    low: float
    high: float
    under: bool
    over: bool


@dataclass(frozen=True)
class Heatmap:
    """A heat map: cells coloured by group or by number, on axes with evenly spaced levels.

    Attributes
    ----------
    title, x_label, y_label : str
        Title of the figure, and labels of its axes.
    columns, rows : tuple of str
        Names of the levels of both axes.
    tiles : tuple of Tile
        The cells.
    colours : tuple of str
        Colours of the groups, or of the scale from its low to its high end, as ``#rrggbb``.
    names : tuple of str
        Names of the groups; empty on a map of numbers.
    scale : Scale or None
        Scale of a map of numbers; None on a map of groups.
    contours : tuple of Contour
        Lines over the cells.
    group_label, text_label, opacity_label : str
        Headings of groups, texts and opacities in the table of the same numbers.
    pale_name, crossed_name : str
        Names of the paler cells and of the cells that are crossed out, for the legend.
    crossed_label : tuple of str
        Heading of the column of cells that are crossed out in the table, and the text in it.
    note : str
        A line below the map.
    """

    title: str
    x_label: str
    y_label: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    tiles: tuple[Tile, ...]
    colours: tuple[str, ...]
    names: tuple[str, ...] = ()
    scale: Scale | None = None
    contours: tuple[Contour, ...] = ()
    group_label: str = "group"
    text_label: str = "value"
    opacity_label: str = "opacity"
    pale_name: str = ""
    crossed_name: str = ""
    crossed_label: tuple[str, str] = ("crossed out", "yes")
    note: str = ""

    def paint(self, tile: Tile) -> str:
        """Return the colour of a cell at full opacity."""
        if self.scale is None:
            return self.colours[int(tile.value)]
        share = (tile.value - self.scale.low) / ((self.scale.high - self.scale.low) or 1.0)
        return self.colours[min(max(int(share * len(self.colours)), 0), len(self.colours) - 1)]


@dataclass(frozen=True)
class Shares:
    """Stacked shares of several groups as functions of x, with rules across them."""

    title: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    colours: tuple[str, ...]
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Pieces:
    """Piecewise linear functions; a strip below shows each piece of the axis in its own colour.

    Every series has two points for each piece, at its ends, so that lines may jump between pieces.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    ends: tuple[float, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """A named place on a map."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Points:
    """Examples on a map: positions ``(k, 2)``, and the index of each one's colour in the palette; -1 for no colour."""

    name: str
    places: Floats
    shade: Ints


@dataclass(frozen=True, eq=False)
class Polygons:
    """Convex polygons that fill a rectangle, with edges, a boundary, marks and points on top.

    Attributes
    ----------
    title, x_label, y_label : str
        Title of the figure, and labels of its axes.
    box : tuple of float
        Edges of the rectangle, ``(left, right, bottom, top)``.
    equal : bool
        True if both axes have the same scale.
    corners, starts : numpy.ndarray
        Corners ``(corners, 2)`` of all polygons in turn, each anticlockwise, and the index of the first corner of each
        polygon, ``(polygons + 1,)``.
    shade : numpy.ndarray
        Index of each polygon's colour in the palette, ``(polygons,)``.
    face : numpy.ndarray
        Index of the linear region of each polygon, ``(polygons,)``.
    palette : tuple of str
        Colours, ``#rrggbb``.
    names : tuple of str
        Meaning of each colour of the palette; empty if colours represent a scale, or only distinguish regions.
    classes : tuple of str
        Names of the classes.
    scale : Scale or None
        Numbers that the palette represents, if any.
    edges, boundary : numpy.ndarray
        Both ends of lines, ``(n, 2, 2)``: thin lines between regions, and bold lines between classes.
    boundary_name : str
        Name of the boundary in the legend.
    marks : tuple of Mark
        Named points.
    points : Points or None
        Examples.
    """

    title: str
    x_label: str
    y_label: str
    box: tuple[float, float, float, float]
    equal: bool
    corners: Floats
    starts: Ints
    shade: Ints
    face: Ints
    palette: tuple[str, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    scale: Scale | None
    edges: Floats
    boundary: Floats
    boundary_name: str
    marks: tuple[Mark, ...] = ()
    points: Points | None = None

    def __len__(self) -> int:
        return len(self.shade)


@dataclass(frozen=True, eq=False)
class Scatter:
    """Examples as points, coloured by group.

    Attributes
    ----------
    title, x_label, y_label : str
        Title of the figure, and labels of its axes.
    x, y : numpy.ndarray
        Coordinates of the points, ``(n,)``.
    group : numpy.ndarray
        Index of each point's group in `groups`, ``(n,)``; -1 for none.
    groups : tuple of str
        Names of the groups.
    texts : tuple of str
        Text of each point, shown when the mouse is over it.
    images : tuple of int
        Positions of the points' images in the sprite of a page; empty without images.
    """

    title: str
    x_label: str
    y_label: str
    x: Floats
    y: Floats
    group: Ints
    groups: tuple[str, ...]
    texts: tuple[str, ...]
    images: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images side by side, or in a grid, each above its name.

    Attributes
    ----------
    title : str
        Title of the figure.
    names : tuple of str
        Names of the panels.
    panels : tuple of numpy.ndarray
        Images ``(h, w, 3)`` from 0 to 1, or ``(h, w)`` if grey.
    low, high : str
        Meanings of the two ends of the colour scale; empty if colours have no meaning.
    columns : int
        Number of panels in a row of a grid; 0 puts all panels in one row.
    """

    title: str
    names: tuple[str, ...]
    panels: tuple[Floats, ...]
    low: str = ""
    high: str = ""
    columns: int = 0


@dataclass(frozen=True)
class Words:
    """A text with the background of each word coloured by its value, from -1 to 1."""

    title: str
    words: tuple[str, ...]
    weights: tuple[float, ...]


Figure = Lines | Bars | Intervals | Histogram | Heatmap | Shares | Pieces | Polygons | Scatter | Pixels | Words
