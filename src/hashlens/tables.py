"""Tables of results, with the same rows in a terminal, in plain text and in HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from hashlens.visible import escape_unsafe


def number(value: float | int | None, digits: int = 4) -> str:
    """Format a number for a table: integers with separators, floats with `digits` decimals, None as a dash.

    >>> number(48000), number(0.25), number(None)
    ('48,000', '0.2500', '–')
    """
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def rough(value: float) -> str:
    """Format an approximate number: two significant digits, or an integer.

    >>> rough(0.0123), rough(2.6), rough(217.4)
    ('0.012', '2.6', '217')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


@dataclass(frozen=True)
class Table:
    """A table of strings with a title: the first columns identify the row, the others are numbers.

    Lines are broken between words. If the columns still do not fit side by side, they are divided among several tables,
    one below the other, each with the columns that identify the row.

    Attributes
    ----------
    title : str
        Title of the table.
    columns : tuple of str
        Headings of the columns.
    rows : tuple of tuple of str
        Cells of each row.
    note : str
        Line below the table that explains its numbers.
    names : int
        Number of first columns that identify the row.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    names: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        written = replace(self, columns=_visible(self.columns), rows=tuple(map(_visible, self.rows)))
        yield from written._lines(options.max_width)

    def _lines(self, max_width: int) -> RenderResult:
        cells = list(zip(self.columns, *self.rows, strict=True))
        min_widths = [max(cell_len(word) for cell in column for word in cell.split() or ("",)) for column in cells]
        full_widths = [max(map(cell_len, column)) for column in cells]
        yield Text(self.title, style="bold")
        for shown in _column_groups(min_widths, self.names, max_width):
            yield self._rich_table(shown, _widths(shown, min_widths, full_widths, max_width))
        if self.note:
            yield Text(self.note, style="dim")
        yield ""

    def _rich_table(self, shown: Sequence[int], widths: Sequence[int]) -> RichTable:
        table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_header=any(self.columns))
        for i, width in zip(shown, widths, strict=True):
            heading = Text(self.columns[i], overflow="fold")
            table.add_column(heading, justify="left" if self._is_words(i) else "right", width=width)
        for row in self.rows:
            table.add_row(*(Text(row[i], overflow="fold") for i in shown))
        return table

    def _is_words(self, column: int) -> bool:
        return column == 0 or (column < self.names and not any(row[column][:1].isdigit() for row in self.rows))


def _visible(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(escape_unsafe, cells))


# Widths of a table's edges, and of the space between two columns, in characters.
_EDGES, _BETWEEN = 2, 3


def _total_width(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + _BETWEEN * (len(widths) - 1) + _EDGES


def _column_groups(min_widths: Sequence[int], names: int, max_width: int) -> list[list[int]]:
    """Return the positions of the columns of each table: as many as fit, at least one."""
    first = list(range(names))
    groups = [first]
    for i in range(names, len(min_widths)):
        if len(groups[-1]) > names and _total_width(min_widths[column] for column in (*groups[-1], i)) > max_width:
            groups.append(first)
        groups[-1] = [*groups[-1], i]
    return groups


def _widths(shown: Sequence[int], min_widths: Sequence[int], full_widths: Sequence[int], max_width: int) -> list[int]:
    """Return the widths of the columns shown: the wanted widths, with the widest reduced until all fit."""
    widths = [full_widths[i] for i in shown]
    while _total_width(widths) > max_width:
        spare = [width if width > min_widths[i] else 0 for i, width in zip(shown, widths, strict=True)]
        # If no column can be reduced between words, a word is broken.
        widest = max(range(len(shown)), key=(spare if any(spare) else widths).__getitem__)
        if widths[widest] == 1:
            break
        widths[widest] -= 1
    return widths


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", names: int = 1) -> Table:
    """Return a :class:`Table` made from any sequences."""
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows), note, names)
