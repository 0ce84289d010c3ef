"""The contract of a figure: both drawing backends show all its numbers."""

from collections.abc import Iterable
from html import unescape
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.report.figures import (
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
from hashlens.report.plots import draw
from hashlens.report.polygon_traces import is_image, plane_traces
from hashlens.report.traces import plotly, plotly_can_draw

Points = npt.NDArray[np.float64]
TOLERANCE = 2e-4
"""Allowed error of a coordinate as a share of the axis; pages round to five digits."""
MAX_POINTS = 2000
"""Largest number of points to check; if there are more, an evenly spaced selection is checked."""


def check_figure(figure: Figure) -> None:
    """Assert that matplotlib and Plotly draw the numbers of a figure, with the same titles.

    Figures that pages show as matplotlib images have no drawing by Plotly. The numbers of
    :class:`~hashlens.report.figures.Pieces` are checked in matplotlib; ``Pixels`` and ``Words`` must only be drawable.

    Parameters
    ----------
    figure : hashlens.report.figures.Figure
        Any figure that a result returns.

    Raises
    ------
    AssertionError
        If `figure` is not a figure, or one of the backends omits a number, shows another, or uses another name.
    """
    assert isinstance(figure, Figure), f"{type(figure).__name__} is no figure of hashlens.report.figures"
    description = f"{type(figure).__name__} {figure.title!r}"
    axes = draw([figure]).axes[0]
    if isinstance(figure, Pixels | Words):
        return
    expected = _expected_points(figure)
    _assert_drawn(expected, _drawn_by_matplotlib(axes), f"{description}: matplotlib")
    if isinstance(figure, Heatmap):
        painted = [tuple(np.round(255 * np.array(patch.get_facecolor()[:3])).astype(int)) for patch in axes.patches]
        for tile, colour in zip(figure.tiles, painted, strict=False):
            paint = figure.paint(tile)
            assert tile.opacity < 1 or colour == _rgb(paint), f"{description}: matplotlib paints {tile} not {paint}"
    traced = plotly(figure) if plotly_can_draw(figure) else None
    if isinstance(figure, Polygons) and not is_image(figure):
        traced = plane_traces(figure)
    if traced is None:
        return
    _assert_drawn(expected, _drawn_by_plotly(traced["data"]), f"{description}: Plotly")
    for axis, label in (("xaxis", axes.get_xlabel()), ("yaxis", axes.get_ylabel())):
        if title := traced["layout"][axis].get("title"):
            assert unescape(title["text"]) == label, (
                f"{description}: the {axis} is {title['text']!r} in Plotly, {label!r} in matplotlib"
            )


def _expected_points(figure: Figure) -> Points:
    """Return the points that must be drawn, ``(n, 2)``; NaN for coordinates that the layout chooses."""
    free = np.nan
    if isinstance(figure, Lines | Pieces):
        series = [*figure.series, *(figure.references if isinstance(figure, Lines) else ())]
        points = [(x, y) for one in series for height in (one.y, one.low, one.high) if height
                  for x, y in zip(one.x, height, strict=True)]  # fmt: skip
        moved = isinstance(figure, Lines) and figure.log_x  # a logarithmic axis has no position for zero
        return _points((free if moved and x == 0 else x, y) for x, y in points)
    if isinstance(figure, Bars):
        ends = [begin + value for _, values in figure.groups
                for begin, value in zip(figure.starts(values), values, strict=True) if value is not None]  # fmt: skip
        ends += [end for group in figure.ends for pair in group if pair is not None for end in pair]
        return _points((end, free) for end in ends)
    if isinstance(figure, Intervals):
        return _points((value, free) for value in (*figure.values, *(end for pair in figure.ends for end in pair)))
    if isinstance(figure, Histogram):
        least = figure.least or 0.0
        return _points((edge, free if share < least else share) for _, shares in figure.shares
                       for edge, share in zip(figure.edges, shares, strict=False))  # fmt: skip
    if isinstance(figure, Heatmap):
        corners = [(tile.column - 0.5, tile.row - 0.5) for tile in figure.tiles]
        return _points([*corners, *(point for contour in figure.contours for line in contour.lines for point in line)])
    if isinstance(figure, Shares):
        heights = np.cumsum(figure.shares, axis=0)
        return _points((x, y) for row in heights for x, y in zip(figure.x, row, strict=True))
    if isinstance(figure, Scatter):
        return np.column_stack([figure.x, figure.y])
    assert isinstance(figure, Polygons), type(figure)
    return figure.corners


def _points(points: Iterable[tuple[float, float]]) -> Points:
    return np.array(list(points), np.float64).reshape(-1, 2)


def _drawn_by_matplotlib(axes: Any) -> Points:
    result = [np.column_stack(line.get_data()) for line in axes.lines]
    for collection in axes.collections:
        result += [np.ma.filled(collection.get_offsets(), np.nan), *(path.vertices for path in collection.get_paths())]
    result += [patch.get_patch_transform().transform(patch.get_path().vertices) for patch in axes.patches]
    return np.concatenate([np.asarray(part, np.float64).reshape(-1, 2) for part in result])


def _drawn_by_plotly(traces: list[dict[str, Any]]) -> Points:
    result, below = [], 0.0
    for trace in traces:
        x, y = (_numbers(trace.get(axis, ())) for axis in ("x", "y"))
        if trace.get("orientation") == "h":
            x = x + (_numbers(trace["base"]) if "base" in trace else 0.0)
        elif trace["type"] == "bar":
            x, y = x - trace["width"] / 2, _numbers(trace["base"])
        elif "stackgroup" in trace:
            y = below = y + below  # type: ignore[assignment]
        result.append(np.column_stack([x, y]))
        if error := trace.get("error_x"):
            for side, sign in (("array", 1), ("arrayminus", -1)):
                result.append(np.column_stack([x + sign * _numbers(error[side]), y]))
    return np.concatenate(result) if result else np.empty((0, 2))


def _numbers(values: Any) -> npt.NDArray[np.float64]:
    """Return the values of an axis; NaN for names, whose positions the layout chooses."""
    return np.array([value if isinstance(value, int | float) else np.nan for value in values], np.float64)


def _assert_drawn(expected: Points, drawn: Points, where: str) -> None:
    expected = expected[(~np.isinf(expected)).all(axis=1) & ~np.isnan(expected).all(axis=1)]
    expected = expected[:: max(1, len(expected) // MAX_POINTS)]
    if len(expected) == 0:
        return
    size = np.maximum(np.nan_to_num(np.abs(expected)).max(axis=0), 1e-12)
    for point in expected:
        free = np.isnan(point)
        near = (np.abs(drawn - point) <= TOLERANCE * size) | free
        assert near.all(axis=1).any(), f"{where} does not draw {tuple(point[~free].tolist())}"


def _rgb(paint: str) -> tuple[int, ...]:
    return tuple(int(paint[i : i + 2], 16) for i in (1, 3, 5))
