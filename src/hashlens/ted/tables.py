"""Tables in CSV and Parquet files: reading, writing, and encoding as numbers for an estimator."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.errors import OutputError, TEDError, nearest
from hashlens.files import atomic_write, write_columns

CATEGORIES = 100
"""Largest number of one-hot columns of a categorical column. The rarest values, and new ones, are 0 in all of them."""


def read_table(path: Path) -> Any:
    """Return a CSV or Parquet file as a pyarrow table.

    Raises
    ------
    TEDError
        If the file has another format, cannot be read, or has no rows.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix.lower() not in (".csv", ".parquet"):
        raise TEDError(f"{path}: tables are read from .csv or .parquet")
    try:
        if path.suffix.lower() == ".parquet":
            result = pyarrow.parquet.read_table(path)
        else:
            result = pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True))
    except (OSError, pa.ArrowInvalid) as error:
        raise TEDError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from error
    if not result.num_rows:
        raise TEDError(f"{path} has no rows")
    if len(set(result.column_names)) < len(result.column_names):
        raise TEDError(f"{path} has two columns of one name")
    return result


def write_table(path: Path, table: Any, overwrite: bool) -> None:
    """Write a table as CSV or Parquet, atomically."""
    check_table_name(path)
    if path.suffix.lower() == ".csv":
        write_columns(path, {name: table[name].combine_chunks() for name in table.column_names}, overwrite=overwrite)
        return
    import pyarrow.parquet

    with atomic_write(path, overwrite=overwrite) as partial:
        pyarrow.parquet.write_table(table, partial)


def check_table_name(path: Path) -> None:
    """Raise OutputError if the name of a file is that of neither CSV nor Parquet."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise OutputError(f"{path}: tables are written as .csv or .parquet")


def column_values(table: Any, name: str, purpose: str) -> list[Any]:
    """Return the values of a column, None for a missing value.

    Raises
    ------
    TEDError
        If there is no such column; the message says what it is for, `purpose`.
    """
    if name not in table.column_names:
        raise TEDError(f"there is no column {name!r} for the {purpose}; {nearest(name, table.column_names)}")
    values: list[Any] = table[name].to_pylist()
    return values


@dataclass(frozen=True)
class Encoder:
    """Encoder of columns as numbers.

    A numeric column becomes its values, with the median for missing ones, and an indicator of missing values. Any other
    column is one-hot encoded.

    Attributes
    ----------
    numeric : tuple of (str, float)
        Numeric columns, with their medians.
    categorical : tuple of (str, tuple of str)
        All other columns, with their most frequent categories; a missing value is in no category.
    """

    numeric: tuple[tuple[str, float], ...]
    categorical: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, table: Any, without: Collection[str]) -> "Encoder":
        """Return an encoder fitted on a table's columns, without some of them; labels are not used."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numeric, categorical = [], []
        for name in table.column_names:
            kind = table[name].type
            if name in without or pa.types.is_null(kind):
                continue
            if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
                values = _as_numbers(table, name)
                numeric.append((name, float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0))
            else:
                counted = [
                    (-one["counts"], one["values"])
                    for one in pc.value_counts(_as_text(table, name)).to_pylist()
                    if one["values"] is not None
                ]
                categorical.append((name, tuple(sorted(value for _, value in sorted(counted)[:CATEGORIES]))))
        if not numeric and not categorical:
            raise TEDError("the table has only the columns of label and explanation: there is no column to learn from")
        return cls(tuple(numeric), tuple(categorical))

    def __call__(self, table: Any) -> npt.NDArray[np.float32]:
        """Return the rows of a table, float32 ``(n, d)``.

        Raises
        ------
        TEDError
            If a column is missing, or is no longer numeric.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        for name, _ in (*self.numeric, *self.categorical):
            if name not in table.column_names:
                raise TEDError(
                    f"there is no column {name!r}, which the model needs; {nearest(name, table.column_names)}"
                )  # fmt: skip
        parts = []
        for name, median in self.numeric:
            values = _as_numbers(table, name)
            known = np.isfinite(values)
            parts += [np.where(known, values, median)[:, None], ~known[:, None]]
        for name, categories in self.categorical:
            places = pc.index_in(_as_text(table, name), value_set=pa.array(categories, pa.string()))
            codes = pc.fill_null(places, len(categories)).to_numpy(zero_copy_only=False)
            parts.append(np.eye(len(categories) + 1, dtype=np.float32)[codes][:, :-1])
        return np.concatenate(parts, axis=1, dtype=np.float32)


def _as_numbers(table: Any, name: str) -> npt.NDArray[np.float64]:
    """Return a column as float64 ``(n,)``, NaN for a missing value."""
    import pyarrow as pa

    try:
        values: npt.NDArray[np.float64] = (
            table[name].combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TEDError(f"column {name!r} held numbers in the fit, and now {' '.join(str(error).split())}") from error
    return values


def _as_text(table: Any, name: str) -> Any:
    """Return a column as an Arrow array of text."""
    import pyarrow as pa

    column = table[name].combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())
