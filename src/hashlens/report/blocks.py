"""What results show in a terminal, as the parts of a page."""

import html

from rich.console import Console, Group, RenderableType
from rich.text import Text

from hashlens.report.page import Block, Prose
from hashlens.tables import Table


def blocks(shown: RenderableType) -> tuple[Block, ...]:
    """Return the tables and paragraphs of text, of a group of them, or of what has ``__rich__``."""
    if hasattr(shown, "__rich__"):
        return blocks(shown.__rich__())
    if isinstance(shown, Group):
        return tuple(block for part in shown.renderables for block in blocks(part))
    if isinstance(shown, Table):
        return (shown,)
    text = shown.plain if isinstance(shown, Text) else shown if isinstance(shown, str) else _printed(shown)
    return (Prose(text.strip()),) if text.strip() else ()


def _printed(shown: RenderableType) -> str:
    console = Console(width=100, color_system=None, force_terminal=False, markup=False)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def notebook_html(shown: RenderableType) -> str:
    """Return what a notebook shows: the tables as tables, everything else as paragraphs."""
    return "".join(map(_element, blocks(shown)))


def _element(block: Block) -> str:
    if not isinstance(block, Table):
        return f"<p>{html.escape(getattr(block, 'text', str(block)))}</p>"
    head = "".join(f"<th>{html.escape(column)}</th>" for column in block.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows
    )  # fmt: skip
    note = f"<p><small>{html.escape(block.note)}</small></p>" if block.note else ""
    title = f"<caption><b>{html.escape(block.title)}</b></caption>" if block.title else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
