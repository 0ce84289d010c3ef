"""What a study found: one long table of numbers, a row for each cell, repeat, checkpoint, measure, split and layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hashlens.errors import OutputError, StudyError, nearest
from hashlens.files import as_path, write_columns, written_whole
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.tables import Table, table

if TYPE_CHECKING:
    import pandas
    import pyarrow

FACTORS = ("architecture", "width", "depth", "samples", "label_noise", "weight_decay", "batch_norm", "dropout")
"""What tells cells apart; with ``epochs``, the checkpoint, these are the axes of charts."""
COLUMNS = ("cell", *FACTORS, "repeat", "epochs", "measure", "split", "layer", "value")

TEXT = ("cell", "architecture", "measure", "split", "layer")


@dataclass(frozen=True, eq=False)
class Results(Result):
    """The long table of a study.

    Attributes
    ----------
    columns : mapping of str to numpy.ndarray
        Arrays of one length, named ``COLUMNS``: ``cell`` (str), the factors, ``repeat`` (int), ``epochs`` (int: after
        how many), ``measure`` (str), ``split`` (``train``, ``test``; ``uniform`` or ``bytes`` for random inputs),
        ``layer`` (str, empty for the whole code) and ``value`` (float64). Rows are sorted by these, in this order.
    study : str
        Name of the study.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    study: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.columns]
        if missing:
            raise StudyError(f"results of a study need the columns {', '.join(COLUMNS)}; {missing[0]!r} is missing")
        rows = np.shape(self.columns["value"])
        for name, column in self.columns.items():
            if not isinstance(column, np.ndarray) or column.ndim != 1 or column.shape != rows:
                raise StudyError(
                    f"columns of results are arrays of one length: expected {rows} as of 'value', received a "
                    f"{type(column).__name__} of {np.shape(column)} for {name!r}"
                )

    def __len__(self) -> int:
        return len(self.columns["value"])

    def where(self, **conditions: Any) -> "Results":
        """Return the rows whose columns have the given values; a list, tuple or array means any of them.

        Raises
        ------
        StudyError
            If there is no such column.
        """
        kept = np.ones(len(self), bool)
        for name, wanted in conditions.items():
            if name not in self.columns:
                raise StudyError(f"results have no column {name!r}: {nearest(name, COLUMNS)}")
            column = self.columns[name]
            if isinstance(wanted, list | tuple | set | range | np.ndarray):
                # Not in the column's type: 40.5 is no width, and would become 40.
                kept &= np.isin(column, np.asarray(list(wanted), dtype=object if column.dtype == object else None))
            else:
                kept &= column == wanted
        return Results({name: column[kept] for name, column in self.columns.items()}, self.study)

    def levels(self, column: str) -> list[Any]:
        """Return the values that a column takes, in order."""
        if column not in self.columns:
            raise StudyError(f"results have no column {column!r}: {nearest(column, COLUMNS)}")
        return np.unique(self.columns[column]).tolist()  # type: ignore[no-any-return]

    def page(self) -> Page:
        """Return the page of a study: regimes to play with, curves of every measure over every axis, and effects."""
        from hashlens.study.page.page import study_page

        return study_page(self)

    def to_arrow(self) -> "pyarrow.Table":
        """Return the table for Arrow, DuckDB and Polars."""
        import pyarrow

        # Without rows, text would have no type.
        return pyarrow.table({
            name: pyarrow.array(self.columns[name], type=pyarrow.string() if name in TEXT else None) for name in COLUMNS
        })  # fmt: skip

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the table as a data frame; needs pandas."""
        import pandas

        return pandas.DataFrame({name: self.columns[name] for name in COLUMNS})

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table as ``.parquet`` or ``.csv`` and return the path.

        Raises
        ------
        OutputError
            If the name ends otherwise, the file exists and `overwrite` is false, or it cannot be written.
        """
        path = as_path(path)
        if path.suffix not in (".parquet", ".csv"):
            raise OutputError(f"{path}: results are written as .parquet or .csv, received {path.suffix or 'no ending'}")
        if path.suffix == ".csv":
            return write_columns(path, dict(zip(COLUMNS, self.to_arrow().columns, strict=True)), overwrite=overwrite)
        import pyarrow.parquet

        with written_whole(path, overwrite=overwrite) as beside:
            pyarrow.parquet.write_table(self.to_arrow(), beside)
        return path

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as lists."""
        return {
            "kind": type(self).__name__,
            "schema_version": self.schema_version,
            "study": self.study,
            **{name: self.columns[name].tolist() for name in COLUMNS},
        }

    def __rich__(self) -> Table:
        rows = [
            (name, f"{len(self.levels(name)):,}", ", ".join(str(level) for level in self.levels(name)[:12]))
            for name in COLUMNS
            if name not in ("cell", "value") and len(self.levels(name)) > 1
        ]
        return table(f"{self.study or 'study'}: {len(self):,} rows", ("column", "values", "which"), rows)
