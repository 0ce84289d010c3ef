"""Figures drawn with matplotlib."""

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.report.figures import (
    COLOURS,
    Bars,
    Figure,
    Heatmap,
    Histogram,
    Intervals,
    Lines,
    Pieces,
    Pixels,
    Polygons,
    Scatter,
    Shares,
    Words,
)
from hashlens.report.images import AGAINST_COLOUR, FOR_COLOUR, draw_pixels, draw_words, pixels_size
from hashlens.report.maps import draw_map, draw_rules, draw_shares, map_legend, map_size
from hashlens.report.names import legend_name, show_text_literally
from hashlens.report.polygons import draw_pieces, draw_plane, lay_out_planes, panel_size, plane_title
from hashlens.report.style import paper_style
from hashlens.report.style import save as save
from hashlens.report.traces import colours
from hashlens.visible import escape_unsafe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

PANEL = (5.2, 3.6)
"""Width and height of a panel, in inches."""
LONGEST = 36
"""Largest number of characters of a name beside a bar."""
ROOM, WIDER = 0.16, 0.3
"""Share of an axis left free for numbers at bars that go left; the second is used if long names shorten the axis."""
LEGEND, BESIDE = 1.3, 2.6
"""Height of a legend below all panels, and width of a legend beside many lines, in inches."""
LEGEND_STYLE: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "framealpha": 0.8, "fontsize": 9}
"""Style of a legend that stays readable over drawn lines."""


@paper_style()
def draw(figures: Sequence[Figure], columns: int | None = None, titles: bool = True) -> "Canvas":
    """Return a matplotlib figure with one panel for each of `figures`, `columns` side by side (by default 2, maps 3).

    Panels have titles unless `titles` is false. The figure belongs to no window and no global state; save it with
    :func:`hashlens.report.style.save`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    maps = [figure for figure in figures if isinstance(figure, Heatmap)]
    planes = [figure for figure in figures if isinstance(figure, Polygons)]
    columns = columns or (3 if len(maps) == len(figures) else 2)
    canvas = Canvas(layout=None if len(planes) == len(figures) else "constrained")
    FigureCanvasAgg(canvas)
    width = 0.0
    if len(planes) == len(figures):
        panels = lay_out_planes(canvas, planes, min(columns, len(planes)))
    elif len(maps) == 1 < len(figures) and figures[0] is maps[0]:
        panels, width = _lay_out_beside_map(canvas, maps[0], len(figures) - 1)
    else:
        panels, width = _lay_out_grid(canvas, figures, min(columns, len(figures)))
    for axes, figure in zip(panels, figures, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        if isinstance(figure, Heatmap):
            draw_map(axes, figure, (width - 1.2) / len(figure.columns))
        else:
            DRAW_FUNCTIONS[type(figure)](axes, figure)
        if titles:
            title = plane_title(figure) if isinstance(figure, Polygons) else figure.title
            axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    show_text_literally(canvas)
    if titles and not planes:
        _keep_titles_inside(canvas, panels)
    if maps:
        map_legend(canvas, maps, [figure for figure in figures if isinstance(figure, Shares)])
    return canvas


@paper_style()
def draw_text(text: str) -> "Canvas":
    """Return a matplotlib figure that shows text as a terminal does, for results without figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    lines = escape_unsafe(text).split("\n")
    canvas = Canvas(figsize=(0.4 + 0.075 * max(map(len, lines)), 0.4 + 0.17 * len(lines)))
    FigureCanvasAgg(canvas)
    canvas.text(
        0.2 / canvas.get_figwidth(),
        0.5,
        "\n".join(lines),
        family="monospace",
        fontsize=9,
        va="center",
        parse_math=False,
    )
    return canvas


def _keep_titles_inside(canvas: "Canvas", panels: Sequence["Axes"]) -> None:
    """Move titles that would be cut off to the left, within their panel; the layout does not account for them."""
    canvas.draw_without_rendering()
    for axes in panels:
        title, place = axes._left_title, axes.get_subplotspec()  # type: ignore[attr-defined]
        assert place is not None
        ratios = np.asarray(place.get_gridspec().get_width_ratios(), np.float64)
        ends = np.append(0.0, ratios.cumsum() / ratios.sum()) * canvas.bbox.width
        frame = axes.get_window_extent()
        beyond = title.get_window_extent().x1 - ends[place.colspan.stop]
        if beyond > 0:
            title.set_x(-min(beyond, frame.x0 - ends[place.colspan.start]) / frame.width)


def _lay_out_grid(canvas: "Canvas", figures: Sequence[Figure], columns: int) -> tuple[list["Axes"], float]:
    """Arrange panels of equal size in a grid; return them and the width of the first in inches."""
    rows = -(-len(figures) // columns)
    sizes = [_size(figure) for figure in figures]
    width, height = (max(side) for side in zip(*sizes, strict=True))
    below = LEGEND if any(isinstance(figure, Heatmap) for figure in figures) else 0.0
    canvas.set_size_inches(width * columns, height * rows + below)
    return [canvas.add_subplot(rows, columns, position + 1) for position in range(len(figures))], width


def _size(figure: Figure) -> tuple[float, float]:
    if isinstance(figure, Polygons):
        return panel_size(figure)
    if isinstance(figure, Lines) and len(figure.series) > len(COLOURS):
        return PANEL[0] + BESIDE, PANEL[1]
    if isinstance(figure, Pixels):
        return pixels_size(figure)
    return map_size(figure) if isinstance(figure, Heatmap) else PANEL


def _lay_out_beside_map(canvas: "Canvas", figure: Heatmap, others: int) -> tuple[list["Axes"], float]:
    """Arrange a map at the left and the other panels in two columns beside it; return panels and width of the map."""
    rows = -(-others // 2)
    width, height = map_size(figure)
    canvas.set_size_inches(width + 2 * 3.6, max(height, 2.6 * rows) + LEGEND)
    places = canvas.add_gridspec(rows, 3, width_ratios=(width, 3.6, 3.6))
    spots = [places[:, 0], *(places[i // 2, 1 + i % 2] for i in range(others))]
    return [canvas.add_subplot(spot) for spot in spots], width


def _lines(axes: "Axes", figure: Lines) -> None:
    colours = dict(zip((series.name for series in figure.series), _colours(len(figure.series)), strict=True))
    for series in figure.series:
        colour = colours[series.name]
        # The line is not clipped, so that a marker at 0 is complete.
        style = {"linewidth": 1} if figure.dense else {"marker": "o", "markersize": 4}
        axes.plot(series.x, series.y, color=colour, label=legend_name(series.name), clip_on=False, **style)
        if series.low:
            axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.18, linewidth=0)
    for series in figure.references:
        axes.plot(series.x, series.y, "D", markersize=6, markerfacecolor="none", color=colours[series.name])
    if figure.references:
        axes.plot([], [], "D", markersize=6, markerfacecolor="none", color="0.3", label=figure.reference_name)
    if figure.band_name:
        axes.fill_between([], [], [], color="0.5", alpha=0.3, linewidth=0, label=figure.band_name)
    draw_rules(axes, figure.rules, color="0.5", linewidth=1)
    _x_scale(axes, figure)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    if not figure.dense and not figure.has_negative:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    if len(figure.series) > 1 or figure.references:
        _line_legend(axes, len(figure.series))


def _line_legend(axes: "Axes", lines: int) -> None:
    if lines <= len(COLOURS):
        axes.legend(**LEGEND_STYLE)
    else:
        columns = -(-lines // 16)
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=columns)


def _x_scale(axes: "Axes", figure: Lines) -> None:
    from matplotlib.ticker import NullLocator

    positive = [x for series in (*figure.series, *figure.references) for x in series.x if x > 0]
    points = sum(len(series.x) for series in (*figure.series, *figure.references))
    if figure.log_x and positive and len(positive) < points:
        # A logarithmic axis has no zero, so zero is on a linear part before the smallest positive level.
        axes.set_xscale("symlog", linthresh=min(positive), linscale=0.4)
    elif figure.log_x:
        axes.set_xscale("log", base=2)
    if figure.ticks:
        shown = _readable_ticks(axes, [place for place, _ in figure.ticks])
        axes.set_xticks([figure.ticks[i][0] for i in shown], [figure.ticks[i][1] for i in shown])
        if sum(len(figure.ticks[i][1]) for i in shown) > 60:  # too long to fit side by side
            axes.set_xticks(axes.get_xticks(), [figure.ticks[i][1] for i in shown], rotation=30, ha="right")
        axes.xaxis.set_minor_locator(NullLocator())
    elif figure.log_x:
        axes.locator_params(axis="x", numticks=7)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _readable_ticks(axes: "Axes", places: Sequence[float], least: float = 0.09) -> list[int]:
    """Return the indices of positions whose names do not overlap on the axis; the first and last are kept."""
    positions = axes.transData.transform([(place, 0.0) for place in places])[:, 0]
    gap = least * float(np.ptp(positions))
    last = len(places) - 1
    shown = [0]
    for i in range(1, last):
        if positions[i] - positions[shown[-1]] >= gap and positions[last] - positions[i] >= gap:
            shown.append(i)
    return [*shown, last] if last else shown


def _colours(count: int) -> list[Any]:
    """Return colours for lines: the palette, or ordered shades if there are more lines than colours."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.92, count)))


def _bars(axes: "Axes", figure: Bars) -> None:
    at = np.arange(len(figure.names))
    height = 0.8 / len(figure.groups)
    group_colours = colours(len(figure.groups))
    for position, (name, values) in enumerate(figure.groups):
        ends = figure.ends[position] if figure.ends else (None,) * len(values)
        known = [i for i, value in enumerate(values) if value is not None]
        lengths = [float(values[i] or 0.0) for i in known]
        places = at[known] + position * height
        begins = [figure.starts(values)[i] for i in known]
        paint = (
            [FOR_COLOUR if length >= 0 else AGAINST_COLOUR for length in lengths]
            if figure.signed
            else group_colours[position]
        )
        axes.barh(places, lengths, height * 0.92, left=begins, color=paint, label=legend_name(name))
        for place, length, begin, end in zip(places, lengths, begins, (ends[i] for i in known), strict=True):
            if end is not None:
                axes.plot(end, (place, place), color="0.2", linewidth=1.2, solid_capstyle="butt")
            left = figure.signed and length < 0
            beside = begin + length if left else max(begin + length, end[1] if end is not None else begin + length, 0.0)
            axes.annotate(
                figure.number_format.format(length), (beside, place), (-2 if left else 2, 0),
                textcoords="offset points", va="center", ha="right" if left else "left", fontsize=8,
            )  # fmt: skip
    axes.set_yticks(at + 0.4 - height / 2, list(map(_shorten, figure.names)), parse_math=False)
    axes.invert_yaxis()
    # A long label extends to the left, below the names.
    axes.set_xlabel(figure.x_label, loc="center" if figure.start is None else "right")
    room = ROOM if max(map(len, figure.names), default=0) <= LONGEST // 2 else WIDER
    if figure.start is not None:
        _waterfall_axis(axes, figure, room)
        return
    _bar_axis(axes, figure, room)
    if len(figure.groups) > 1:
        # More columns would be wider than the panel.
        columns = min(len(figure.groups), 4)
        axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=columns)


def _bar_axis(axes: "Axes", figure: Bars, room: float) -> None:
    """Set the ends of the axis of values, so that all bars, intervals and numbers are inside."""
    lengths = [float(value) for _, values in figure.groups for value in values if value is not None]
    reached = [end for group in figure.ends for ends in group if ends is not None for end in ends]
    # Bars that end left of 0 have their numbers at the left.
    least = min([0.0, *reached, *(lengths if figure.signed else ())])
    most = 1.12 * max([figure.reach, *lengths, *reached])
    least -= room * (most - least) if figure.signed and least < 0 else 0.0
    axes.set_xlim(least, most if most > least else 1.0)
    if least < 0:
        axes.axvline(0, color="0.2", linewidth=0.8)


def _shorten(name: str) -> str:
    """Return a name short enough to leave room for the bars; a long name keeps only its two ends."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 - 1]} … {name[2 - LONGEST // 2 :]}"


def _waterfall_axis(axes: "Axes", figure: Bars, room: float) -> None:
    """Show only the start and the end of a waterfall on its axis."""
    low, high = figure.span(room)
    axes.set_xlim(low, high)
    for _, values in figure.groups:
        ends = (*figure.starts(values)[:1], sum(value or 0.0 for value in values) + (figure.start or 0.0))
        for place in ends:
            axes.axvline(place, color="0.2", linewidth=0.8, linestyle=":")


def _histogram(axes: "Axes", figure: Histogram) -> None:
    for colour, (name, shares) in zip(colours(len(figure.shares)), figure.shares, strict=True):
        axes.stairs(shares, figure.edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(shares, figure.edges, color=colour, label=legend_name(name))
    if figure.log_x:
        axes.set_xscale("log")
    if figure.least is not None:
        axes.set_yscale("log")
        axes.set_ylim(figure.least, 2 * max(figure.least, *(share for _, shares in figure.shares for share in shares)))
    draw_rules(axes, figure.rules, color="0.4", linewidth=1.2)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    axes.legend(**LEGEND_STYLE)


def _intervals(axes: "Axes", figure: Intervals) -> None:
    places = np.arange(len(figure.names))
    for place, value, ends in zip(places, figure.values, figure.ends, strict=True):
        axes.plot(ends, (place, place), color=COLOURS[0], linewidth=2)
        axes.plot([value], [place], "o", color=COLOURS[0], markersize=7)
        axes.annotate(
            figure.number_format.format(value), (value, place), (0, 7), textcoords="offset points", ha="center"
        )
    axes.set_yticks(places, [textwrap.fill(name, 28) for name in figure.names])
    axes.set_ylim(len(places) - 0.5, -0.6)
    axes.set_xlabel(figure.x_label)
    axes.grid(axis="x", alpha=0.25)


def _scatter(axes: "Axes", figure: Scatter) -> None:
    others = figure.group < 0
    axes.scatter(figure.x[others], figure.y[others], s=6, color="0.6", linewidths=0)
    for group, (name, paint) in enumerate(zip(figure.groups, colours(len(figure.groups)), strict=True)):
        rows = figure.group == group
        axes.scatter(figure.x[rows], figure.y[rows], s=6, color=paint, label=legend_name(name), alpha=0.8, linewidths=0)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    axes.set_xticks([])
    axes.set_yticks([])
    if 0 < len(figure.groups) <= 20:
        axes.legend(frameon=False, fontsize=8, markerscale=2, loc="upper left", bbox_to_anchor=(1.0, 1.02))


DRAW_FUNCTIONS: dict[type[Figure], Callable[["Axes", Any], None]] = {
    Bars: _bars,
    Histogram: _histogram,
    Intervals: _intervals,
    Lines: _lines,
    Pieces: draw_pieces,
    Pixels: draw_pixels,
    Polygons: draw_plane,
    Scatter: _scatter,
    Shares: draw_shares,
    Words: draw_words,
}
"""Functions that draw a figure on axes, by class of the figure."""
