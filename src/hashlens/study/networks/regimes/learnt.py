"""Cells whose networks have not learnt: there a regime says something of the training, not of the size."""

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number, shortly
from hashlens.errors import StudyError
from hashlens.study.charts.grid import Grid
from hashlens.study.results import Results

LEARNT = 0.5
"""Share of the best accuracy that networks reach at least where training worked; this project's."""


def best_accuracy(results: Results, split: str) -> float:
    """Return the highest mean accuracy that the networks of any cell and checkpoint have; 0 where there is none."""
    rows = results.where(measure="network_accuracy", split=split, layer="").columns
    # The runs of a cell at one checkpoint stand together once sorted by both.
    order = np.lexsort((rows["epochs"], rows["cell"].astype(str)))
    values = rows["value"][order]
    keys = list(zip(rows["cell"][order], rows["epochs"][order], strict=True))
    starts = [at for at, key in enumerate(keys) if not at or key != keys[at - 1]]
    means = [float(part.mean()) for part in np.split(values, starts[1:]) if len(part) and np.isfinite(part).all()]
    return max(means, default=0.0)


def failed_cells(grid: Grid, results: Results, learnt: float = LEARNT) -> npt.NDArray[np.bool_]:
    """Return of each cell whether its training failed.

    It failed where the networks' mean accuracy is below `learnt` times the best of the study: on train, which is what
    training works on; on test where train was not measured. Untrained networks, at 0 epochs, have nothing that could
    fail.

    Parameters
    ----------
    grid : Grid
        Cells.
    results : Results
        Of the whole study.
    learnt : float
        From 0, which marks none, to 1.

    Raises
    ------
    StudyError
        If `learnt` is no share.
    """
    if not is_number(learnt) or not 0 <= learnt <= 1:
        raise StudyError(f"learnt must be a share from 0 to 1, received {shortly(learnt)}")
    rows = grid.results.where(measure="network_accuracy").columns
    split = "train" if "train" in rows["split"] else "test"
    accuracies = grid.values("network_accuracy", split)
    measured = np.isfinite(accuracies)
    mean = np.where(measured, accuracies, 0.0).sum(axis=-1) / np.maximum(1, measured.sum(axis=-1))
    failed = measured.any(axis=-1) & (mean < learnt * best_accuracy(results, split))
    if "epochs" in grid.axes:
        axis = grid.axes.index("epochs")
        trained = np.asarray(grid.levels[axis]) > 0
        return np.asarray(failed & np.expand_dims(trained, tuple(at for at in range(failed.ndim) if at != axis)))
    return np.asarray(failed & bool((rows["epochs"] > 0).all()))


def failed_note(learnt: float) -> str:
    """Return what the mark of a failed cell means."""
    return (
        f"× training failed or has not progressed far: these networks reach less than {learnt:.0%} of the "
        "best training accuracy, so their regime says nothing about the size of the network."
    )
