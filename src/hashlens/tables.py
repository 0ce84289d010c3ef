"""Tables: what results show people, the same rows in a terminal, in plain text and in HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text


def number(value: float | int | None, digits: int = 4) -> str:
    """Return a number for a table: counts with separators, ratios to `digits`, a dash for what is not known.

    >>> number(48000), number(0.25), number(None)
    ('48,000', '0.2500', '–')
    """
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


@dataclass(frozen=True)
class Table:
    """A titled table of strings; the first column names the row, the others are right-aligned numbers.

    Attributes
    ----------
    title : str
        What the table shows.
    columns : tuple of str
        Headings.
    rows : tuple of tuple of str
        Cells.
    note : str
        A line below the table: what its numbers mean.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __rich__(self) -> RenderableType:
        table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_header=any(self.columns))
        for position, column in enumerate(self.columns):
            table.add_column(Text(column), justify="right" if position else "left")
        for row in self.rows:
            table.add_row(*map(Text, row))
        note = (Text(self.note, style="dim"),) if self.note else ()
        return Group(Text(self.title, style="bold"), table, *note, "")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> Table:
    """Return a :class:`Table` from any sequences."""
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows), note)
