"""Drawing of heat maps: their cells, lines over them, and one legend for all panels."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from hashlens.report.colours import pale
from hashlens.report.figures import Heatmap, Rule, Shares

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TILE = 0.46
"""Preferred side of a cell, in inches; much smaller cells have no numbers."""


def map_size(figure: Heatmap) -> tuple[float, float]:
    """Return the preferred width and height of a map, in inches."""
    width = 1.3 + TILE * len(figure.columns)
    height = 1.2 + 0.8 * TILE * len(figure.rows)
    return min(max(width, 4.4), 13.5), min(max(height, 3.4), 10.0)


def draw_map(axes: "Axes", figure: Heatmap, tile: float) -> None:
    """Draw cells and boundaries; `tile` is the approximate side of a cell in inches."""
    from matplotlib.patches import Rectangle

    for at in figure.tiles:
        paint = pale(figure.paint(at), at.opacity)
        hatch = "xx" if at.crossed else "////" if at.opacity < 1 else None
        corner = (at.column - 0.5, at.row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=paint, edgecolor="white", linewidth=0.8, hatch=hatch))
        if tile > 0.3:
            size = 7.5 if tile > 0.4 else 6
            # Paint behind the number, so that boundaries and hatching do not cross it.
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


def draw_shares(axes: "Axes", figure: Shares) -> None:
    """Draw stacked shares as functions of x."""
    axes.stackplot(figure.x, *figure.shares, colors=figure.colours, step="post", edgecolor="white", linewidth=0.5)
    draw_rules(axes, figure.rules, color="0.15", linewidth=1)
    axes.set_xlim(figure.x[0], figure.x[-1])
    axes.set_ylim(0, 1)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)


def draw_rules(axes: "Axes", rules: Sequence[Rule], **stroke: Any) -> None:
    """Draw rules across a panel as dashed lines, with their names for the legend."""
    for rule in rules:
        line = axes.axvline if rule.axis == "x" else axes.axhline
        line(rule.at, linestyle="--", label=rule.name or None, **stroke)


def map_legend(canvas: "Canvas", maps: Sequence[Heatmap], others: Sequence[Shares] = ()) -> None:
    """Draw one legend below all panels: groups, lines, paler cells, the rules of the other panels, and a note."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    first = maps[0]
    handles: list[Artist] = [
        Patch(facecolor=colour, label=name) for colour, name in zip(first.colours, first.names, strict=False)
    ]
    if first.scale is not None:
        for colour, value in ((first.colours[0], first.scale.low), (first.colours[-1], first.scale.high)):
            handles.append(Patch(facecolor=colour, label=f"{first.scale.name} {value:.3g}"))
    if any(tile.opacity < 1 for figure in maps for tile in figure.tiles):
        paint = pale(first.colours[-1], 0.5)
        handles.append(Patch(facecolor=paint, edgecolor="white", hatch="////", label=first.pale_name))
    if any(tile.crossed for figure in maps for tile in figure.tiles):
        handles.append(Patch(facecolor="0.8", edgecolor="white", hatch="xx", label=first.crossed_name))
    contours = {contour.name: contour for figure in maps for contour in figure.contours}
    for contour in contours.values():
        handles.append(Line2D([], [], label=contour.name, **_stroke(contour.dashed, contour.strong)))
    for name in dict.fromkeys(rule.name for figure in others for rule in figure.rules if rule.name):
        handles.append(Line2D([], [], label=name, color="0.15", linestyle="--", linewidth=1))
    width = float(canvas.get_size_inches()[0])
    note = fill(first.note, int(width / 0.065))
    canvas.legend(
        handles=handles, loc="outside lower left", ncols=2 if width > 7.5 else 1, fontsize=8, frameon=False,
        title=note, title_fontsize=8, alignment="left",
    )  # fmt: skip


def _stroke(dashed: bool, strong: bool) -> dict[str, Any]:
    return {"color": "0.1", "linestyle": "--" if dashed else "-", "linewidth": 2.2 if strong else 1.1}
