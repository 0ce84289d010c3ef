"""Drawing of phase maps: cells coloured by regime, their boundaries, and one legend for all panels."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.report.figures import REGIME_COLOURS, PhaseMap, RegimeShares

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TILE = 0.46
"""Inches a cell, where the panel has room; numbers are left out of cells much smaller."""
PALEST = 0.35


def map_size(figure: PhaseMap) -> tuple[float, float]:
    """Return the width and height in inches that a map wants."""
    width = 1.3 + TILE * len(figure.columns)
    height = 1.2 + 0.8 * TILE * len(figure.rows)
    return min(max(width, 4.4), 13.5), min(max(height, 3.4), 10.0)


def draw_map(axes: "Axes", figure: PhaseMap, tile: float) -> None:
    """Draw cells and boundaries; `tile` is about how many inches a cell gets."""
    from matplotlib.patches import Rectangle

    for at in figure.tiles:
        paint = pale(REGIME_COLOURS[at.regime], at.sure)
        hatch = "xx" if at.failed else "////" if at.sure < 1 else None
        corner = (at.column - 0.5, at.row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=paint, edgecolor="white", linewidth=0.8, hatch=hatch))
        if tile > 0.3:
            size = 7.5 if tile > 0.4 else 6
            # Paint behind the number keeps boundaries and hatching out of it.
            box = {"facecolor": paint, "edgecolor": "none", "pad": 0.8}
            axes.text(
                at.column, at.row, at.text, ha="center", va="center", fontsize=size, color="0.15", bbox=box, zorder=4
            )
    for contour in figure.contours:
        for line in contour.lines:
            axes.plot(*zip(*line, strict=True), **_stroke(contour.dashed, contour.strong))
    axes.set_xlim(-0.5, len(figure.columns) - 0.5)
    axes.set_ylim(-0.5, len(figure.rows) - 0.5)
    turned = max(map(len, figure.columns)) * 0.085 > tile
    axes.set_xticks(range(len(figure.columns)), figure.columns, rotation=90 if turned else 0, fontsize=8)
    axes.set_yticks(range(len(figure.rows)), figure.rows, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)


def draw_regime_shares(axes: "Axes", figure: RegimeShares) -> None:
    """Draw stacked shares of cells as a threshold moves."""
    axes.stackplot(figure.x, *figure.shares, colors=REGIME_COLOURS, step="post", edgecolor="white", linewidth=0.5)
    axes.axvline(figure.mark, color="0.15", linestyle="--", linewidth=1)
    axes.set_xlim(figure.x[0], figure.x[-1])
    axes.set_ylim(0, 1)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel("share of cells")


def map_legend(canvas: "Canvas", maps: Sequence[PhaseMap], marked: bool) -> None:
    """Draw one legend below all panels: regimes, boundaries, what is pale, and a note."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    first = maps[0]
    handles: list[Artist] = [
        Patch(facecolor=colour, label=name) for colour, name in zip(REGIME_COLOURS, first.regimes, strict=True)
    ]
    if any(tile.sure < 1 for figure in maps for tile in figure.tiles):
        paint = pale(REGIME_COLOURS[2], 0.5)
        handles.append(Patch(facecolor=paint, edgecolor="white", hatch="////", label=first.unsure))
    if any(tile.failed for figure in maps for tile in figure.tiles):
        handles.append(Patch(facecolor="0.8", edgecolor="white", hatch="xx", label=first.failed))
    contours = {contour.name: contour for figure in maps for contour in figure.contours}
    for contour in contours.values():
        handles.append(Line2D([], [], label=contour.name, **_stroke(contour.dashed, contour.strong)))
    if marked:
        handles.append(Line2D([], [], label="threshold as used", color="0.15", linestyle="--", linewidth=1))
    width = float(canvas.get_size_inches()[0])
    note = fill(first.note, int(width / 0.065))
    canvas.legend(
        handles=handles, loc="outside lower left", ncols=2 if width > 7.5 else 1, fontsize=8, frameon=False,
        title=note, title_fontsize=8, alignment="left",
    )  # fmt: skip


def pale(colour: str, sure: float) -> tuple[float, float, float]:
    """Return a colour, mixed with white where it is not sure."""
    from matplotlib.colors import to_rgb

    strength = PALEST + (1 - PALEST) * sure
    red, green, blue = (1 - strength * (1 - np.asarray(to_rgb(colour)))).tolist()
    return red, green, blue


def _stroke(dashed: bool, strong: bool) -> dict[str, Any]:
    return {"color": "0.1", "linestyle": "--" if dashed else "-", "linewidth": 2.2 if strong else 1.1}
