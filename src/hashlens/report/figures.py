"""Figure data, apart from drawing: the same numbers serve every backend."""

from dataclasses import dataclass

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

    The points of a series of `references` are drawn hollow, in the colour of the line of its name. `band_name` says
    what the bands around lines are.
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


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, top to bottom, in groups of one name a colour; values that are not known are left out.

    `ends` holds the intervals of the bars, group by group, where they are known; `number` is how values are printed.
    """

    title: str
    x_label: str
    names: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float | None, ...]], ...]
    ends: tuple[tuple[tuple[float, float] | None, ...], ...] = ()
    number: str = "{:.3f}"


@dataclass(frozen=True)
class Histogram:
    """Shares of several samples in the same bins."""

    title: str
    x_label: str
    edges: tuple[float, ...]
    shares: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True)
class Tile:
    """One cell of a map: its place, the position of its regime, how sure it is from 0 to 1, and what it says."""

    column: int
    row: int
    regime: int
    sure: float
    text: str = ""


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


@dataclass(frozen=True)
class RegimeShares:
    """Shares of cells in each regime, stacked, as something moves; a mark where it stands."""

    title: str
    x_label: str
    x: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]
    mark: float


Figure = Lines | Bars | Histogram | PhaseMap | RegimeShares
