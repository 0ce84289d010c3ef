"""Data frames: their numbers and the names of their columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.errors import DataError

Array = npt.NDArray[Any]


def require_unmasked(x: Any, name: str) -> Array:
    """Return an array; raise DataError if values are masked, since a plain array would show the hidden values."""
    if np.ma.is_masked(x):
        hidden = int(np.ma.getmaskarray(x).sum())
        raise DataError(
            f"{name}: {hidden:,} values are masked; fill them first, as with x.filled(0), or drop those rows"
        )
    return np.asarray(x)


def array_of(x: Any, name: str) -> Array:
    """Return an array, or the numbers of a data frame, as a writable array.

    A data frame of columns with numeric NumPy dtypes becomes an array of their common dtype. Nullable columns, Arrow
    columns and booleans count as numbers: with one of these, the array is int64 if all columns are integers without
    missing values, else float64, with NaN for missing values.

    Raises
    ------
    DataError
        If columns of a data frame are not numeric; the message names them.
    """
    parts = _parts(x)
    bad_columns: dict[str, list[str]] = {}
    for label, part in parts:
        if problem := _non_numbers(part):
            bad_columns.setdefault(problem, []).append(excerpt(label))
    if bad_columns:
        received = " and ".join(f"{problem} in {', '.join(columns)}" for problem, columns in bad_columns.items())
        raise DataError(f"{name} must be an array of numbers, received {received}")
    array = require_unmasked(x, name)
    if parts and np.ndim(x) == 2 and array.dtype.kind in "Ob":
        all_integers = all(getattr(part.dtype, "kind", "") in ("i", "u") and not part.isna().any() for _, part in parts)
        array = np.column_stack(
            [part.to_numpy(np.int64 if all_integers else np.float64, na_value=np.nan) for _, part in parts]
        )
    elif array.dtype == object:
        array = array.astype(np.float64)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "W"])


def labels_of(x: Any) -> tuple[Any, ...]:
    """Return the column labels of a data frame, or of a series that is one of its rows; empty for anything else."""
    labels = getattr(x, "columns", None)
    index = getattr(x, "index", None)
    if labels is None and index is not None and np.ndim(x) == 1 and not callable(index):
        labels = index if any(isinstance(label, (str, tuple)) for label in index) else None
    return () if labels is None or callable(labels) else tuple(labels)


def names_of_columns(x: Any) -> tuple[str, ...]:
    """Return the column labels as text, several levels joined by dots; empty if columns are only numbered."""
    labels = labels_of(x)
    if are_numbered(labels):
        return ()
    return tuple(".".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels)


def are_numbered(labels: Sequence[Any]) -> bool:
    """Return whether labels are 0, 1, 2, ..., as in a data frame without column names."""
    return list(labels) == list(range(len(labels)))


def _parts(x: Any) -> list[tuple[Any, Any]]:
    """Return the columns of a data frame by label, or the numbers of a series."""
    if not hasattr(x, "iloc"):
        return []
    labels = labels_of(x)
    return [(label, x.iloc[:, i] if np.ndim(x) == 2 else x.iloc[i]) for i, label in enumerate(labels)]


def _non_numbers(part: Any) -> str:
    """Return what a column, or one entry of a row, holds instead of numbers; empty if it holds numbers."""
    if getattr(getattr(part, "dtype", None), "kind", "") in ("m", "M"):
        return "dates"
    try:
        np.asarray(part, dtype=np.float64)
    except (TypeError, ValueError):
        types = {type(value).__name__ for value in np.asarray(part, dtype=object).ravel().tolist()}
        return (
            "missing values" if "NAType" in types and "str" not in types else "text" if "str" in types else "no numbers"
        )
    return ""
