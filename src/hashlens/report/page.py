"""The content of a report, and its conversion to one HTML file that loads nothing from the network."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashlens.files import atomic_write, output_path
from hashlens.report.figure_tables import figure_table
from hashlens.report.figures import Figure
from hashlens.report.sprite import Sprite
from hashlens.report.traces import plotly, plotly_can_draw
from hashlens.tables import Table
from hashlens.version import __version__
from hashlens.visible import escape_unsafe

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN_ROWS = 200
"""Largest number of rows of a table on a page; the CSV that the page's button exports has all of them."""
SHOWN_ITEMS = 24
"""Number of items of a gallery that are visible at first."""


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Chart:
    """An interactive figure, and a table of the same numbers, by default made from the figure."""

    figure: Figure
    table: Table | None = None


@dataclass(frozen=True)
class Item:
    """One item of a gallery: its images in the sprite, its text, and its cells in the CSV of ticked items."""

    images: tuple[int, ...]
    caption: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Examples that the reader can view and select; `columns` are the headings of each item's cells.

    `name` is the name of this gallery in the CSV of ticked items; by default the gallery's title.
    """

    title: str
    columns: tuple[str, ...]
    items: tuple[Item, ...]
    note: str = ""
    name: str = ""


@dataclass(frozen=True)
class Widget:
    """An interactive part of a page, with its own script.

    Attributes
    ----------
    title : str
        Heading of the widget.
    template : str
        Jinja template of its HTML; ``title`` is the heading, and ``number`` is the position of this block
        on the page, from 0.
    script : str
        JavaScript of the widget, which reads `data` from the page.
    data : dict
        Data for the script, in JSON types.
    table : Table, optional
        The same data as a table.
    """

    title: str
    template: str
    script: str
    data: dict[str, Any]
    table: Table | None = None


Block = Prose | Table | Chart | Gallery | Widget


@dataclass(frozen=True)
class Section:
    """A section of a page, listed in its table of contents."""

    title: str
    blocks: tuple[Block, ...]
    note: str = ""


@dataclass(frozen=True)
class Page:
    """The content of a report.

    Attributes
    ----------
    title, subtitle : str
        Subject of the report, and its origin.
    verdict, reason : str
        The conclusion in words, and the reason for it; both may be empty.
    sections : tuple of Section
        The sections in order; sections without blocks are left out.
    notes : tuple of str
        Limitations that a reader should know.
    command : str
        The command or call that made the report.
    sprite : Sprite
        All thumbnails of the page.
    """

    title: str
    subtitle: str
    verdict: str
    reason: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    command: str = ""
    sprite: Sprite = field(default_factory=Sprite)


def write_page(page: Page, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a page as one HTML file that loads nothing from the network, and return its path.

    Raises
    ------
    OutputError
        If the file exists and `overwrite` is false, or cannot be written.
    """
    output_path(path, overwrite)  # raises before the page is drawn
    text = page_html(page)
    with atomic_write(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def page_html(page: Page) -> str:
    """Return a page as HTML."""
    templates = _templates()
    sections = [section for section in page.sections if section.blocks]
    numbers = count()
    section_parts = [
        (section, [_part(block, next(numbers), templates) for block in section.blocks]) for section in sections
    ]
    all_parts = [part for _, parts in section_parts for part in parts]
    charts = [part["chart"] for part in all_parts if part["chart"] is not None]
    scripts = dict.fromkeys(part["block"].script for part in all_parts if part["kind"] == "Widget")
    # Plotly draws the charts of a page; scripts of widgets may draw with it too.
    uses_plotly = bool(charts or scripts)
    return templates.get_template("page.html.jinja").render(
        page=page,
        sections=[{"title": section.title, "note": section.note, "parts": parts} for section, parts in section_parts],
        shown=SHOWN_ITEMS,
        sprite=page.sprite.picture(),
        style=_file("page.css"),
        data=_json({"title": page.title, "parts": [_data(part) for part in all_parts]}),
        scripts=[
            *([_file("vendor/plotly-basic.min.js")] if uses_plotly else []),
            _file("page.js"),
            *map(_escape_closing_tag, scripts),
        ],
        has_checkboxes=any(part["kind"] == "Gallery" for part in all_parts),
        version=__version__,
    )


@cache
def _templates() -> "Environment":
    """Return the templates; each is compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("hashlens.report", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_escape_text,
    )


def _escape_text(value: Any) -> Any:
    """Return the text of a value for a page, with control characters escaped."""
    return escape_unsafe(value) if type(value) is str else value


def _part(block: Block, number: int, templates: "Environment") -> dict[str, Any]:
    """Return the variables of the template for a block; `number` is its position on the page."""
    kind = type(block).__name__
    table = block if isinstance(block, Table) else getattr(block, "table", None)
    chart = picture = None
    if isinstance(block, Chart):
        table = table or figure_table(block.figure)
        if plotly_can_draw(block.figure):
            chart = plotly(block.figure)
        else:
            picture = _picture(block.figure)
    shown = None if table is None else table.rows[:SHOWN_ROWS]
    widget = (
        templates.from_string(block.template).render(title=block.title, number=number)
        if isinstance(block, Widget)
        else None
    )
    return {"kind": kind, "block": block, "table": table, "rows": shown, "chart": chart, "picture": picture,
            "widget": widget}  # fmt: skip


def _data(part: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a block for the script of the page."""
    block, table = part["block"], part["table"]
    all_rows = None
    if table is not None and len(table.rows) > SHOWN_ROWS:
        all_rows = {"columns": table.columns, "rows": table.rows}
    if isinstance(block, Gallery):
        rows = [item.cells for item in block.items]
        return {"gallery": block.name or block.title, "columns": block.columns, "rows": rows}
    return {"chart": part["chart"], "table": all_rows, "widget": block.data if isinstance(block, Widget) else None}


def _picture(figure: Figure) -> str:
    import base64
    import io

    from hashlens.report.plots import draw

    picture = io.BytesIO()
    # The page shows the title above.
    draw([figure], titles=False).savefig(picture, format="png", dpi=130)
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()


def _file(name: str) -> str:
    return _escape_closing_tag(files("hashlens.report").joinpath("html", *name.split("/")).read_text(encoding="utf-8"))


def _escape_closing_tag(text: str) -> str:
    """Escape the closing tag in a script, which would end the script even inside a string."""
    return text.replace("</script", "<\\/script")


def _json(value: Any) -> str:
    """Return JSON that is safe inside an HTML page."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def charts(figures: Iterable[Figure]) -> tuple[Chart, ...]:
    """Return a chart for each figure."""
    return tuple(map(Chart, figures))
