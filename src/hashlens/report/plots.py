"""Figures drawn with matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hashlens.files import written_whole
from hashlens.report.figures import COLOURS, Bars, Figure, Histogram, Lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def draw(figures: Sequence[Figure], columns: int = 2) -> "Canvas":
    """Return a matplotlib figure with one panel for each of `figures`, `columns` side by side.

    The figure belongs to no window and no global state; save it with ``savefig``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    columns = min(columns, len(figures))
    rows = -(-len(figures) // columns)
    canvas = Canvas(figsize=(5.2 * columns, 3.6 * rows), layout="constrained")
    FigureCanvasAgg(canvas)
    for position, figure in enumerate(figures):
        axes = canvas.add_subplot(rows, columns, position + 1)
        if isinstance(figure, Lines):
            _lines(axes, figure)
        elif isinstance(figure, Bars):
            _bars(axes, figure)
        else:
            _histogram(axes, figure)
        axes.set_title(figure.title, loc="left", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    return canvas


def _lines(axes: "Axes", figure: Lines) -> None:
    for colour, series in zip(COLOURS, figure.series, strict=False):
        axes.plot(series.x, series.y, marker="o", markersize=4, color=colour, label=series.name)
    if figure.mark is not None:
        axes.axhline(figure.mark, color="0.5", linestyle="--", linewidth=1)
    if figure.log_x:
        axes.set_xscale("log", base=2)
        axes.locator_params(axis="x", numticks=7)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    if len(figure.series) > 1:
        axes.legend(frameon=False, fontsize=9)


def _bars(axes: "Axes", figure: Bars) -> None:
    at = np.arange(len(figure.names))
    height = 0.8 / len(figure.groups)
    for position, (name, values) in enumerate(figure.groups):
        known = [i for i, value in enumerate(values) if value is not None]
        lengths = [float(values[i] or 0.0) for i in known]
        drawn = axes.barh(at[known] + position * height, lengths, height * 0.92, color=COLOURS[position], label=name)
        axes.bar_label(drawn, fmt="%.3f", fontsize=8, padding=2)
    axes.set_yticks(at + 0.4 - height / 2, figure.names)
    axes.invert_yaxis()
    axes.set_xlabel(figure.x_label)
    axes.set_xlim(0, 1.12)
    if len(figure.groups) > 1:
        axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=len(figure.groups))


def _histogram(axes: "Axes", figure: Histogram) -> None:
    for colour, (name, shares) in zip(COLOURS, figure.shares, strict=False):
        axes.stairs(shares, figure.edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(shares, figure.edges, color=colour, label=name)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel("share of pairs")
    axes.legend(frameon=False, fontsize=9)


def save(canvas: "Canvas", path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the name of the file."""
    path = Path(path)
    with written_whole(path) as beside:
        canvas.savefig(beside, format=path.suffix.lstrip(".") or "png", dpi=150)
    return path
