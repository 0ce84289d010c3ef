"""Figures for Plotly, with the same data that matplotlib draws."""

import html
from collections.abc import Callable, Iterable, Sequence
from math import log10
from textwrap import wrap
from typing import Any

import numpy as np

from hashlens.report.colours import class_colours, pale
from hashlens.report.figures import (
    COLOURS,
    Bars,
    Figure,
    Heatmap,
    Histogram,
    Intervals,
    Lines,
    Rule,
    Scatter,
    Series,
    Shares,
    Tile,
)
from hashlens.report.images import AGAINST_COLOUR, FOR_COLOUR
from hashlens.visible import escape_unsafe

STRONG_COLOURS = (
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#888888", "#EE7733", "#009988", "#BB5566",
)  # fmt: skip
"""Colours for light and dark backgrounds: Paul Tol's bright palette, and three more of his colours."""
DIGITS = 5
MAX_TICKS = 12
"""Largest number of tick names on an axis; if there are more, some are left out."""
MAX_DECADES = 3.0
"""Largest number of decades on a logarithmic axis that has ticks at 2 and 5 too."""
BAR_HEIGHT, MIN_HEIGHT = 26, 300
"""Height of a bar, and smallest height of a figure, in pixels."""


def plotly_can_draw(figure: Figure) -> bool:
    """Return whether :func:`plotly` can draw a figure; other figures are shown as images."""
    return type(figure) in TRACE_FUNCTIONS


def plotly(figure: Figure) -> dict[str, Any]:
    """Return ``{"data": traces, "layout": layout}`` of a figure; the page adds colours of its light or dark theme."""
    return TRACE_FUNCTIONS[type(figure)](figure)


def colours(count: int) -> tuple[str, ...]:
    """Return colours for `count` lines or groups; colour-blind readers can distinguish a few of them."""
    if count <= len(COLOURS):
        return COLOURS[:count]
    return STRONG_COLOURS[:count] if count <= len(STRONG_COLOURS) else class_colours(count)


def as_text(text: str) -> str:
    """Escape text so that Plotly shows it literally; quotes stay, because Plotly has no entity for them."""
    return html.escape(escape_unsafe(text), quote=False)


def _axis(label: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": as_text(label)}, "exponentformat": "power", **more}


def _round(values: Any) -> list[float | None]:
    """Return numbers rounded to the visible digits."""
    return [None if value is None or not np.isfinite(value) else float(f"{value:.{DIGITS}g}") for value in values]


def _lines(figure: Lines) -> dict[str, Any]:
    known = [x for series in (*figure.series, *figure.references) for x in series.x]
    log = figure.log_x and (bool(figure.ticks) or min(known, default=0.0) > 0)
    zero = zero_place(known) if log else 0.0
    traces = _line_traces(figure, zero)
    x_axis = _axis(figure.x_label, **(_log_axis(known) if log else {}))
    if figure.ticks:
        _name_ticks(figure, x_axis, traces, zero)
    layout = {
        "xaxis": x_axis,
        "yaxis": _axis(figure.y_label, **({} if figure.dense else {"rangemode": "tozero"})),
        "showlegend": len(figure.series) + len(figure.references) > 1,
    }
    if figure.rules:
        layout["shapes"] = [_rule(rule, width=1, color="#888888") for rule in figure.rules]
    return {"data": traces, "layout": layout}


def _line_traces(figure: Lines, zero: float) -> list[dict[str, Any]]:
    """Return the traces of bands, lines and references; x = 0 is drawn at `zero`."""
    traces: list[dict[str, Any]] = []
    paints = dict(zip((series.name for series in figure.series), colours(len(figure.series)), strict=True))
    for series in figure.series:
        paint, x = paints[series.name], tuple(value or zero for value in series.x)
        if np.isfinite(series.low).any():
            traces.append(_band(series, x, paint))
        style = {"mode": "lines"} if figure.dense else {"mode": "lines+markers", "marker": {"color": paint, "size": 6}}
        traces.append(
            {"type": "scatter", "name": as_text(series.name), "x": _round(x), "y": _round(series.y),
             "line": {"color": paint, "width": 1 if figure.dense else 2}, "cliponaxis": False, **style}
        )  # fmt: skip
    for series in figure.references:
        # All references share one legend entry; their colours show to which line they belong.
        is_first = series is figure.references[0]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": as_text(figure.reference_name or series.name),
             "x": _round(value or zero for value in series.x), "y": _round(series.y), "cliponaxis": False,
             "marker": {"color": paints[series.name], "size": 9, "symbol": "diamond-open"},
             "showlegend": is_first or not figure.reference_name}
        )  # fmt: skip
    return traces


def _name_ticks(figure: Lines, x_axis: dict[str, Any], traces: list[dict[str, Any]], zero: float) -> None:
    """Add the names of the ticks to the axis, as far as they fit, and to the hover texts of all traces."""
    places = _round(place or zero for place, _ in figure.ticks)
    named_places = zip(places, figure.ticks, strict=True)
    names = {place: as_text(name) for place, (_, name) in named_places if place is not None}
    shown = _readable_ticks(names, x_axis.get("type") == "log")
    x_axis |= {"tickvals": shown, "ticktext": [names[place] for place in shown]}
    if sum(len(names[place]) for place in shown) > 60:  # too long to fit side by side
        x_axis |= {"tickangle": -35, "ticklabeloverflow": "allow"}
    for trace in traces:
        if trace.get("hoverinfo") != "skip":
            trace["hovertext"] = [names.get(place, "") for place in trace["x"]]
            trace["hovertemplate"] = "%{hovertext}: %{y}<extra>" + trace["name"] + "</extra>"


def _rule(rule: Rule, width: float, color: str) -> dict[str, Any]:
    """Return a rule as a line across the whole panel."""
    line = {"dash": "dash", "width": width, "color": color}
    along, across = ("y", "x") if rule.axis == "x" else ("x", "y")
    return {"type": "line", f"{along}ref": "paper", f"{along}0": 0, f"{along}1": 1, f"{across}0": rule.at,
            f"{across}1": rule.at, "line": line}  # fmt: skip


def _log_axis(values: Iterable[float]) -> dict[str, Any]:
    """Return a logarithmic axis with ticks at 1, 2, 5, 10, ..., or only at powers of ten if these are many."""
    positive = [value for value in values if value > 0]
    decades = log10(max(positive) / min(positive)) if positive else 0.0
    return {"type": "log", "dtick": "D2" if decades < MAX_DECADES else 1, "tickformat": ",~r"}


def _readable_ticks(places: Iterable[float], log: bool) -> list[float]:
    """Return the positions, in order, that are far enough apart to have names."""
    ordered = sorted(places)
    at = np.log(ordered) if log else np.asarray(ordered)
    shown = [0]
    for position in range(1, len(ordered)):
        if at[position] - at[shown[-1]] >= (at[-1] - at[0]) / MAX_TICKS:
            shown.append(position)
    return [ordered[position] for position in shown]


def zero_place(values: Iterable[float]) -> float:
    """Return the position of zero on a logarithmic axis: a third of the smallest positive value.

    >>> zero_place([0, 3, 10])
    1.0
    """
    return min((value for value in values if value > 0), default=1.0) / 3


def _band(series: Series, x: tuple[float, ...], paint: str) -> dict[str, Any]:
    red, green, blue = (int(paint[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter", "mode": "lines", "x": _round((*x, *x[::-1])),
        "y": _round((*series.low, *series.high[::-1])), "fill": "toself", "hoverinfo": "skip", "showlegend": False,
        "line": {"width": 0}, "fillcolor": f"rgba({red},{green},{blue},0.18)",
    }  # fmt: skip


def _bars(figure: Bars) -> dict[str, Any]:
    traces = []
    for position, ((name, values), paint) in enumerate(zip(figure.groups, colours(len(figure.groups)), strict=True)):
        trace: dict[str, Any] = {
            "type": "bar", "orientation": "h", "name": as_text(name), "y": list(map(as_text, figure.names)),
            "x": _round(values), "marker": {"color": _sign_colours(values) if figure.signed else paint},
            "textposition": "outside", "cliponaxis": False,
            "text": ["" if value is None else figure.number_format.format(value) for value in values],
            "hovertemplate": "%{y}: %{text}<extra>" + as_text(name) + "</extra>",
        }  # fmt: skip
        if figure.start is not None:
            trace["base"] = _round(figure.starts(values))
        ends = figure.ends[position] if figure.ends else ()
        if any(end is not None for end in ends):
            pairs = [(0.0, 0.0) if end is None or value is None else (end[1] - value, value - end[0])
                     for value, end in zip(values, ends, strict=True)]  # fmt: skip
            above, below = zip(*pairs, strict=True)
            trace["error_x"] = {"array": _round(above), "arrayminus": _round(below), "thickness": 1.5, "width": 4,
                                "color": "#888888"}  # fmt: skip
            # A number beside the bar would cover its interval, so the hover text shows both.
            trace["hovertext"] = [_interval_text(value, end, figure.number_format)
                                  for value, end in zip(values, ends, strict=True)]  # fmt: skip
            trace |= {"textposition": "none", "hovertemplate": trace["hovertemplate"].replace("text", "hovertext")}
        traces.append(trace)
    known = [value for _, values in figure.groups for value in values if value is not None]
    known += [end for group in figure.ends for ends in group if ends is not None for end in ends]
    least, most = min([0.0, *known]), max([0.0, *known]) or 1.0
    span = [1.15 * least, 1.15 * most] if figure.start is None else list(figure.span())
    height = max(MIN_HEIGHT, BAR_HEIGHT * len(figure.names) * len(figure.groups) + 110)
    layout = {
        "xaxis": _axis(figure.x_label, range=span), "barmode": "group",
        # Names such as "7" would be read as numbers: every other name would be left out, and bars in another order.
        "yaxis": {"type": "category", "dtick": 1, "autorange": "reversed", "automargin": True},
        "bargap": 0.25, "height": height, "showlegend": len(traces) > 1,
    }  # fmt: skip
    return {"data": traces, "layout": layout}


def _sign_colours(values: Sequence[float | None]) -> list[str]:
    """Return the colour of each bar: one for values of 0 and more, one for values below 0."""
    above, below = (
        f"rgb({', '.join(str(round(255 * part)) for part in colour)})" for colour in (FOR_COLOUR, AGAINST_COLOUR)
    )
    return [above if (value or 0.0) >= 0 else below for value in values]


def _interval_text(value: float | None, ends: tuple[float, float] | None, format_: str) -> str:
    between = "" if ends is None else f" ({format_.format(ends[0])} to {format_.format(ends[1])})"
    return "" if value is None else format_.format(value) + between


def _histogram(figure: Histogram) -> dict[str, Any]:
    traces = []
    for (name, shares), paint in zip(figure.shares, colours(len(figure.shares)), strict=True):
        red, green, blue = (int(paint[i : i + 2], 16) for i in (1, 3, 5))
        traces.append(
            {"type": "scatter", "mode": "lines", "name": as_text(name), "x": _round(figure.edges),
             "y": _round((*shares, shares[-1])), "line": {"color": paint, "width": 2, "shape": "hv"},
             "fill": "tozeroy", "fillcolor": f"rgba({red},{green},{blue},0.25)"}
        )  # fmt: skip
        if figure.least is not None:
            # Zero has no logarithm: shares below the axis are drawn below its start, with their true value as text.
            drawn = [max(share, figure.least / 2) for share in (*shares, shares[-1])]
            hover = [f"{share:.3g}" for share in (*shares, shares[-1])]
            traces[-1] |= {"y": _round(drawn), "text": hover, "hovertemplate": "%{x}: %{text}"}
    x = _axis(figure.x_label, **(_log_axis(figure.edges) if figure.log_x else {}))
    y = _axis(figure.y_label, rangemode="tozero")
    if figure.least is not None:
        most = max(share for _, shares in figure.shares for share in shares)
        y |= {"type": "log", "range": [log10(figure.least), log10(2 * max(most, figure.least))], "dtick": 1,
              "tickformat": "~p"}  # fmt: skip
    layout = {"xaxis": x, "yaxis": y, "showlegend": True}
    if figure.rules:
        layout["shapes"] = [_rule(rule, width=1.5, color="#888888") for rule in figure.rules]
    for rule in figure.rules:
        # The rule is named in the legend, because text would cover the shares.
        line = _rule(rule, width=1.5, color="#888888")["line"]
        traces.append({"type": "scatter", "mode": "lines", "name": as_text(rule.name), "x": [None],
                       "y": [None], "line": line, "hoverinfo": "skip"})  # fmt: skip
    return {"data": traces, "layout": layout}


def _intervals(figure: Intervals) -> dict[str, Any]:
    above = [end[1] - value for value, end in zip(figure.values, figure.ends, strict=True)]
    below = [value - end[0] for value, end in zip(figure.values, figure.ends, strict=True)]
    hover = [
        _interval_text(value, ends, figure.number_format)
        for value, ends in zip(figure.values, figure.ends, strict=True)
    ]
    trace = {
        "type": "scatter", "mode": "markers+text", "x": _round(figure.values),
        "y": ["<br>".join(map(as_text, wrap(name, 28))) for name in figure.names],
        "marker": {"size": 11, "color": COLOURS[0]},
        "error_x": {"array": _round(above), "arrayminus": _round(below), "thickness": 2, "width": 6,
                    "color": COLOURS[0]},
        "text": list(map(figure.number_format.format, figure.values)), "textposition": "top center",
        "hovertext": hover, "hovertemplate": "%{y}: %{hovertext}<extra></extra>",
    }  # fmt: skip
    layout = {
        "xaxis": _axis(figure.x_label), "showlegend": False, "height": 110 + 52 * len(figure.names),
        "yaxis": {"range": [len(figure.names) - 0.5, -0.8], "automargin": True, "type": "category", "ticklen": 8},
    }  # fmt: skip
    return {"data": [trace], "layout": layout}


def _scatter(figure: Scatter) -> dict[str, Any]:
    paints = colours(len(figure.groups))
    traces = []
    places = [*range(len(figure.groups)), *([-1] if (figure.group < 0).any() else [])]
    for group in places:
        rows = np.flatnonzero(figure.group == group)
        if len(rows) == 0:
            continue
        name = "none" if group < 0 else figure.groups[group]
        trace: dict[str, Any] = {
            "type": "scatter", "mode": "markers", "name": as_text(name), "x": _round(figure.x[rows]),
            "y": _round(figure.y[rows]), "text": [as_text(figure.texts[row]) for row in rows],
            "marker": {"color": "#888888" if group < 0 else paints[group], "size": 6, "opacity": 0.8},
            "hovertemplate": "%{text}<extra></extra>",
        }  # fmt: skip
        if figure.images:
            # The page shows its own hover label, with image and text.
            trace |= {"customdata": [figure.images[row] for row in rows], "hoverinfo": "none", "hovertemplate": None}
        traces.append(trace)
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False}
    layout = {
        "xaxis": _axis(figure.x_label, **hidden), "yaxis": _axis(figure.y_label, **hidden), "height": 560,
        "hovermode": "closest", "showlegend": True, "dragmode": "pan",
    }  # fmt: skip
    return {"data": traces, "layout": layout}


def _shares(figure: Shares) -> dict[str, Any]:
    traces = [
        {"type": "scatter", "mode": "lines", "stackgroup": "cells", "x": _round(figure.x), "y": _round(shares),
         "line": {"width": 0.5, "shape": "hv", "color": paint}, "fillcolor": paint, "name": as_text(name)}
        for name, shares, paint in zip(figure.names, figure.shares, figure.colours, strict=True)
    ]  # fmt: skip
    marks = [_rule(rule, width=1.5, color="#777777") for rule in figure.rules]
    layout = {"xaxis": _axis(figure.x_label), "yaxis": _axis(figure.y_label, range=[0, 1]), "shapes": marks}
    return {"data": traces, "layout": layout}


def _heatmap(figure: Heatmap) -> dict[str, Any]:
    plain = {"showgrid": False, "zeroline": False}
    columns, rows = len(figure.columns), len(figure.rows)
    layout = {
        "barmode": "overlay", "bargap": 0, "height": min(720, 190 + 34 * rows), "hovermode": "closest",
        "xaxis": _axis(figure.x_label, tickvals=list(range(columns)), ticktext=list(map(as_text, figure.columns)),
                       range=[-0.5, columns - 0.5], **plain),
        "yaxis": _axis(figure.y_label, tickvals=list(range(rows)), ticktext=list(map(as_text, figure.rows)),
                       range=[-0.5, rows - 0.5], **plain),
    }  # fmt: skip
    return {"data": [*_tile_traces(figure), *_contour_traces(figure)], "layout": layout}


def _tile_traces(figure: Heatmap) -> list[dict[str, Any]]:
    """Return the cells as bars of height one, because the basic build of Plotly has no heat maps."""
    traces: list[dict[str, Any]] = []
    # With a scale all cells belong to one group.
    groups: Sequence[tuple[str, list[Tile]]] = (
        [(figure.scale.name, list(figure.tiles))]
        if figure.scale is not None
        else [(name, [tile for tile in figure.tiles if tile.value == i]) for i, name in enumerate(figure.names)]
    )
    for name, tiles in groups:
        labels = [
            f"{figure.x_label} {figure.columns[tile.column]}, {figure.y_label} {figure.rows[tile.row]}: "
            f"{figure.text_label} {tile.text}{', ' + figure.crossed_name if tile.crossed else ''}"
            for tile in tiles
        ]
        traces.append(
            {"type": "bar", "name": as_text(name), "x": [tile.column for tile in tiles], "width": 1,
             "base": [tile.row - 0.5 for tile in tiles], "y": [1] * len(tiles),
             "marker": {"color": [_hex(pale(figure.paint(tile), tile.opacity)) for tile in tiles],
                        "line": {"width": 1, "color": "#ffffff"}},
             "text": [tile.text for tile in tiles], "textposition": "inside", "insidetextanchor": "middle",
             "textangle": 0, "textfont": {"color": "#1b1f24"}, "hovertext": list(map(as_text, labels)),
             "hovertemplate": "%{hovertext}<extra></extra>"}
        )  # fmt: skip
    return traces


def _contour_traces(figure: Heatmap) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for contour in figure.contours:
        line = {
            "color": "#1b1f24",
            "width": 2.2 if contour.strong else 1.1,
            "dash": "dash" if contour.dashed else "solid",
        }
        for points in contour.lines:
            x, y = zip(*points, strict=True)
            traces.append({"type": "scatter", "mode": "lines", "x": _round(x), "y": _round(y), "line": line,
                           "showlegend": False, "hoverinfo": "skip"})  # fmt: skip
        # Lines are dark on the cells, but grey in the legend, so that they are visible on a dark page.
        key = line | {"color": "#888888"}
        traces.append({"type": "scatter", "mode": "lines", "x": [None], "y": [None], "line": key,
                       "name": as_text(contour.name), "hoverinfo": "skip"})  # fmt: skip
    return traces


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


TRACE_FUNCTIONS: dict[type[Figure], Callable[[Any], dict[str, Any]]] = {
    Bars: _bars,
    Heatmap: _heatmap,
    Histogram: _histogram,
    Intervals: _intervals,
    Lines: _lines,
    Scatter: _scatter,
    Shares: _shares,
}
"""Functions that return the traces of a figure, by class of the figure."""
