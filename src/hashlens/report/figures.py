"""Figure data, apart from drawing: the same numbers serve every backend."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart by colour-blind readers too."""
REGIME_COLOURS = ("#D9793B", "#F2DDA0", "#4A8DBF")
"""Under-, critically and sufficiently expressive: in order from warm to cold, told apart by colour-blind readers."""


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
    """Lines over one axis, with an optional horizontal mark, reference points and names of places on the axis.

    Lines that are `dense` have no markers, and the axis ends where they do. The points of a series of `references` are
    drawn hollow, in the colour of the line of its name. `band_name` says what the bands around lines are.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    mark: float | None = None
    log_x: bool = False
    references: tuple[Series, ...] = ()
    reference_name: str = ""
    band_name: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    dense: bool = False


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

    `mark` is a place on the axis, as a threshold, and `mark_name` what it is. Where `least` is given, shares are on a
    logarithmic axis that begins there.
    """

    title: str
    x_label: str
    edges: tuple[float, ...]
    shares: tuple[tuple[str, tuple[float, ...]], ...]
    y_label: str = "share of pairs"
    log_x: bool = False
    mark: float | None = None
    mark_name: str = ""
    least: float | None = None


@dataclass(frozen=True)
class Tile:
    """One cell of a map: its place, the position of its regime, how sure it is from 0 to 1, and what it says.

    It is crossed out where training failed.
    """

    column: int
    row: int
    regime: int
    sure: float
    text: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Contour:
    """A boundary on a map: polylines in fractional columns and rows."""

    name: str
    dashed: bool
    strong: bool
    lines: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class PhaseMap:
    """Cells coloured by regime, levels evenly spaced; paler and hatched where they are not sure."""

    title: str
    x_label: str
    y_label: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    tiles: tuple[Tile, ...]
    contours: tuple[Contour, ...]
    regimes: tuple[str, ...]
    unsure: str
    note: str
    failed: str = ""
    """What a tile is called that is crossed out."""


@dataclass(frozen=True)
class RegimeShares:
    """Shares of cells in each regime, stacked, as something moves; a mark where it stands."""

    title: str
    x_label: str
    x: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    mark: float


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
class Scale:
    """What the palette of a map stands for where it stands for numbers: from `low` to `high`.

    `under` and `over` say whether there are smaller and larger ones, painted as the ends.
    """

    name: str
    low: float
    high: float
    under: bool
    over: bool


@dataclass(frozen=True, eq=False)
class Points:
    """Examples on a map: places ``(k, 2)``, and the colour of each in the palette; -1 for none."""

    name: str
    places: Floats
    shade: Ints


@dataclass(frozen=True, eq=False)
class PlaneMap:
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


Figure = Lines | Bars | Intervals | Histogram | PhaseMap | RegimeShares | Pieces | PlaneMap | Scatter | Pixels | Words
