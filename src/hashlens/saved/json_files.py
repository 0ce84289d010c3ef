"""Saving of results as JSON files, with large arrays in a separate file beside them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128_hexdigest

from hashlens.errors import ReportError
from hashlens.files import atomic_write, output_path
from hashlens.plain import array_values
from hashlens.result import Result

LARGE = 10_000
"""Largest number of entries of a list in the JSON file; longer lists are saved in the file of arrays."""
BESIDE = "arrays"
"""JSON key of the name of the file of arrays, and of the name of an array that replaces a list."""


def save_result(result: Result, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a result as a JSON file for :func:`hashlens.saved.load_result`; return its path.

    Lists of more than 10,000 numbers or texts, such as the rankings of an audit, are written to a file of arrays
    beside it: for ``audit.json`` the file ``audit.arrays.npz``.

    Parameters
    ----------
    result : Result
        Any result.
    path : str or Path
        Path of the file, with the suffix ``.json``.
    overwrite : bool
        Whether existing files are replaced.

    Raises
    ------
    OutputError
        If a file exists and `overwrite` is false, or cannot be written.
    """
    target = output_path(path, overwrite)
    arrays: dict[str, npt.NDArray[Any]] = {}
    body = _move_large_lists(result.to_dict(), "", arrays)
    if arrays:
        file = arrays_beside(target)
        with atomic_write(file, overwrite=overwrite) as partial:
            with partial.open("wb") as opened:
                np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]
            digest = xxh3_128_hexdigest(partial.read_bytes())
        body[BESIDE] = {"file": file.name, "xxh3_128": digest}
    with atomic_write(target, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return Path(path)


def arrays_beside(path: Path) -> Path:
    """Return the path of the file of arrays that belongs to the JSON file `path`."""
    return path.with_suffix(".arrays.npz")


def restore_arrays(body: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """Return the content of a JSON file, with the arrays of the file beside it inserted.

    Raises
    ------
    ReportError
        If the file of arrays is missing, or belongs to another JSON file.
    """
    reference = body.get(BESIDE)
    if not isinstance(reference, dict) or reference.keys() != {"file", "xxh3_128"}:
        return body
    name = reference["file"]
    if not isinstance(name, str) or os.path.basename(name) != name:
        raise ReportError(f"{path} refers to a file that is not beside it: {name!r}")
    file = Path(path).parent / name
    try:
        if xxh3_128_hexdigest(file.read_bytes()) != reference["xxh3_128"]:
            raise ReportError(f"{file} does not hold the arrays of {path}: write both again")
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: array_values(archive[key]) for key in archive.files}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReportError(f"{path} has its arrays in {name} beside it, which cannot be read: {reason}") from error
    whole: dict[str, Any] = _insert_arrays({key: value for key, value in body.items() if key != BESIDE}, arrays)
    return whole


def _move_large_lists(value: Any, place: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """Return `value` with its large lists moved to `arrays`, by their dotted path in `value`."""
    if isinstance(value, dict):
        return {key: _move_large_lists(item, f"{place}.{key}".lstrip("."), arrays) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if sum(1 for _ in _leaves(value, LARGE + 1)) > LARGE and (array := _array(value)) is not None:
        arrays[place] = array
        return {BESIDE: place}
    return [_move_large_lists(item, f"{place}.{i}", arrays) for i, item in enumerate(value)]


def _leaves(value: Any, limit: int) -> Iterator[Any]:
    """Yield the first `limit` numbers and texts of nested lists, up to the first dict."""
    stack = [iter(value)]
    while stack and limit:
        for item in stack[-1]:
            if isinstance(item, dict):
                return
            if isinstance(item, list):
                stack.append(iter(item))
                break
            limit -= 1
            yield item
            if not limit:
                return
        else:
            stack.pop()


def _array(value: list[Any]) -> npt.NDArray[Any] | None:
    """Return an array from which the list can be restored exactly; None if there is none."""
    for dtype in (None, np.float64):  # the second reads strings such as "Infinity", and null as NaN
        try:
            array = np.array(value, dtype)
        except (ValueError, TypeError, OverflowError):
            continue
        if array.dtype.kind in "iufbU" and json.dumps(array_values(array)) == json.dumps(value):
            return array
    return None


def _insert_arrays(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {BESIDE} and isinstance(value[BESIDE], str):
            if value[BESIDE] not in arrays:
                raise ReportError(f"there is no array {value[BESIDE]!r} beside it")
            return arrays[value[BESIDE]]
        return {key: _insert_arrays(item, arrays) for key, item in value.items()}
    return [_insert_arrays(item, arrays) for item in value] if isinstance(value, list) else value
