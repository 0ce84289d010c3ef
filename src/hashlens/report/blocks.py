"""Conversion of the terminal output of results to blocks of a page."""

import html

from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.report.page import Block, Prose
from hashlens.tables import Table
from hashlens.terminal import terminal_text
from hashlens.visible import escape_unsafe


def blocks(shown: RenderableType) -> tuple[Block, ...]:
    """Return the blocks (tables and paragraphs) of a text, a table, a group of them, or an object with ``__rich__``."""
    if hasattr(shown, "__rich__"):
        return blocks(shown.__rich__())
    if isinstance(shown, Group):
        return tuple(block for part in shown.renderables for block in blocks(part))
    if isinstance(shown, Table):
        return (shown,)
    text = shown.plain if isinstance(shown, Text) else shown if isinstance(shown, str) else terminal_text(shown)
    return (Prose(text.strip()),) if text.strip() else ()


def notebook_html(shown: RenderableType) -> str:
    """Return the HTML for a notebook: tables as tables, everything else as paragraphs."""
    return "".join(map(_element, blocks(shown)))


def _escape(text: str) -> str:
    return html.escape(escape_unsafe(text))


def _element(block: Block) -> str:
    if not isinstance(block, Table):
        return f"<p>{_escape(getattr(block, 'text', str(block)))}</p>"
    head = "".join(f"<th>{_escape(column)}</th>" for column in block.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows
    )  # fmt: skip
    note = f"<p><small>{_escape(block.note)}</small></p>" if block.note else ""
    title = f"<caption><b>{_escape(block.title)}</b></caption>" if block.title else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
