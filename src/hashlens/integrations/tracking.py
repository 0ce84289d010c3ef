"""Tracking: log the numbers and rows of a result to MLflow or Weights & Biases, if a run is active."""

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hashlens.arguments import excerpt, require_whole
from hashlens.csv_cells import as_cell
from hashlens.errors import MeasureError
from hashlens.result import Result

Columns = Mapping[str, Any]


def log_rows(result: Result, name: str | None = None, *, step: int | None = None, limit: int = 10_000) -> list[str]:
    """Log a result to every tracker that has an active run; without one, do nothing.

    Numbers become metrics, ``name.number`` in MLflow and ``name/number`` in Weights & Biases. Ranked rows
    (``result.columns``) become a table, ``name.csv`` among the artifacts of the MLflow run, and ``name/rows`` in
    Weights & Biases. Neither package is imported here: a run can only be active if it is imported already.

    Parameters
    ----------
    result : Result
        Result of an audit, of :func:`hashlens.measure`, or any other.
    name : str, optional
        Prefix of the metrics; by default the kind of the result, such as ``label_issues``.
    step : int, optional
        Step of the run that the numbers belong to.
    limit : int
        Largest number of rows in the table; the first rows are kept.

    Returns
    -------
    list of str
        Trackers that it was logged to: ``mlflow``, ``wandb``, both or none.

    Raises
    ------
    MeasureError
        If `result` is not a result of hashlens.
    """
    if not isinstance(result, Result):
        raise MeasureError(f"log_rows takes a result of hashlens, as of hl.measure(...); received {excerpt(result)}")
    require_whole(MeasureError, "limit", limit)
    name = _snake_case(type(result).__name__) if name is None else name
    numbers, columns = dict(numbers_of(result.to_dict())), _first_rows(getattr(result, "columns", {}), limit)
    logged = []
    mlflow, wandb = sys.modules.get("mlflow"), sys.modules.get("wandb")
    if mlflow is not None and mlflow.active_run() is not None:
        _to_mlflow(mlflow, name, numbers, columns, step)
        logged.append("mlflow")
    if wandb is not None and wandb.run is not None:
        _to_wandb(wandb, name, numbers, columns, step)
        logged.append("wandb")
    return logged


def numbers_of(body: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the single numbers of a result with their dotted names, such as ``redundancy_ratio.train``."""
    for key, value in body.items():
        if isinstance(value, Mapping):
            yield from numbers_of(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "schema_version":
            yield f"{prefix}{key}", float(value)


def _first_rows(columns: Columns, limit: int) -> dict[str, list[Any]]:
    return {heading: np.asarray(column)[:limit].tolist() for heading, column in columns.items()}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _to_mlflow(mlflow: Any, name: str, numbers: Mapping[str, float], columns: Columns, step: int | None) -> None:
    mlflow.log_metrics({f"{name}.{_mlflow_name(key)}": value for key, value in numbers.items()}, step=step)
    if columns:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows(
            [as_cell(cell) if isinstance(cell, str) else cell for cell in row]
            for row in zip(*columns.values(), strict=True)
        )
        mlflow.log_text(text.getvalue(), f"{name}.csv")


def _mlflow_name(key: str) -> str:
    """Return a name with the characters that MLflow allows: letters, digits and a few signs."""
    return re.sub(r"[^\w\-. :/]", "_", key)


def _to_wandb(wandb: Any, name: str, numbers: Mapping[str, float], columns: Columns, step: int | None) -> None:
    entries: dict[str, Any] = {f"{name}/{key}": value for key, value in numbers.items()}
    if columns:
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        entries[f"{name}/rows"] = wandb.Table(columns=list(columns), data=rows)
    wandb.log(entries, step=step)
