"""The recorded runs of Makarova et al.: random forests on 19 data sets, ten seeds each, 200 trials."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.errors import TuningError
from hashlens.tuning.read_traces import read_traces
from hashlens.tuning.space import Parameter
from hashlens.tuning.trace import Trace

TRIALS, BOUNDS = "rf_trials.parquet", "rf_recorded_bounds.parquet"
SPACE = (
    Parameter("max_depth", "int", 1, 5),
    Parameter("min_samples_split", "float", math.log(0.01), math.log(0.5)),
    Parameter("n_estimators", "float", 0.0, math.log(64)),
)
"""Space of their hyperparameters; two are recorded as natural logarithms."""
BOUND_COLUMNS = ("regret_bound", "incumbent_std")


def recorded_runs(folder: str | Path) -> tuple[Trace, ...]:
    """Return the recorded runs, with the bounds computed by the published code.

    Parameters
    ----------
    folder : str or Path
        Folder with ``rf_trials.parquet`` and ``rf_recorded_bounds.parquet``.

    Raises
    ------
    TuningError
        If a file is missing or has another format.

    References
    ----------
    Makarova, Shen, Perrone, Klein, Faddoul, Krause, Seeger, Archambeau (2022): Automatic termination for hyperparameter
    optimization. AutoML. Runs: github.com/amazon-science/bo-early-stopping, Apache-2.0.
    """
    for name in (TRIALS, BOUNDS):
        if not (Path(folder) / name).is_file():
            raise TuningError(f"folder {str(folder)!r} has no {name}: give the folder of the recorded runs")
    traces = read_traces(Path(folder) / TRIALS, "minimize", SPACE)
    table = _read_bounds(Path(folder) / BOUNDS)
    names = [f"{data} {seed}" for data, seed in zip(table["dataset"], table["seed"], strict=True)]
    columns = {trace.name: {name: np.full(len(trace), np.nan) for name in BOUND_COLUMNS} for trace in traces}
    for row, (name, trial) in enumerate(zip(names, table["iteration"], strict=True)):
        if name not in columns or not 0 <= trial < len(columns[name][BOUND_COLUMNS[0]]):
            raise TuningError(f"{Path(folder) / BOUNDS}, row {row + 1}: run {name!r} has no trial {trial} in {TRIALS}")
        for column in BOUND_COLUMNS:
            columns[name][column][trial] = table[column][row]
    return tuple(replace(trace, recorded={**trace.recorded, **columns[trace.name]}) for trace in traces)


def _read_bounds(path: Path) -> dict[str, list[Any]]:
    """Return the columns of the recorded bounds; raise TuningError if the file has another format."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    except (OSError, pa.ArrowInvalid) as error:
        raise TuningError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    for name in ("dataset", "seed", "iteration", *BOUND_COLUMNS):
        if name not in table:
            raise TuningError(f"{path} has no column {name!r}: give the file of the recorded runs")
    return table
