"""The base class of results that rank examples, and the columns of their tables."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hashlens.data.labels import class_name
from hashlens.files import write_columns
from hashlens.result import Result
from hashlens.tables import Table, number, table

SHOWN = 10
"""Number of rows that a table shows; the CSV file has all rows."""
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One column of a ranked table: in CSV files, in displayed tables, and in lists of selected examples of a page.

    Attributes
    ----------
    name : str
        Name of the column in files.
    of : str or callable
        Name of the attribute of the result that holds the column, with one entry per example, or None if it is
        unknown. Or a function of the result that returns the column. By default the attribute `name`.
    dtype : type or None
        Type of the entries, for reading files and for display: int, float, bool or str; None for ids, which have the
        type of the data and are displayed as they are.
    heading : str
        Heading in displayed tables; by default `name` with spaces.
    identifies_row : bool
        True if the column identifies the example; the other columns are its values.
    classes : bool
        True if the numbers are classes, which are displayed by their names.
    shown : bool
        True if tables display the column; False if only files have it.
    cell : callable or None
        Function of the result and a rank (from 0) that returns the displayed text; by default numbers with four digits.
    """

    name: str
    of: str | Callable[[Any], Values | None] = ""
    dtype: type[Any] | None = None
    heading: str = ""
    identifies_row: bool = False
    classes: bool = False
    shown: bool = True
    cell: Callable[[Any, int], str] | None = None

    @property
    def title(self) -> str:
        """Heading in displayed tables."""
        return self.heading or self.name.replace("_", " ")

    @property
    def attribute(self) -> str:
        """Name of the attribute that holds the column; empty if it is computed from other attributes."""
        return (self.of or self.name) if isinstance(self.of, str) else ""

    def values(self, ranked: Any) -> Values | None:
        """Return the entries in the order of the ranks; None if they are unknown."""
        entries: Values | None = self.of(ranked) if callable(self.of) else getattr(ranked, self.attribute)
        return entries

    def display_cells(self, ranked: "Ranked", count: int | None = None) -> list[str]:
        """Return the displayed text of the first `count` cells, by default of all."""
        first = self._first(ranked, count)
        if self.cell is not None:
            return [self.cell(ranked, i) for i in range(len(first))]
        if self.classes:
            return [class_name(ranked.class_names, label) for label in first]
        if self._kind == "b":
            return ["yes" if flag else "no" for flag in first]
        return [number(value) if self._kind in ("i", "f") else str(value) for value in first]

    def page_cells(self, ranked: "Ranked", count: int) -> list[str]:
        """Return the text of the first cells for the list of a page: numbers with six digits, classes by name."""
        if self.classes:
            return self.display_cells(ranked, count)
        return [f"{value:.6g}" if self._kind == "f" else str(value) for value in self._first(ranked, count)]

    @property
    def _kind(self) -> str:
        return "" if self.dtype is None else np.dtype(self.dtype).kind

    def _first(self, ranked: "Ranked", count: int | None) -> list[Any]:
        values = self.values(ranked)
        return [] if values is None else values[:count].tolist()


RANK = Column("rank", "ranks", int, identifies_row=True)
ID = Column("id", "ids", identifies_row=True)
ROW = Column("row", "rows", int, shown=False)
EXAMPLE = (RANK, ID, ROW)
"""The first columns of every ranked table: they identify the example."""


class Ranked(Result):
    """Base class of results that rank examples; a subclass lists the columns of all its tables in ``COLUMNS``.

    Attributes
    ----------
    ids : numpy.ndarray
        Id of each example, int64 or str ``(n,)``; all columns are in the order of the ranks.
    rows : numpy.ndarray
        Row of each example in the data, int64 ``(n,)``.
    class_names : tuple of str
        Name of class 0, 1, ...; empty if classes have no names.
    """

    COLUMNS: ClassVar[tuple[Column, ...]]
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(getattr(self, ID.attribute))

    @property
    def ranks(self) -> npt.NDArray[np.int64]:
        """Rank of each example, from 1, int64 ``(n,)``."""
        return np.arange(1, len(self) + 1)

    @property
    def columns(self) -> dict[str, Values]:
        """All known columns by name, in the order of the ranks."""
        entries = ((column.name, column.values(self)) for column in self.COLUMNS)
        return {name: values for name, values in entries if values is not None}

    def to_csv(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write `columns` as CSV, with a line for each example in the order of the ranks; return the path.

        If classes have names, the file has columns with these too, such as ``given_name``.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        return write_columns(path, self._csv_columns(), overwrite=overwrite)

    def table(self, title: str, note: str = "", *, shown: int = SHOWN, without: Collection[str] = ()) -> Table:
        """Return a readable table of the first examples.

        Parameters
        ----------
        title, note : str
            Texts above and below the table.
        shown : int
            Number of rows.
        without : collection of str
            Names of columns to leave out.
        """
        columns = [column for column in self._known_columns() if column.shown and column.name not in without]
        rows = list(zip(*(column.display_cells(self, shown) for column in columns), strict=True))
        names = next((i for i, column in enumerate(columns) if not column.identifies_row), len(columns))
        return table(title, [column.title for column in columns], rows, note, names=names)

    def page_rows(self, names: Sequence[str], count: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the known columns among `names`, and their first rows as text, for the list of a page."""
        columns = [column for column in self._known_columns() if column.name in names]
        cells = zip(*(column.page_cells(self, count) for column in columns), strict=True)
        return tuple(column.name for column in columns), list(cells)

    def _known_columns(self) -> list[Column]:
        columns = self.columns
        return [column for column in self.COLUMNS if column.name in columns]

    def _csv_columns(self) -> dict[str, Values]:
        """Return the columns of a CSV file: `columns`, and the names of classes if they have names."""
        class_name_columns = {
            f"{column.name}_name": np.array(column.display_cells(self), np.str_)
            for column in self._known_columns()
            if self.class_names and column.classes
        }
        return self.columns | class_name_columns
