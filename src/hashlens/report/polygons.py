"""Drawing of planes cut into linear regions, and of segments cut into pieces."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Literal

import numpy as np

from hashlens.report.figures import COLOURS, Floats, Ints, Mark, Pieces, Polygons, Scale
from hashlens.report.names import legend_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.path import Path

AREA = 4.3**2
"""Area of a plane, in square inches."""
LEFT = 0.9
LETTER = 0.085
"""Margin at the left of a plane, and width of a letter of the legend, in inches."""
LONGEST = 2.5
"""Largest aspect ratio that is drawn true to scale."""
MAX_VECTORS = 20_000
"""More polygons than this are drawn as an image inside an SVG or PDF; boundaries stay lines."""
MAX_NAMES = 12
"""Largest number of names of colours."""
MAX_BREAKS = 100
"""Largest number of pieces whose ends are marked."""
INK = "0.1"
STRIP = 0.06
"""Height of the strip of pieces, as a share of the panel."""


def lay_out_planes(canvas: "Canvas", figures: Sequence[Polygons], columns: int) -> list["Axes"]:
    """Arrange planes side by side, true to scale, with space around each for its texts."""
    rows = -(-len(figures) // columns)
    width, height = (max(side) for side in zip(*map(panel_size, figures), strict=True))
    canvas.set_size_inches(width * columns, height * rows)
    panels = []
    for i, figure in enumerate(figures):
        across, upward = _plane_size(figure)
        _, _, top = _margins(figure)
        row, column = divmod(i, columns)
        left = (column * width + LEFT) / (columns * width)
        bottom = 1 - (row * height + top + upward) / (rows * height)
        panels.append(canvas.add_axes((left, bottom, across / (columns * width), upward / (rows * height))))
    return panels


def panel_size(figure: Polygons) -> tuple[float, float]:
    """Return the width and height in inches of a plane, including the texts around it."""
    width, height = _plane_size(figure)
    right, bottom, top = _margins(figure)
    return LEFT + width + right, top + height + bottom


def plane_title(figure: Polygons) -> str:
    """Return the title, broken into lines that fit."""
    return fill(figure.title, int((_plane_size(figure)[0] + _right_margin(figure)) / 0.085))


def _plane_size(figure: Polygons) -> tuple[float, float]:
    left, right, bottom, top = figure.box
    ratio = (right - left) / (top - bottom) if _is_true_to_scale(figure) else 1.0
    return float(np.sqrt(AREA * ratio)), float(np.sqrt(AREA / ratio))


def _is_true_to_scale(figure: Polygons) -> bool:
    left, right, bottom, top = figure.box
    return figure.equal and 1 / LONGEST <= (right - left) / (top - bottom) <= LONGEST


def _right_margin(figure: Polygons) -> float:
    """Return the margin at the right of a plane in inches, for the colour bar and the longest line below."""
    if _has_names_beside(figure):
        beside = 0.65 + LETTER * max(len(figure.names[i]) for i in shown_names(figure)[0])
    else:
        beside = 0.2 if figure.scale is None else 0.95
    longest = max((0.4 + LETTER * len(label) for label in _labels_below(figure)), default=0.0)
    return max(beside, longest - _plane_size(figure)[0])


def _margins(figure: Polygons) -> tuple[float, float, float]:
    """Return the margins of a plane at the right, below and above, in inches."""
    return (
        _right_margin(figure),
        0.65 + 0.2 * _legend_shape(figure)[0],
        0.2 + 0.2 * len(plane_title(figure).split("\n")),
    )


def _legend_shape(figure: Polygons) -> tuple[int, int]:
    """Return the numbers of rows and columns of the legend below a plane; one row if it fits."""
    labels = _labels_below(figure)
    row = sum(0.5 + LETTER * len(label) for label in labels) <= _plane_size(figure)[0] + _right_margin(figure)
    return (1, len(labels)) if row and labels else (len(labels), 1)


def _labels_below(figure: Polygons) -> list[str]:
    names = [] if _has_names_beside(figure) or not figure.names else shown_names(figure)[0]
    boundary = [figure.boundary_name] if len(figure.boundary) else []
    points = [] if figure.points is None else [figure.points.name]
    return [legend_name(name) for name in (*(figure.names[i] for i in names), *boundary, *points)]


def draw_plane(axes: "Axes", figure: Polygons) -> None:
    """Draw regions, the boundary between classes, examples, and the colour bar."""
    from matplotlib.patches import PathPatch

    draw_regions(axes, figure, len(figure) > MAX_VECTORS)
    for colour, width in (("white", 3.4), (INK, 1.7)) if len(figure.boundary) else ():
        axes.add_patch(
            PathPatch(
                _strokes(figure.boundary), fill=False, edgecolor=colour, linewidth=width, capstyle="round", zorder=3
            )
        )
    _draw_examples(axes, figure)
    if _is_true_to_scale(figure):
        axes.set_aspect("equal", adjustable="box")
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    axes.tick_params(labelsize=9)
    axes.spines[:].set_visible(False)
    _explain_colours(axes, figure)


def draw_regions(axes: "Axes", figure: Polygons, rasterized: bool) -> None:
    """Draw only the polygons and the lines between them."""
    from matplotlib.collections import PathCollection
    from matplotlib.patches import PathPatch

    used, paths = fill_paths(figure)
    colours = [figure.palette[shade] for shade in used]
    # Polygons have thin edges of their own colour, so that no white gap shows between two of them.
    axes.add_collection(
        PathCollection(paths, facecolors=colours, edgecolors=colours, linewidths=0.25, zorder=1, rasterized=rasterized)
    )
    colour, width = thin_line(figure)
    lines = _strokes(figure.edges)
    axes.add_patch(
        PathPatch(lines, fill=False, edgecolor=colour, linewidth=width, zorder=2, rasterized=rasterized)
    )  # fmt: skip
    left, right, bottom, top = figure.box
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def thin_line(figure: Polygons) -> tuple[tuple[float, float, float, float], float]:
    """Return colour and width (in points) of the lines between regions; lines between many regions are fainter."""
    strength = float(np.clip(np.sqrt(800 / max(1, len(figure))), 0.12, 1.0))
    grey = 1.0 if figure.scale is not None else 0.25
    return (grey, grey, grey, 0.25 + 0.45 * strength), 0.1 + 0.5 * strength


def fill_paths(figure: Polygons) -> tuple[Ints, list["Path"]]:
    """Return the colours that occur, as indices in the palette, and one path for all polygons of each colour."""
    from matplotlib.path import Path

    sizes = np.diff(figure.starts)
    order = np.argsort(figure.shade, kind="stable")
    used, first = np.unique(figure.shade[order], return_index=True)
    # A path has the corners of a polygon and a closing point, whose coordinates are ignored.
    begin = np.concatenate([[0], np.cumsum(sizes[order] + 1)])
    indices = (
        np.arange(begin[-1])
        - np.repeat(begin[:-1], sizes[order] + 1)
        + np.repeat(figure.starts[order], sizes[order] + 1)
    )
    closing = begin[1:] - 1
    indices[closing] = figure.starts[order]
    codes = np.full(len(indices), Path.LINETO, np.uint8)
    codes[begin[:-1]], codes[closing] = Path.MOVETO, Path.CLOSEPOLY
    cuts = begin[first[1:]]
    parts = zip(np.split(figure.corners[indices], cuts), np.split(codes, cuts), strict=True)
    return used, [Path(corners, kinds) for corners, kinds in parts]


def _strokes(segments: Floats) -> "Path":
    from matplotlib.path import Path

    kinds = np.tile(np.array([Path.MOVETO, Path.LINETO], np.uint8), len(segments))
    return Path(segments.reshape(-1, 2), kinds)


def _draw_examples(axes: "Axes", figure: Polygons) -> None:
    from matplotlib.patheffects import withStroke

    if figure.points is not None and len(figure.points.places):
        colours = ["white" if i < 0 else figure.palette[i] for i in figure.points.shade]
        size = float(np.clip(6000 / len(colours), 4, 22))
        s, t = figure.points.places.T
        axes.scatter(s, t, s=size, c=colours, edgecolors=INK, linewidths=0.5, zorder=4)
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for mark in figure.marks:
        axes.plot(mark.x, mark.y, "o", color=INK, markersize=6, markeredgecolor="white", zorder=5)
        left = _is_name_at_left(figure, mark)
        axes.annotate(
            mark.name, (mark.x, mark.y), (-7 if left else 7, 5), textcoords="offset points",
            ha="right" if left else "left", fontsize=9.5, color=INK, path_effects=halo, zorder=6,
        )  # fmt: skip


def _is_name_at_left(figure: Polygons, mark: Mark) -> bool:
    """Return whether to put the name of a mark at its left: away from the nearest other mark, if there is space."""
    left, right, bottom, top = figure.box
    place = (mark.x - left) / (right - left)
    near = [other for other in figure.marks if other is not mark and abs(other.y - mark.y) < 0.1 * (top - bottom)]
    if not near or not 0.25 < place < 0.75:
        return place > 0.5
    return min(near, key=lambda other: abs(other.x - mark.x)).x > mark.x


def _explain_colours(axes: "Axes", figure: Polygons) -> None:
    if figure.scale is not None:
        _colour_bar(axes, figure, figure.scale)
    elif _has_names_beside(figure):
        _bar_of_names(axes, figure)
    _legend_below(axes, figure)


def _bar_axes(axes: "Axes", figure: Polygons) -> "Axes":
    """Return a narrow panel at the right of a plane."""
    return axes.inset_axes((1 + 0.12 / _plane_size(figure)[0], 0.06, 0.15 / _plane_size(figure)[0], 0.88))


def _colour_bar(axes: "Axes", figure: Polygons, scale: Scale) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    extend: dict[tuple[bool, bool], Literal["neither", "both", "min", "max"]] = {
        (True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither",
    }  # fmt: skip
    colours = ScalarMappable(Normalize(scale.low, scale.high), ListedColormap(figure.palette))
    bar = axes.figure.colorbar(colours, cax=_bar_axes(axes, figure), extend=extend[scale.under, scale.over])
    bar.set_label(scale.name, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _bar_of_names(axes: "Axes", figure: Polygons) -> None:
    """Draw a bar of the colours with names, the first at the top."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    present, other = shown_names(figure)
    present = present[::-1]
    colours = ScalarMappable(Normalize(0, len(present)), ListedColormap([figure.palette[i] for i in present]))
    bar = axes.figure.colorbar(colours, cax=_bar_axes(axes, figure))
    bar.set_ticks([i + 0.5 for i in range(len(present))], labels=[figure.names[i] for i in present])
    bar.ax.tick_params(length=0, labelsize=9)
    bar.outline.set_visible(False)
    if other:
        bar.set_label(f"and {other:,} more classes", fontsize=9)


def _legend_below(axes: "Axes", figure: Polygons) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    names = [] if _has_names_beside(figure) or not figure.names else shown_names(figure)[0]
    handles: list[Patch | Line2D] = [Patch(facecolor=figure.palette[i]) for i in names]
    if len(figure.boundary):
        handles.append(Line2D([], [], color=INK, linewidth=1.7))
    if figure.points is not None:
        handles.append(Line2D([], [], color=INK, marker="o", linestyle="", markersize=4.5, markerfacecolor="white"))
    if handles:
        under = axes.transAxes + ScaledTranslation(0, -0.55, axes.figure.dpi_scale_trans)
        axes.legend(
            handles, _labels_below(figure), loc="upper left", bbox_to_anchor=(0.0, 0.0), bbox_transform=under,
            borderaxespad=0, borderpad=0, frameon=False, fontsize=9, ncols=_legend_shape(figure)[1], handletextpad=0.5,
            handlelength=1.4, columnspacing=1.3,
        )  # fmt: skip


def _has_names_beside(figure: Polygons) -> bool:
    """Return whether there are too many names of colours for a legend below the plane."""
    return bool(figure.names) and sum(len(figure.names[i]) + 4 for i in shown_names(figure)[0]) > 32


def shown_names(figure: Polygons) -> tuple[list[int], int]:
    """Return the colours whose names are shown (the most frequent, if there are many), and the number of the others."""
    counts = np.bincount(figure.shade, minlength=len(figure.names))
    present = np.flatnonzero(counts)
    largest = present[np.argsort(-counts[present], kind="stable")][:MAX_NAMES]
    return sorted(largest.tolist()), len(present) - len(largest)


def draw_pieces(axes: "Axes", figure: Pieces) -> None:
    """Draw lines over pieces, dots where pieces meet, and a strip in which each piece has its own colour."""
    few = len(figure.ends) <= MAX_BREAKS
    for position, series in enumerate(figure.series):
        colour = _line_colour(position, len(figure.series))
        axes.plot(series.x, series.y, color=colour, linewidth=1.6, label=legend_name(series.name))
        if few:
            axes.plot(series.x[2::2], series.y[2::2], "o", color=colour, markersize=2.6, linestyle="none")
    values = [y for series in figure.series for y in series.y]
    low, high = min(values), max(values)
    room = (high - low) or 1.0
    axes.set_ylim(low - room * (0.06 + 1.5 * STRIP), high + 0.06 * room)
    axes.set_xlim(figure.ends[0], figure.ends[-1])
    spans = list(zip(figure.ends[:-1], np.diff(figure.ends).tolist(), strict=True))
    axes.broken_barh(
        spans, (0.0, STRIP), transform=axes.get_xaxis_transform(), facecolors=figure.colours, linewidth=0, zorder=2
    )
    if few:
        axes.vlines(
            figure.ends[1:-1], 0, 1, transform=axes.get_xaxis_transform(), color="0.6", linewidth=0.4, zorder=0.5
        )
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    if len(figure.series) > 1:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=1.2)


def _line_colour(position: int, count: int) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return COLOURS[position] if count <= len(COLOURS) else to_hex(colormaps["tab10"](position))
