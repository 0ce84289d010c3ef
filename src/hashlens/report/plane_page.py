"""The page of a plane: its regions to zoom into and to point at, in one HTML file that fetches nothing."""

import base64
import html
import io
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.codes.fingerprint import hash_rows
from hashlens.errors import MissingExtraError
from hashlens.files import written_whole
from hashlens.regions.plane import Plane
from hashlens.report.figures import Floats, PlaneMap
from hashlens.report.planes import INK, draw_regions, shown_names, thin_line

MOST_POLYGONS = 20_000
"""More than these are an image that cannot be pointed at."""
PIXELS = 2000
MOST_OUTPUTS = 3
"""The affine map is written out for so many outputs: those that are largest in the middle of the region."""
DIGITS = 7
CONTROLS = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": True,
    # Plotly's own set has a button that sends the picture to its makers.
    "modeBarButtons": [["toImage", "pan2d", "zoom2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def check_plotly() -> None:
    """Raise MissingExtraError where Plotly is not installed."""
    try:
        import plotly.graph_objects  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("plotly", "interactive", "a page to point at and zoom into") from error


def write_plane_page(plane: Plane, figure: PlaneMap, path: str | Path) -> Path:
    """Write a plane as one HTML file that fetches nothing, and return its path.

    Pointing at a region tells its code, area, class, gradient and affine map. Above 20,000 polygons the regions are an
    image instead, with the boundary still in lines.

    Parameters
    ----------
    plane : Plane
        A partition (:func:`hashlens.regions.plane`).
    figure : PlaneMap
        Its figure data (:func:`hashlens.report.regions.plane_figure`).
    path : str or Path
        A file ``.html``.

    Raises
    ------
    MissingExtraError
        If Plotly is not installed.
    OutputError
        If the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    drawn = plotly_plane(figure)
    script = None
    if len(figure) <= MOST_POLYGONS:
        notes = json.dumps(region_notes(plane, figure.classes)).replace("<", "\\u003c")
        hover = files("hashlens.report").joinpath("html", "plane.js").read_text(encoding="utf-8")
        script = f"const NOTES = {notes};\n{hover}"
    plot = drawn.to_html(full_html=False, default_height="100vh", post_script=script, config=CONTROLS)
    pages = Environment(loader=PackageLoader("hashlens.report", "html"), autoescape=True, undefined=StrictUndefined)
    text = pages.get_template("plane.html.jinja").render(title=figure.title, plot=plot)
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return Path(path)


def plotly_plane(figure: PlaneMap) -> Any:
    """Return a Plotly figure of a plane: a trace for each colour.

    Raises
    ------
    MissingExtraError
        If Plotly is not installed.
    """
    check_plotly()
    from plotly.graph_objects import Figure as Canvas

    canvas = Canvas()
    as_image = len(figure) > MOST_POLYGONS
    if as_image:
        canvas.add_layout_image(_image(figure))
    else:
        _add_polygons(canvas, figure)
        red, green, blue, alpha = thin_line(figure)[0]
        _add_strokes(canvas, figure.edges, f"rgba({255 * red:.0f},{255 * green:.0f},{255 * blue:.0f},{alpha:.2f})", 0.6)
    _add_strokes(canvas, figure.boundary, "white", 4.5)
    _add_strokes(canvas, figure.boundary, _grey(INK), 2.2, figure.boundary_name)
    _add_examples(canvas, figure)
    _explain_colours(canvas, figure)
    _lay_out(canvas, figure, as_image)
    return canvas


def region_notes(plane: Plane, class_names: Sequence[str]) -> list[str]:
    """Return what there is to say of each region, a line for each of its properties."""
    hashes = hash_rows(plane.codes.packed)
    flat = plane.value.reshape(plane.count, -1), plane.slope.reshape(2, plane.count, -1)
    value, slope = (of.cpu().numpy().astype(np.float64) for of in flat)
    middle = plane.output(plane.centers, np.arange(plane.count)).reshape(plane.count, -1).cpu().numpy()
    largest = np.argsort(-middle, axis=1, kind="stable")[:, :MOST_OUTPUTS]
    single = value.shape[1] == 1
    notes = []
    for face in range(plane.count):
        one, other = (int(part) for part in hashes[face])
        predicted = int(plane.classes[face])
        lines = [
            f"code      {one:016x}{other:016x}",
            f"area      {plane.areas[face]:.4g}",
            f"class     {class_names[predicted]} (in the middle)",
            f"gradient  {plane.gradient_norms[face]:.4g}",
        ]
        for at in largest[face]:
            name = "output" if single else f"output {at}"
            across, upward = slope[:, face, at]
            lines.append(f"{name} = {value[face, at]:.4g} {_signed(across)} s {_signed(upward)} t")
        if value.shape[1] > MOST_OUTPUTS:
            lines.append(f"and {value.shape[1] - MOST_OUTPUTS:,} more outputs")
        notes.append("\n".join(lines))
    return notes


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'} {abs(number):.4g}"


def _grey(ink: str) -> str:
    level = round(255 * float(ink))
    return f"rgb({level},{level},{level})"


def _broken(parts: list[Floats]) -> tuple[list[float | None], list[float | None]]:
    """Return x and y of lines in a row, with a gap behind each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for part in parts:
        x += [*part[:, 0].tolist(), None]
        y += [*part[:, 1].tolist(), None]
    return x, y


def _rounded(corners: Floats, figure: PlaneMap) -> Floats:
    """Return coordinates with the digits that show: the file is half as long."""
    left, right, bottom, top = figure.box
    digits = DIGITS - int(np.floor(np.log10(max(right - left, top - bottom))))
    rounded: Floats = np.round(corners, digits)
    return rounded


def _add_polygons(canvas: Any, figure: PlaneMap) -> None:
    corners = _rounded(figure.corners, figure)
    shown = set(shown_names(figure)[0]) if figure.names else set()
    for shade in np.unique(figure.shade).tolist():
        polygons = np.flatnonzero(figure.shade == shade)
        x, y = _broken([corners[figure.starts[at] : figure.starts[at + 1]] for at in polygons])
        name = html.escape(figure.names[shade]) if figure.names else ""
        canvas.add_scatter(
            x=x, y=y, mode="lines", fill="toself", fillcolor=figure.palette[shade], hoverinfo="skip", name=name,
            line={"width": 0.4, "color": figure.palette[shade]}, showlegend=shade in shown,
            meta={"faces": figure.face[polygons].tolist()},
        )  # fmt: skip


def _add_strokes(canvas: Any, segments: Floats, colour: str, width: float, name: str = "") -> None:
    if len(segments):
        x, y = _broken(list(segments))
        canvas.add_scatter(
            x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip", name=name,
            showlegend=bool(name),
        )  # fmt: skip


def _add_examples(canvas: Any, figure: PlaneMap) -> None:
    points = figure.points
    if points is not None and len(points.places):
        colours = ["white" if at < 0 else figure.palette[at] for at in points.shade]
        canvas.add_scatter(
            x=points.places[:, 0], y=points.places[:, 1], mode="markers", name=html.escape(points.name),
            marker={"size": 6, "color": colours, "line": {"color": _grey(INK), "width": 0.8}}, hoverinfo="skip",
        )  # fmt: skip
    if figure.marks:
        canvas.add_scatter(
            x=[mark.x for mark in figure.marks], y=[mark.y for mark in figure.marks], mode="markers",
            marker={"size": 10, "color": _grey(INK), "line": {"color": "white", "width": 1.5}}, hoverinfo="skip",
            showlegend=False,
        )  # fmt: skip
    for mark in figure.marks:
        canvas.add_annotation(
            x=mark.x, y=mark.y, text=html.escape(mark.name), showarrow=False, yshift=16, borderpad=2,
            bgcolor="rgba(255,255,255,.75)",
        )  # fmt: skip


def _explain_colours(canvas: Any, figure: PlaneMap) -> None:
    if figure.scale is None:
        return
    steps = len(figure.palette) - 1
    bar = {"title": {"text": figure.scale.name, "side": "right"}, "thickness": 14, "outlinewidth": 0}
    marker = {
        "colorscale": [[at / steps, colour] for at, colour in enumerate(figure.palette)],
        "cmin": figure.scale.low, "cmax": figure.scale.high, "color": [figure.scale.low], "showscale": True,
        "colorbar": bar,
    }  # fmt: skip
    canvas.add_scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False, hoverinfo="skip")


def _lay_out(canvas: Any, figure: PlaneMap, as_image: bool) -> None:
    left, right, bottom, top = figure.box
    told = "too many regions to point at: they are an image; a smaller box has fewer"
    told = told if as_image else "point at a region for its code and affine map"
    plain = {"showgrid": False, "zeroline": False, "ticks": "outside"}
    canvas.update_layout(
        title={"text": html.escape(figure.title), "subtitle": {"text": told}, "x": 0.02},
        meta={"box": list(figure.box)},
        xaxis={"title": {"text": figure.x_label}, "range": [left, right], **plain},
        yaxis={"title": {"text": figure.y_label}, "range": [bottom, top], **plain},
        plot_bgcolor="white", hovermode=False, dragmode="pan", template="none",
        margin={"l": 70, "r": 30, "t": 80, "b": 60},
        legend={"x": 1.01, "y": 1} if figure.scale is None else {"orientation": "h", "x": 0, "y": -0.14},
    )  # fmt: skip
    if figure.equal:
        canvas.update_xaxes(constrain="domain")
        canvas.update_yaxes(scaleanchor="x", constrain="domain")


def _image(figure: PlaneMap) -> dict[str, Any]:
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
