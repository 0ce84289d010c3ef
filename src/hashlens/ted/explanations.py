"""Explanations in the forms that users write: text, numbers, categories or sets, some missing."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.errors import TEDError

Codes = npt.NDArray[np.int64]
NONE = -1
"""Internal code of a missing explanation; not a user's value."""


class MultiLabel(frozenset[Any]):
    """Set of several reasons that together are the explanation of a row; their order does not matter.

    Examples
    --------
    >>> MultiLabel(["low income", "young"]) == MultiLabel(["young", "low income"])
    True
    >>> MultiLabel(["young", "low income"])
    MultiLabel(['low income', 'young'])
    """

    def __repr__(self) -> str:
        return f"MultiLabel({sorted(self, key=_order)!r})"

    def __str__(self) -> str:
        return ", ".join(str(reason) for reason in sorted(self, key=_order))


def factorize(E: Any, rows: int, marker: Any = None) -> tuple[tuple[Any, ...], Codes]:
    """Return the distinct explanations, sorted, and the index of each row's explanation.

    Parameters
    ----------
    E : array_like, optional
        ``(rows,)``: text, numbers, categories or :class:`MultiLabel`. None, NaN and ``pd.NA`` stand for a missing
        explanation. If E itself is None, no row has an explanation.
    rows : int
        Number of rows of X.
    marker : object, optional
        A further value that stands for a missing explanation.

    Returns
    -------
    values : tuple
        All distinct explanations, sorted.
    codes : numpy.ndarray
        int64 ``(rows,)``: indices into `values`; -1 for a missing explanation.

    Raises
    ------
    TEDError
        If the length does not fit, a value cannot be an explanation, or -1 occurs and is not the marker.
    """
    if E is None:
        return (), np.full(rows, NONE)
    array = _as_vector(E)
    if len(array) != rows:
        raise TEDError(
            f"E has {len(array):,} explanations and X has {rows:,} rows: expected one for each row, None if it has none"
        )
    distinct, codes = _factorize_sortable(array) if array.dtype.kind in "iufU" else _factorize_objects(array)
    missing = np.array([is_missing(value, marker) for value in distinct], bool)
    _require_no_minus_one(distinct, codes, missing)
    known = sorted(np.flatnonzero(~missing), key=lambda place: _order(distinct[place]))
    renumbered = np.full(len(distinct) + 1, NONE)
    renumbered[known] = np.arange(len(known))
    return tuple(distinct[place] for place in known), renumbered[codes]


def find_codes(E: Any, values: Iterable[Any], rows: int, marker: Any = None) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Return the index of each row's explanation among known values, and which rows have an explanation.

    Arguments are as in :func:`factorize`; the index is -1 if the explanation is not among the values.
    """
    own, codes = factorize(E, rows, marker)
    known = {value: place for place, value in enumerate(values)}
    places = np.array([*(known.get(value, NONE) for value in own), NONE])
    return places[codes], codes != NONE


def as_array(values: Iterable[Any]) -> npt.NDArray[Any]:
    """Return explanations as an array ``(k,)``: of text or numbers if all are, otherwise of objects."""
    values = list(values)
    kinds = {_kind(value) for value in values}
    if values and kinds in ({"number"}, {"text"}):
        return np.asarray(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _as_vector(E: Any) -> npt.NDArray[Any]:
    """Return explanations as an array of one axis: numbers, text or objects."""
    dtype = getattr(E, "dtype", None)
    if isinstance(E, np.ndarray) or (isinstance(dtype, np.dtype) and dtype.kind in "iuf"):
        array = np.asarray(E)
    else:
        if isinstance(E, str | bytes | dict) or not isinstance(E, Iterable):
            raise TEDError(f"E must hold an explanation for each row, received {excerpt(E)}")
        frame = E.to_numpy() if getattr(E, "ndim", 1) == 2 and hasattr(E, "to_numpy") else None
        if frame is not None and frame.shape[1] == 1:
            return _as_vector(frame[:, 0].astype(object))
        listed = E.tolist() if hasattr(E, "tolist") else E.to_pylist() if hasattr(E, "to_pylist") else list(E)
        array = np.empty(len(listed), object)
        array[:] = listed
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise TEDError(
            f"E must be one column of explanations, received an array {array.shape}: several reasons of a row are "
            "hl.ted.MultiLabel([...])"
        )
    return array


def unique_inverse(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Codes]:
    """Return the distinct values ``(k,)``, sorted, and the index of each value, int64 ``(n,)``.

    Whole numbers that are close together are counted instead of sorted, which takes a fifth of the time.
    """
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= len(values) and high < 2**62:
            shifted = values.astype(np.int64) - low
            found = np.flatnonzero(np.bincount(shifted))
            places = np.empty(high - low + 1, np.int64)
            places[found] = np.arange(len(found))
            return (found + low).astype(values.dtype), places[shifted]
    result, codes = np.unique(values, return_inverse=True)
    return result, codes.astype(np.int64)


def _factorize_sortable(array: npt.NDArray[Any]) -> tuple[list[Any], Codes]:
    """Return the distinct values of an array of numbers or text, sorted, and the index of each value."""
    result, codes = unique_inverse(array)
    return list(result.tolist()), codes


def _factorize_objects(array: npt.NDArray[Any]) -> tuple[list[Any], Codes]:
    """Return the distinct values of an array of objects, and the index of each; NaN may be among them several times."""
    listed = array.tolist()
    if set(map(type, listed)) == {int}:
        with suppress(OverflowError):  # beyond 64 bits
            return _factorize_sortable(array.astype(np.int64))
    places: defaultdict[Any, int] = defaultdict(count().__next__)
    try:
        codes = np.fromiter(map(places.__getitem__, listed), np.int64, len(listed))
    except TypeError as error:
        row, value = next((row, value) for row, value in enumerate(listed) if not _is_hashable(value))
        raise TEDError(
            f"E has a {type(value).__name__} in row {row}, {excerpt(value)}: expected text or a number; several "
            "reasons of a row are hl.ted.MultiLabel([...])"
        ) from error
    return list(places), codes


def is_missing(value: Any, marker: Any = None) -> bool:
    """Return whether a value stands for a missing explanation."""
    # pd.NA and pd.NaT are recognised by name, since pandas may not be installed; NaN differs from itself.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, float) and value != value:
        return True
    return marker is not None and type(value) is type(marker) and bool(value == marker)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _require_no_minus_one(values: list[Any], codes: Codes, missing: npt.NDArray[np.bool_]) -> None:
    """Raise TEDError if -1 occurs and is not the marker: it usually stands for a missing explanation."""
    for index, value in enumerate(values):
        if not missing[index] and not isinstance(value, MultiLabel) and str(value) in ("-1", "-1.0"):
            count = int((codes == index).sum())
            raise TEDError(
                f"E has {value!r} in {count:,} rows, the first of them row {int(np.argmax(codes == index))}: is it a "
                f"missing explanation? Write None, or declare it with TEDClassifier(..., marker={value!r}); if it is a "
                "reason, give it another name"
            )


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "object"


def _order(value: Any) -> tuple[str, Any]:
    """Return the sort key of an explanation: first its kind, then numbers by value and sets by their reasons."""
    kind = _kind(value)
    if kind != "object":
        return kind, value
    return type(value).__name__, str(value)
