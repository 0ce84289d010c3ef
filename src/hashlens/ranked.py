"""Ranked: what all results have in common that put examples in an order."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.data.labels import class_name
from hashlens.files import write_columns
from hashlens.result import Result
from hashlens.tables import number

SHOWN = 10
"""Rows of a table on the screen; the CSV file has all of them."""
CLASSES = ("given", "suggested", "label", "predicted", "predicted_a", "predicted_b")
"""Columns that hold classes."""
Column = npt.NDArray[Any]


class Ranked(Result):
    """Base of results that rank examples; a subclass says in ``_known`` what it knows of each.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(n,)``, in the order of the ranks, as all columns are.
    rows : numpy.ndarray
        int64 ``(n,)``: where each stands in the data.
    class_names : tuple of str
        Name of class 0, 1, ...; empty where classes have none.
    """

    ids: Column
    rows: npt.NDArray[np.int64]
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def columns(self) -> dict[str, Column]:
        """What is known of every example, by name, in the order of the ranks."""
        first = {"rank": np.arange(1, len(self) + 1), "id": self.ids, "row": self.rows}
        return first | {name: column for name, column in self._known().items() if column is not None}

    def to_csv(self, path: str | Path, overwrite: bool = True) -> Path:
        """Write a line for each example, in the order of the ranks, with `columns`; return the path.

        Where classes have names, these stand in more columns, as ``given_name``.
        """
        return write_columns(path, self.columns | self._named(), overwrite=overwrite)

    def _named(self) -> dict[str, Column]:
        """Return the columns of classes by their names; nothing where classes have none."""
        columns = self.columns
        return {
            f"{name}_name": np.array([class_name(self.class_names, label) for label in columns[name].tolist()], np.str_)
            for name in CLASSES
            if self.class_names and name in columns
        }

    def _known(self) -> dict[str, Column | None]:
        """Return what is known of every example besides its rank, id and row, by name; None for what is not."""
        raise NotImplementedError

    def _first(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return names and cells of the columns for a table of the first examples; the row is left to the file."""
        named = self._named()
        columns = {name: named.get(f"{name}_name", column) for name, column in self.columns.items() if name != "row"}
        cells = [
            [number(cell.item()) if column.dtype.kind == "f" else str(cell) for cell in column[:SHOWN]]
            for column in columns.values()
        ]
        return tuple(columns), list(zip(*cells, strict=True))
