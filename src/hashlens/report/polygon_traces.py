"""A plane for Plotly: a trace for each colour, lines on top, and the data with which a script finds regions."""

import base64
import io
from typing import Any

import numpy as np

from hashlens.report.figures import Floats, Polygons
from hashlens.report.polygons import INK, draw_regions, shown_names, thin_line
from hashlens.report.traces import as_text

MAX_POLYGONS = 20_000
"""Largest number of interactive polygons; more are shown as an image."""
PIXELS = 2000
"""Longer side of the image of the regions, in pixels."""
DIGITS = 7
"""Number of digits of coordinates."""
HEIGHT = 640
"""Height of the plane, in pixels."""
CONTROLS = {
    "scrollZoom": True,
    # Plotly's default buttons include one that uploads the picture.
    "modeBarButtons": [["toImage", "pan2d", "zoom2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def is_image(figure: Polygons) -> bool:
    """Return whether a plane has too many polygons to be interactive."""
    return len(figure) > MAX_POLYGONS


def plane_traces(figure: Polygons) -> dict[str, Any]:
    """Return ``{"data": traces, "layout": layout, "config": controls}`` of a plane."""
    strokes = [
        _strokes(figure.boundary, "white", 4.5),
        _strokes(figure.boundary, _grey(INK), 2.2, figure.boundary_name),
    ]
    layout = _layout(figure)
    if is_image(figure):
        layout["images"] = [_image(figure)]
        regions = []
    else:
        red, green, blue, alpha = thin_line(figure)[0]
        thin = f"rgba({255 * red:.0f},{255 * green:.0f},{255 * blue:.0f},{alpha:.2f})"
        regions = [*_polygons(figure), *_strokes(figure.edges, thin, 0.6)]
    data = [*regions, *(trace for traces in strokes for trace in traces), *_examples(figure), *_scale(figure)]
    return {"data": data, "layout": layout, "config": CONTROLS}


def _trace(mode: str, x: Any, y: Any, name: str = "", **more: Any) -> dict[str, Any]:
    named = {"name": as_text(name), "showlegend": bool(name)}
    return {"type": "scatter", "mode": mode, "x": x, "y": y, "hoverinfo": "skip", **named, **more}


def _polygons(figure: Polygons) -> list[dict[str, Any]]:
    corners = _round(figure.corners, figure)
    shown = set(shown_names(figure)[0]) if figure.names else set()
    traces = []
    for shade in np.unique(figure.shade).tolist():
        polygons = np.flatnonzero(figure.shade == shade)
        x, y = _joined_with_gaps([corners[figure.starts[polygon] : figure.starts[polygon + 1]] for polygon in polygons])
        paint = figure.palette[shade]
        traces.append(
            _trace("lines", x, y, figure.names[shade] if shade in shown else "", fill="toself", fillcolor=paint,
                   line={"width": 0.4, "color": paint}, meta={"faces": figure.face[polygons].tolist()})
        )  # fmt: skip
    return traces


def _strokes(segments: Floats, colour: str, width: float, name: str = "") -> list[dict[str, Any]]:
    if not len(segments):
        return []
    x, y = _joined_with_gaps(list(segments))
    return [_trace("lines", x, y, name, line={"color": colour, "width": width})]


def _examples(figure: Polygons) -> list[dict[str, Any]]:
    traces, points = [], figure.points
    if points is not None and len(points.places):
        colours = ["white" if i < 0 else figure.palette[i] for i in points.shade]
        marker = {"size": 6, "color": colours, "line": {"color": _grey(INK), "width": 0.8}}
        x, y = points.places.T.tolist()
        traces.append(_trace("markers", x, y, points.name, marker=marker))
    if figure.marks:
        x, y = [mark.x for mark in figure.marks], [mark.y for mark in figure.marks]
        marker = {"size": 10, "color": _grey(INK), "line": {"color": "white", "width": 1.5}}
        traces.append(_trace("markers", x, y, marker=marker))
    return traces


def _scale(figure: Polygons) -> list[dict[str, Any]]:
    """Return a trace without points that shows the colour bar beside the plane."""
    if figure.scale is None:
        return []
    steps = len(figure.palette) - 1
    bar = {"title": {"text": as_text(figure.scale.name), "side": "right"}, "thickness": 14, "outlinewidth": 0}
    marker = {
        "colorscale": [[i / steps, colour] for i, colour in enumerate(figure.palette)],
        "cmin": figure.scale.low, "cmax": figure.scale.high, "color": [figure.scale.low], "showscale": True,
        "colorbar": bar,
    }  # fmt: skip
    return [_trace("markers", [None], [None], marker=marker)]


def _layout(figure: Polygons) -> dict[str, Any]:
    left, right, bottom, top = figure.box
    plain = {"showgrid": False, "zeroline": False, "ticks": "outside"}
    across = {"title": {"text": as_text(figure.x_label)}, "range": [left, right], **plain}
    upward = {"title": {"text": as_text(figure.y_label)}, "range": [bottom, top], **plain}
    if figure.equal:
        across["constrain"] = upward["constrain"] = "domain"
        upward["scaleanchor"] = "x"
    named = {"showarrow": False, "yshift": 16, "borderpad": 2, "bgcolor": "rgba(255,255,255,.75)",
             "font": {"color": _grey(INK)}}  # fmt: skip
    marks = [{"x": mark.x, "y": mark.y, "text": as_text(mark.name), **named} for mark in figure.marks]
    # The boundary is dark, and a page may be dark too.
    legend = {"bgcolor": "rgba(255,255,255,.85)", "font": {"color": _grey(INK)}}
    return {"xaxis": across, "yaxis": upward, "annotations": marks, "height": HEIGHT, "hovermode": False,
            "dragmode": "pan", "legend": legend}  # fmt: skip


def _image(figure: Polygons) -> dict[str, Any]:
    """Return the regions as a picture that fills the box."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    left, right, bottom, top = figure.box
    ratio = (right - left) / (top - bottom) if figure.equal else 1.0
    canvas = Canvas(figsize=(10 * min(1.0, ratio), 10 / max(1.0, ratio)), dpi=PIXELS / 10)
    FigureCanvasAgg(canvas)
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    draw_regions(axes, figure, rasterized=True)
    picture = io.BytesIO()
    canvas.savefig(picture, format="png")
    source = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    return {
        "source": source, "xref": "x", "yref": "y", "x": left, "y": top, "sizex": right - left, "sizey": top - bottom,
        "sizing": "stretch", "layer": "below",
    }  # fmt: skip


def _round(corners: Floats, figure: Polygons) -> Floats:
    """Return coordinates rounded to the visible digits, which halves the size of the file."""
    left, right, bottom, top = figure.box
    digits = DIGITS - int(np.floor(np.log10(max(right - left, top - bottom))))
    rounded: Floats = np.round(corners, digits)
    return rounded


def _joined_with_gaps(parts: list[Floats]) -> tuple[list[float | None], list[float | None]]:
    """Return the concatenated x and y of lines, with a gap after each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for part in parts:
        x += [*part[:, 0].tolist(), None]
        y += [*part[:, 1].tolist(), None]
    return x, y


def _grey(ink: str) -> str:
    level = round(255 * float(ink))
    return f"rgb({level},{level},{level})"
