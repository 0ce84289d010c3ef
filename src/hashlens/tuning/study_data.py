"""Data sets for the tuning experiment: those of scikit-learn, and your own tables."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.errors import TuningError, nearest

DATA = {"diabetes": "load_diabetes", "breast cancer": "load_breast_cancer", "digits": "load_digits"}
SUFFIXES = (".csv", ".parquet")


def require_data(name: str) -> None:
    """Raise TuningError unless the name is one of `DATA` or has the form ``FILE#COLUMN``."""
    if name not in DATA and "#" not in name:
        raise TuningError(
            f"no data {name!r}; {nearest(name, DATA)}; or write FILE#COLUMN: a CSV or Parquet file, and the column of "
            "its labels"
        )


@lru_cache(maxsize=4)
def study_data(name: str) -> tuple[Any, Any, bool]:
    """Return data by name.

    Parameters
    ----------
    name : str
        One of `DATA`, or ``FILE#COLUMN``: a CSV or Parquet file, and the column of its labels. Columns of text become
        one column of 0 and 1 for each of their values.

    Returns
    -------
    inputs, labels : numpy.ndarray
        ``(rows, columns)`` and ``(rows,)``.
    regression : bool
        True for floating-point labels; integers and text are classes.

    Raises
    ------
    TuningError
        If there are no such data, or they cannot be read.
    """
    require_data(name)
    if name in DATA:
        import sklearn.datasets

        inputs, labels = getattr(sklearn.datasets, DATA[name])(return_X_y=True)
        return inputs, labels, name == "diabetes"
    path, _, column = name.rpartition("#")
    columns = _columns(Path(path))
    if column not in columns:
        raise TuningError(f"{path} has no column {column!r}; {nearest(column, columns)}")
    labels = columns.pop(column)
    return np.column_stack([_numbers(values) for values in columns.values()]), labels, labels.dtype.kind == "f"


def _columns(path: Path) -> dict[str, Any]:
    if path.suffix not in SUFFIXES:
        raise TuningError(f"{path}: tables are read from {' or '.join(SUFFIXES)}")
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise TuningError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _numbers(values: Any) -> Any:
    """Return a column of numbers as float64, and a column of text as a column of 0 and 1 for each of its values."""
    if values.dtype.kind in "iufb":
        return values.astype(np.float64)
    words = np.array(list(map(str, values)))
    return (words[:, None] == np.unique(words)).astype(np.float64)
