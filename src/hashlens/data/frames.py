"""Data frames: the numbers in them, and the names of their columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import shortly
from hashlens.errors import DataError

Array = npt.NDArray[Any]


def unmasked(x: Any, name: str) -> Array:
    """Return an array; DataError where values of it are masked, which a plain array would show as they lie beneath."""
    if np.ma.is_masked(x):
        hidden = int(np.ma.getmaskarray(x).sum())
        raise DataError(
            f"{name}: {hidden:,} values are masked; fill them first, as with x.filled(0), or drop those rows"
        )
    return np.asarray(x)


def array_of(x: Any, name: str) -> Array:
    """Return an array, or the numbers of a data frame, in rows that may be written on.

    A frame of whole numbers is int64, and every other one float64, NaN where a value is missing: nullable columns,
    those of Arrow and booleans are numbers as well.

    Raises
    ------
    DataError
        If columns of a data frame hold no numbers; it names them.
    """
    parts = _parts(x)
    bad_columns: dict[str, list[str]] = {}
    for label, part in parts:
        if problem := _instead_of_numbers(part):
            bad_columns.setdefault(problem, []).append(shortly(label))
    if bad_columns:
        received = " and ".join(f"{problem} in {', '.join(columns)}" for problem, columns in bad_columns.items())
        raise DataError(f"{name} must be an array of numbers, received {received}")
    array = unmasked(x, name)
    if parts and np.ndim(x) == 2 and array.dtype.kind in "Ob":
        all_integers = all(getattr(part.dtype, "kind", "") in ("i", "u") and not part.isna().any() for _, part in parts)
        array = np.column_stack(
            [part.to_numpy(np.int64 if all_integers else np.float64, na_value=np.nan) for _, part in parts]
        )
    elif array.dtype == object:
        array = array.astype(np.float64)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "W"])


def labels_of(x: Any) -> tuple[Any, ...]:
    """Return the labels of the columns of a data frame, or of the one row of it that a series is; none of all else."""
    labels = getattr(x, "columns", None)
    index = getattr(x, "index", None)
    if labels is None and index is not None and np.ndim(x) == 1 and not callable(index):
        labels = index if any(isinstance(label, (str, tuple)) for label in index) else None
    return () if labels is None or callable(labels) else tuple(labels)


def names_of_columns(x: Any) -> tuple[str, ...]:
    """Return the labels of columns as text, those of several levels joined by dots; none where they are numbered."""
    labels = labels_of(x)
    if are_numbered(labels):
        return ()
    return tuple(".".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels)


def are_numbered(labels: Sequence[Any]) -> bool:
    """Return whether labels only count, as those of a frame do that was given none."""
    return list(labels) == list(range(len(labels)))


def _parts(x: Any) -> list[tuple[Any, Any]]:
    """Return the columns of a data frame by label, or the numbers of a series."""
    if not hasattr(x, "iloc"):
        return []
    labels = labels_of(x)
    return [(label, x.iloc[:, i] if np.ndim(x) == 2 else x.iloc[i]) for i, label in enumerate(labels)]


def _instead_of_numbers(part: Any) -> str:
    """Return what a column, or one number of a row, holds that is no number."""
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
