"""Ranked: what all results have in common that put examples in an order, and the columns of their tables."""

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
"""Rows of a table on the screen; the CSV file has all of them."""
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One column of a ranked table: in a file, for people, and in the list of what was ticked on a page.

    Attributes
    ----------
    name : str
        What files call it.
    of : str or callable
        The attribute of the result that holds it, one entry an example, None where it is not known; or what gets it
        from the result. By default the attribute of its name.
    dtype : type or None
        What it holds, as which a file is read again: whole numbers, numbers, flags or text; None for ids, which are as
        in the data.
    heading : str
        What people read above it: by default its name, with spaces.
    names_row : bool
        Whether it says which row this is; the other columns are what is known of it.
    classes : bool
        Whether its numbers are classes, for which people read names.
    shown : bool
        Whether people see it, or only files have it.
    cell : callable or None
        How people read the cell of a rank, from 0, of the result: by default numbers to four digits.
    """

    name: str
    of: str | Callable[[Any], Values | None] = ""
    dtype: type[Any] | None = None
    heading: str = ""
    names_row: bool = False
    classes: bool = False
    shown: bool = True
    cell: Callable[[Any, int], str] | None = None

    @property
    def title(self) -> str:
        """What people read above it."""
        return self.heading or self.name.replace("_", " ")

    @property
    def attribute(self) -> str:
        """The attribute that holds it; empty where it is computed from others."""
        return (self.of or self.name) if isinstance(self.of, str) else ""

    def values(self, ranked: Any) -> Values | None:
        """Return its entries, in the order of the ranks; None where they are not known."""
        held: Values | None = self.of(ranked) if callable(self.of) else getattr(ranked, self.attribute)
        return held

    def read(self, ranked: "Ranked", count: int | None = None) -> list[str]:
        """Return the first cells, by default all, as people read them."""
        first = self._first(ranked, count)
        if self.cell is not None:
            return [self.cell(ranked, at) for at in range(len(first))]
        if self.classes:
            return [class_name(ranked.class_names, label) for label in first]
        if self._kind == "b":
            return ["yes" if flag else "no" for flag in first]
        return [number(value) if self._kind in ("i", "f") else str(value) for value in first]

    def exact(self, ranked: "Ranked", count: int) -> list[str]:
        """Return the first cells for a file that people open: numbers to six digits, classes by their names."""
        if self.classes:
            return self.read(ranked, count)
        return [f"{value:.6g}" if self._kind == "f" else str(value) for value in self._first(ranked, count)]

    @property
    def _kind(self) -> str:
        return "" if self.dtype is None else np.dtype(self.dtype).kind

    def _first(self, ranked: "Ranked", count: int | None) -> list[Any]:
        values = self.values(ranked)
        return [] if values is None else values[:count].tolist()


RANK = Column("rank", "ranks", int, names_row=True)
ID = Column("id", "ids", names_row=True)
ROW = Column("row", "rows", int, shown=False)
EXAMPLE = (RANK, ID, ROW)
"""Which example it is: the first columns of every ranked table."""


class Ranked(Result):
    """Base of results that rank examples; a subclass lists in ``COLUMNS`` what its tables hold, once for all of them.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(n,)``, in the order of the ranks, as all columns are.
    rows : numpy.ndarray
        int64 ``(n,)``: where each stands in the data.
    class_names : tuple of str
        Name of class 0, 1, ...; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]]
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(getattr(self, ID.attribute))

    @property
    def ranks(self) -> npt.NDArray[np.int64]:
        """The rank of each example, from 1, int64 ``(n,)``."""
        return np.arange(1, len(self) + 1)

    @property
    def columns(self) -> dict[str, Values]:
        """What is known of every example, by name, in the order of the ranks."""
        entries = ((column.name, column.values(self)) for column in self.COLUMNS)
        return {name: values for name, values in entries if values is not None}

    def to_csv(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a line for each example, in the order of the ranks, with `columns`; return the path.

        Where classes have names, these stand in more columns, as ``given_name``.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        return write_columns(path, self._lines(), overwrite=overwrite)

    def table(self, title: str, note: str = "", *, shown: int = SHOWN, without: Collection[str] = ()) -> Table:
        """Return the first examples as a table for people.

        Parameters
        ----------
        title, note : str
            What stands above and below it.
        shown : int
            Rows.
        without : collection of str
            Columns that are left out, by name.
        """
        columns = [column for column in self._known() if column.shown and column.name not in without]
        rows = list(zip(*(column.read(self, shown) for column in columns), strict=True))
        names = next((at for at, column in enumerate(columns) if not column.names_row), len(columns))
        return table(title, [column.title for column in columns], rows, note, names=names)

    def listed(self, names: Sequence[str], count: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return those of some columns that are known, by name, and the first rows of them for the list of a page."""
        columns = [column for column in self._known() if column.name in names]
        cells = zip(*(column.exact(self, count) for column in columns), strict=True)
        return tuple(column.name for column in columns), list(cells)

    def _known(self) -> list[Column]:
        columns = self.columns
        return [column for column in self.COLUMNS if column.name in columns]

    def _lines(self) -> dict[str, Values]:
        """Return the columns of a file: `columns`, and classes by their names where they have any."""
        named = {
            f"{column.name}_name": np.array(column.read(self), np.str_)
            for column in self._known()
            if self.class_names and column.classes
        }
        return self.columns | named
