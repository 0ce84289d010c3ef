"""Figure data, apart from drawing: the same numbers serve every backend."""

from dataclasses import dataclass

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart by colour-blind readers too."""


@dataclass(frozen=True)
class Series:
    """One named line: x and y of the same length."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Lines:
    """Lines over one axis, with an optional horizontal mark."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    mark: float | None = None
    log_x: bool = False


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, top to bottom, in groups of one name a colour; values that are not known are left out."""

    title: str
    x_label: str
    names: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class Histogram:
    """Shares of several samples in the same bins."""

    title: str
    x_label: str
    edges: tuple[float, ...]
    shares: tuple[tuple[str, tuple[float, ...]], ...]


Figure = Lines | Bars | Histogram
