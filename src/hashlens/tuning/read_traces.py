"""Traces from files: CSV or Parquet with one row per trial."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.arguments import excerpt, is_finite, is_number
from hashlens.errors import TuningError, nearest
from hashlens.tuning.space import Parameter
from hashlens.tuning.trace import Direction, Trace

NAMES = {"value": ("value",), "trial": ("trial", "number", "iteration"), "test_value": ("test_value",),
         "seconds": ("seconds", "evaluation_seconds", "duration")}  # fmt: skip
"""Accepted names of each column."""
RECORDED = ("regret_bound", "incumbent_std", "expected_improvement", "probability_of_improvement")
RUN = ("dataset", "run", "seed")
"""Columns that identify a run."""
PARAMETERS, FOLDS, PREFIXES = ("params", "parameters"), "fold_values", ("param_", "params_")
ENDINGS = (".csv", ".parquet")


def read_traces(
    path: str | Path, direction: Direction = "minimize", space: Sequence[Parameter] = ()
) -> tuple[Trace, ...]:
    """Return the traces in a file: one for each run, in the order in which the runs begin in the file.

    Parameters
    ----------
    path : str or Path
        A CSV or Parquet file with one row per trial. The column ``value`` is required. Optional columns: ``trial`` (the
        order), ``test_value``, ``seconds``; ``fold_values`` (a list, in CSV as JSON) or ``fold_0``, ``fold_1``, ...;
        ``params`` (JSON) or ``param_NAME`` for each; ``regret_bound``, ``expected_improvement`` and
        ``probability_of_improvement``, each computed from all trials before; ``dataset``, ``run`` and ``seed``, which
        identify the run if there are several.
    direction : {"minimize", "maximize"}
        Whether lower or higher values are better.
    space : sequence of Parameter
        Space of the hyperparameters; by default the smallest space that contains those of the file.

    Raises
    ------
    TuningError
        If the file cannot be read, or a column is missing or has a wrong type.
    """
    columns = _columns(Path(path))
    if _find_column(columns, "value") is None:
        raise TuningError(f"{path} has no column 'value'; {nearest('value', columns)}: expected one row a trial")
    by = [name for name in RUN if name in columns]
    rows = len(next(iter(columns.values())))
    if not rows:
        raise TuningError(f"{path} has no trials")
    runs: dict[tuple[str, ...], list[int]] = {}
    for row in range(rows):
        runs.setdefault(tuple(str(columns[name][row]) for name in by), []).append(row)
    return tuple(
        _trace(path, columns, _in_trial_order(path, columns, places), " ".join(key), direction, tuple(space))
        for key, places in runs.items()
    )


def _columns(path: Path) -> dict[str, list[Any]]:
    if path.suffix not in ENDINGS:
        raise TuningError(
            f"{path}: traces are read from {' or '.join(ENDINGS)}, from a folder of recorded runs, or from a study of "
            "Optuna: STORAGE#STUDY"
        )
    if not path.is_file():
        raise TuningError(f"{path} cannot be read: there is no such file")
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise TuningError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    names: list[str] = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise TuningError(f"{path} has several columns {name!r}: keep one")
    for name in names:
        if pa.types.is_binary(table.column(name).type):
            raise TuningError(f"{path}, column {name!r}: the text is not UTF-8: save the file as UTF-8")
    return {name: _column_values(table.column(name)) for name in names}


def _column_values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_list(column.type) and not column.null_count:
        # Many short lists are read as one array and cut at their ends.
        lists = column.combine_chunks()
        flat = lists.flatten().to_numpy(zero_copy_only=False)
        return list(np.split(flat, lists.offsets.to_numpy()[1:-1] - lists.offsets[0].as_py()))
    found: list[Any] = column.to_pylist()
    return found


def _find_column(columns: dict[str, list[Any]], what: str) -> str | None:
    """Return the name that a column of `NAMES` has in the file; None if there is none."""
    return next((name for name in NAMES[what] if name in columns), None)


def _in_trial_order(path: str | Path, columns: dict[str, list[Any]], places: list[int]) -> list[int]:
    """Return the rows of a run, sorted by the number of the trial if there is such a column."""
    name = _find_column(columns, "trial")
    if name is None:
        return places
    numbers = [columns[name][row] for row in places]
    for row, number in zip(places, numbers, strict=True):
        if not is_finite(number):
            raise TuningError(f"{path}, row {row + 1}, column {name!r}: expected a number, received {excerpt(number)}")
    for number, count in Counter(numbers).items():
        if count > 1:
            raise TuningError(
                f"{path} has trial {number} several times in one run: tell runs apart by a column "
                f"{', '.join(RUN[:-1])} or {RUN[-1]}"
            )
    return sorted(places, key=lambda row: columns[name][row])


def _trace(
    path: str | Path, columns: dict[str, list[Any]], rows: list[int], name: str, direction: Direction,
    space: tuple[Parameter, ...],
) -> Trace:  # fmt: skip
    def numbers(column: str | None) -> Any:
        if column is None:
            return np.empty(0)
        try:
            return np.array(
                [np.nan if (one := columns[column][row]) is None else one for row in rows], dtype=np.float64
            )
        except (TypeError, ValueError) as error:
            raise TuningError(f"{path}, column {column!r}: expected numbers, {error}") from error

    folds = [_fold_values(path, columns, row) for row in rows]
    return Trace(
        values=numbers(_find_column(columns, "value")),
        direction=direction,
        fold_values=folds if any(one is not None for one in folds) else np.empty((0, 0)),  # type: ignore[arg-type]
        test_values=numbers(_find_column(columns, "test_value")),
        seconds=numbers(_find_column(columns, "seconds")),
        parameters=tuple(_parameters(path, columns, rows)),
        space=space,
        recorded={column: numbers(column) for column in RECORDED if column in columns},
        name=name or Path(path).stem,
    )


def _fold_values(path: str | Path, columns: dict[str, list[Any]], row: int) -> Any:
    """Return the fold values of a row as a list or an array; None if it has none."""
    if FOLDS in columns:
        found = columns[FOLDS][row]
        return _require_numbers(path, FOLDS, row, _json(path, FOLDS, row, found) if isinstance(found, str) else found)
    names = [name for name in columns if name.startswith("fold_") and name[5:].isdecimal()]
    values = [columns[name][row] for name in sorted(names, key=lambda name: int(name[5:]))]
    if all(value is None for value in values):
        return None
    return _require_numbers(path, f"{names[0]}, ...", row, values)


def _require_numbers(path: str | Path, column: str, row: int, found: Any) -> Any:
    """Return fold values, or None if there are none; raise unless they are a list of numbers."""
    if found is None or isinstance(found, np.ndarray):
        return found
    if not isinstance(found, list) or not all(map(is_number, found)):
        raise TuningError(
            f"{path}, row {row + 1}, column {column!r}: expected a number for each fold, received {excerpt(found)}"
        )
    return found


def _parameters(path: str | Path, columns: dict[str, list[Any]], rows: list[int]) -> Iterator[dict[str, Any]]:
    whole = next((name for name in PARAMETERS if name in columns), None)
    own = {name: name.removeprefix(prefix) for prefix in PREFIXES for name in columns if name.startswith(prefix)}
    for row in rows if whole or own else ():
        if whole:
            found = columns[whole][row]
            found = _json(path, whole, row, found) if isinstance(found, str) else found
            if found is not None and not isinstance(found, dict):
                raise TuningError(
                    f"{path}, row {row + 1}, column {whole!r}: expected an object with a value for each name, received "
                    f"{excerpt(found)}"
                )
            yield dict(found or {})
        else:
            yield {name: columns[at][row] for at, name in own.items() if columns[at][row] is not None}


def _json(path: str | Path, column: str, row: int, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TuningError(f"{path}, row {row + 1}, column {column!r}: expected JSON, received {text!r:.60}") from error
