"""Figure data, apart from drawing: the same numbers serve every backend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart by colour-blind readers too."""


@dataclass(frozen=True)
class Rule:
    """A mark across a picture: where on an axis it stands, and what it is; without a name it is in no legend."""

    axis: Literal["x", "y"]
    at: float
    name: str = ""


@dataclass(frozen=True)
class Series:
    """One named line: x and y of the same length, with the ends of a band around it when they are known."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lines:
    """Lines over one axis, with rules across them, reference points and names of places on the axis.

    Lines that are `dense` have no markers, and the axis ends where they do. The points of a series of `references` are
    drawn hollow, in the colour of the line of its name. `band_name` says what the bands around lines are.
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
        """Whether a line goes below zero, or a band does: then the axis does not begin there."""
        return any(y < 0 for series in (*self.series, *self.references) for y in (*series.y, *series.low))

    @classmethod
    def over(
        cls, names: Sequence[str], lines: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str
    ) -> "Lines":
        """Return lines over places that have names, as layers; values that are not finite are left out.

        Parameters
        ----------
        names : sequence of str
            Of the places, in order.
        lines : mapping of str to sequence of float
            A value for each place, by the name of the line.
        title, x_label, y_label : str
            Of the picture and its axes.
        """
        places = tuple(map(float, range(len(names))))
        series = []
        for name, values in lines.items():
            known = [(place, value) for place, value in zip(places, values, strict=True) if np.isfinite(value)]
            series.append(Series(name, tuple(place for place, _ in known), tuple(value for _, value in known)))
        return cls(title, x_label, y_label, tuple(series), ticks=tuple(zip(places, names, strict=True)))


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, top to bottom, in groups of one name a colour; values that are not known are left out.

    `ends` holds the intervals of the bars, group by group, where they are known; `number` is how values are printed.
    The axis reaches `reach` at least. Where bars are `signed`, those above and below 0 have colours of their own. With
    `start` each bar of a group begins there where the one above it ends (a waterfall): shares of a sum.
    """

    title: str
    x_label: str
    names: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float | None, ...]], ...]
    ends: tuple[tuple[tuple[float, float] | None, ...], ...] = ()
    number: str = "{:.3f}"
    reach: float = 1.0
    signed: bool = False
    start: float | None = None

    def begins(self, values: Sequence[float | None]) -> list[float]:
        """Return where each bar of a group begins."""
        if self.start is None:
            return [0.0] * len(values)
        return list(accumulate((value or 0.0 for value in values[:-1]), initial=self.start))

    def span(self, room: float = 0.16) -> tuple[float, float]:
        """Return the ends of an axis for bars that begin where others end, a share left free at each."""
        ends = [end for _, values in self.groups for end in (*self.begins(values), sum(v or 0.0 for v in values)
                + (self.start or 0.0))]  # fmt: skip
        margin = room * ((max(ends) - min(ends)) or 1.0)
        return min(ends) - margin, max(ends) + margin


@dataclass(frozen=True)
class Intervals:
    """Values with the intervals around them, top to bottom, on an axis that shows their differences, not zero."""

    title: str
    x_label: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    ends: tuple[tuple[float, float], ...]
    number: str = "{:.3f}"


@dataclass(frozen=True)
class Histogram:
    """Shares of several samples in the same bins; `y_label` says what they are shares of.

    `rules` are places on an axis, as a threshold. Where `least` is set, shares are on a logarithmic axis that begins
    there.
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
        Its place.
    value : float
        The position of its colour among those of the map; on a map with a scale, a number.
    opacity : float
        From 0 to 1; below 1 it is paler and hatched.
    text : str
        What stands in it.
    crossed : bool
        Whether it is crossed out.
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
    """What the palette of a map stands for where it stands for numbers: from `low` to `high`.

    `under` and `over` say whether there are smaller and larger ones, painted as the ends.
    """

    name: str
    low: float
    high: float
    under: bool
    over: bool


@dataclass(frozen=True)
class Heatmap:
    """Cells coloured by group or by number, levels evenly spaced; paler and hatched below full opacity.

    Attributes
    ----------
    columns, rows : tuple of str
        Names of the levels of both axes.
    tiles : tuple of Tile
        The cells.
    colours : tuple of str
        Of the groups, or from the low to the high end of the scale, ``#rrggbb``.
    names : tuple of str
        Of the groups; empty on a map of numbers.
    scale : Scale or None
        Of a map of numbers.
    contours : tuple of Contour
        Lines over the cells.
    group_label, text_label, opacity_label : str
        What the groups, the texts and the opacity are, for the table of the same numbers.
    faint, crossed : str
        What paler cells are, and those crossed out, for the legend.
    crossed_label : tuple of str
        Heading of their column in the table, and what stands there.
    note : str
        A line below.
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
    faint: str = ""
    crossed: str = ""
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
    """Shares of a whole in each of several groups, stacked, as something moves, with rules across them."""

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
    """Lines that are straight on each of some pieces of an axis; each piece has a colour of its own in a strip below.

    Every series has two points for each piece, its ends, so that lines may jump where pieces meet.
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
    """Examples on a map: places ``(k, 2)``, and the colour of each in the palette; -1 for none."""

    name: str
    places: Floats
    shade: Ints


@dataclass(frozen=True, eq=False)
class Polygons:
    """Convex polygons that fill a rectangle, with edges, a boundary, marks and points on top.

    Attributes
    ----------
    box : tuple of float
        ``(left, right, bottom, top)``.
    equal : bool
        Whether a unit is as long across as upward.
    corners, starts : numpy.ndarray
        ``(corners, 2)``, anticlockwise, one polygon behind the other, and where each begins, ``(polygons + 1,)``.
    shade : numpy.ndarray
        ``(polygons,)``: the colour of each, as a position in the palette.
    face : numpy.ndarray
        ``(polygons,)``: the linear region that each is of.
    palette : tuple of str
        Colours, ``#rrggbb``.
    names : tuple of str
        What each colour of the palette stands for; empty where it stands for a scale, or for nothing but difference.
    classes : tuple of str
        Names of the classes.
    scale : Scale or None
        The numbers that it stands for.
    edges, boundary : numpy.ndarray
        ``(n, 2, 2)``: both ends of lines, thin ones between regions and bold ones between classes.
    marks : tuple of Mark
        Named places.
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
    x, y : numpy.ndarray
        ``(n,)``.
    group : numpy.ndarray
        ``(n,)``: the position of each point's group in `groups`, -1 for none.
    groups : tuple of str
        Names of the groups.
    texts : tuple of str
        What is said of each point.
    images : tuple of int
        Places of the points' images in the sprite of a page; empty where there are none.
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
    names : tuple of str
        What each panel shows.
    panels : tuple of numpy.ndarray
        ``(h, w, 3)`` from 0 to 1, or ``(h, w)`` for grey ones.
    low, high : str
        What the ends of the colours stand for; empty where they stand for nothing.
    columns : int
        Panels in a row of a grid; 0 for one row of all.
    """

    title: str
    names: tuple[str, ...]
    panels: tuple[Floats, ...]
    low: str = ""
    high: str = ""
    columns: int = 0


@dataclass(frozen=True)
class Words:
    """A text, each word on the colour of what it counts for, from -1 to 1."""

    title: str
    words: tuple[str, ...]
    weights: tuple[float, ...]


Figure = Lines | Bars | Intervals | Histogram | Heatmap | Shares | Pieces | Polygons | Scatter | Pixels | Words
