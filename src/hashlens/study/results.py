"""Results of a study: one long table, with a row for each cell, repeat, step, measure, split and layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hashlens.errors import OutputError, StudyError, nearest
from hashlens.files import as_path, atomic_write, write_columns
from hashlens.plain import to_plain
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.study.variables import MeasureInfo, Variables
from hashlens.tables import Table, table

if TYPE_CHECKING:
    import pandas
    import pyarrow


def default_variables() -> Variables:
    """Return the variables of the default experiment, networks."""
    from hashlens.study.networks.variables import VARIABLES

    return VARIABLES


@dataclass(frozen=True, eq=False)
class Results(Result):
    """The long table of a study's results.

    Attributes
    ----------
    columns : mapping of str to numpy.ndarray
        Arrays of one length: ``cell`` (str), the factors, ``repeat`` (int), the step where there is one (int),
        ``measure`` (str), ``split`` (str), ``layer`` (str) and ``value`` (float64). Rows are sorted by these, in this
        order. For networks the step is ``epochs`` (number of epochs trained), ``split`` is ``train`` or ``test``, or
        ``uniform`` or ``bytes`` for random inputs, and ``layer`` is empty for the code of all layers.
    study : str
        Name of the study.
    variables : Variables
        Factors, step and measures of the experiment; by default those of networks.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    study: str = ""
    variables: Variables = field(default_factory=default_variables)

    def __post_init__(self) -> None:
        needed = self.variables.columns
        missing = [name for name in needed if name not in self.columns]
        if missing:
            raise StudyError(f"results of a study need the columns {', '.join(needed)}; {missing[0]!r} is missing")
        rows = np.shape(self.columns["value"])
        for name, column in self.columns.items():
            if not isinstance(column, np.ndarray) or column.ndim != 1 or column.shape != rows:
                raise StudyError(
                    f"columns of results are arrays of one length: expected {rows} as of 'value', received a "
                    f"{type(column).__name__} of {np.shape(column)} for {name!r}"
                )

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors, in order."""
        return tuple(factor.name for factor in self.variables.factors)

    @property
    def step(self) -> str | None:
        """Name of the step, the axis along which a run has several rows of a measure, such as ``epochs``; or None."""
        return None if self.variables.step is None else self.variables.step.name

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of charts: the factors, then the step."""
        return tuple(axis.name for axis in self.variables.axes)

    @property
    def measures(self) -> Mapping[str, MeasureInfo]:
        """Description of each measure (range, direction, unit, label), by its name."""
        return self.variables.measures

    def __len__(self) -> int:
        return len(self.columns["value"])

    def where(self, **conditions: Any) -> "Results":
        """Return the rows whose columns equal the given values; a list, tuple or array matches any of its values.

        Raises
        ------
        StudyError
            If there is no such column.
        """
        mask = np.ones(len(self), bool)
        for name, condition in conditions.items():
            if name not in self.columns:
                raise StudyError(f"results have no column {name!r}: {nearest(name, self.variables.columns)}")
            column = self.columns[name]
            if isinstance(condition, list | tuple | set | range | np.ndarray):
                # The condition is not converted to the column's dtype: a width of 40.5 would become 40.
                mask &= np.isin(column, np.asarray(list(condition), dtype=object if column.dtype == object else None))
            else:
                mask &= column == condition
        return replace(self, columns={name: column[mask] for name, column in self.columns.items()})

    def levels(self, column: str) -> list[Any]:
        """Return the distinct values of a column, sorted; raise StudyError if there is no such column."""
        if column not in self.columns:
            raise StudyError(f"results have no column {column!r}: {nearest(column, self.variables.columns)}")
        return np.unique(self.columns[column]).tolist()  # type: ignore[no-any-return]

    def page(self) -> Page:
        """Return the page of the study: interactive regimes, curves of every measure over every axis, and effects."""
        from hashlens.study.page.page import study_page

        return study_page(self)

    def to_arrow(self) -> "pyarrow.Table":
        """Return the table as an Arrow table, which DuckDB and Polars read."""
        import pyarrow

        # Arrow could not infer the type of text columns without rows.
        text = self.variables.text
        return pyarrow.table({
            name: pyarrow.array(self.columns[name], type=pyarrow.string() if name in text else None)
            for name in self.variables.columns
        })  # fmt: skip

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the table as a pandas data frame; needs pandas."""
        import pandas

        return pandas.DataFrame({name: self.columns[name] for name in self.variables.columns})

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table as ``.parquet`` or ``.csv`` and return the path.

        Raises
        ------
        OutputError
            If the suffix is another, the file exists and `overwrite` is false, or it cannot be written.
        """
        path = as_path(path)
        if path.suffix not in (".parquet", ".csv"):
            raise OutputError(f"{path}: results are written as .parquet or .csv, received {path.suffix or 'no ending'}")
        if path.suffix == ".csv":
            arrays = dict(zip(self.variables.columns, self.to_arrow().columns, strict=True))
            return write_columns(path, arrays, overwrite=overwrite)
        import pyarrow.parquet

        with atomic_write(path, overwrite=overwrite) as partial:
            pyarrow.parquet.write_table(self.to_arrow(), partial)
        return path

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a dict, with the columns as lists."""
        return {
            "kind": type(self).__name__,
            "schema_version": self.schema_version,
            "study": self.study,
            "terms": to_plain(self.variables),
            **{name: self.columns[name].tolist() for name in self.variables.columns},
            "value": to_plain(self.columns["value"].tolist()),
        }

    def __rich__(self) -> Table:
        rows = [
            (name, f"{len(self.levels(name)):,}", ", ".join(str(level) for level in self.levels(name)[:12]))
            for name in self.variables.columns
            if name not in ("cell", "value") and len(self.levels(name)) > 1
        ]
        return table(f"{self.study or 'study'}: {len(self):,} rows", ("column", "values", "which"), rows)
