"""The data of figures as tables, for readers who cannot see the pictures."""

import numpy as np

from hashlens.report.figures import (
    Bars,
    Figure,
    Heatmap,
    Histogram,
    Intervals,
    Lines,
    Scatter,
    Shares,
)
from hashlens.tables import Table, number, table


def figure_table(figure: Figure) -> Table | None:
    """Return the numbers of a figure as a table; None for kinds without one, such as polygons and pixels."""
    if isinstance(figure, Lines):
        return _lines_table(figure)
    if isinstance(figure, Bars):
        rows = [(name, *(_cell_text(values[i], figure.number_format) for _, values in figure.groups))
                for i, name in enumerate(figure.names)]  # fmt: skip
        return table(f"{figure.title}: {figure.x_label}", ("", *(name for name, _ in figure.groups)), rows)
    if isinstance(figure, Intervals):
        rows = [(name, *map(figure.number_format.format, (value, *ends)))
                for name, value, ends in zip(figure.names, figure.values, figure.ends, strict=True)]  # fmt: skip
        return table(figure.title, ("", figure.x_label, "from", "to"), rows)
    if isinstance(figure, Histogram):
        columns = (figure.x_label, *(name for name, _ in figure.shares))
        edges = zip(figure.edges, figure.edges[1:], strict=False)
        rows = [(f"{low:.3g} to {high:.3g}", *(number(shares[i]) for _, shares in figure.shares))
                for i, (low, high) in enumerate(edges)]  # fmt: skip
        return table(f"{figure.title}: {figure.y_label}", columns, rows)
    if isinstance(figure, Scatter):
        rows = [(text, f"{x:.4g}", f"{y:.4g}") for text, x, y in zip(figure.texts, figure.x, figure.y, strict=True)]
        return table(figure.title, ("example", figure.x_label, figure.y_label), rows)
    if isinstance(figure, Heatmap):
        return _heatmap_table(figure)
    if isinstance(figure, Shares):
        shares = zip(figure.x, zip(*figure.shares, strict=True), strict=True)
        rows = [(f"{x:g}", *(f"{share:.1%}" for share in parts)) for x, parts in shares]
        # The label of the axis is singular ("share of rows"); the table has several shares.
        title = f"{figure.title}: {figure.y_label.replace('share', 'shares')}"
        return table(title, (figure.x_label, *figure.names), rows)
    return None


def _heatmap_table(figure: Heatmap) -> Table:
    heading, text = figure.crossed_label
    # Without a scale, the value of a tile is the number of a group, whose name is "name: description".
    rows = [
        (
            figure.columns[tile.column],
            figure.rows[tile.row],
            f"{tile.value:.4g}" if figure.scale is not None else figure.names[int(tile.value)].partition(":")[0],
            tile.text,
            f"{tile.opacity:.0%}",
            text if tile.crossed else "",
        )
        for tile in figure.tiles
    ]
    columns = (figure.x_label, figure.y_label, figure.group_label, figure.text_label, figure.opacity_label, heading)
    # The first three columns name a tile.
    return table(figure.title, columns, rows, figure.note, names=3)


def _lines_table(figure: Lines) -> Table:
    tick_texts = dict(figure.ticks)
    all_x = sorted({x for series in figure.series for x in series.x})
    y_at = [dict(zip(series.x, series.y, strict=True)) for series in figure.series]
    rows = [(tick_texts.get(x, f"{x:,g}"), *(_cell_text(values.get(x), "{:.4g}") for values in y_at)) for x in all_x]
    return table(figure.title, (figure.x_label, *(series.name for series in figure.series)), rows, figure.y_label)


def _cell_text(value: float | None, format_: str) -> str:
    return "–" if value is None or not np.isfinite(value) else format_.format(value)
