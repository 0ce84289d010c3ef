"""Cells whose networks have not learnt: their regime reflects failed training, not the size of the network."""

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number
from hashlens.errors import StudyError
from hashlens.study.charts.grid import Grid
from hashlens.study.results import Results

MIN_RELATIVE_ACCURACY = 0.5
"""Share of the best accuracy below which training counts as failed; a threshold set by hashlens."""


def best_accuracy(results: Results, split: str) -> float:
    """Return the highest mean accuracy of the networks of any cell and checkpoint; 0 if there is none."""
    rows = results.where(measure="network_accuracy", split=split, layer="").columns
    # Sorting by both puts the runs of a cell at one checkpoint next to each other.
    order = np.lexsort((rows["epochs"], rows["cell"].astype(str)))
    values = rows["value"][order]
    keys = list(zip(rows["cell"][order], rows["epochs"][order], strict=True))
    starts = [i for i, key in enumerate(keys) if not i or key != keys[i - 1]]
    means = [float(part.mean()) for part in np.split(values, starts[1:]) if len(part) and np.isfinite(part).all()]
    return max(means, default=0.0)


def failed_cells(
    grid: Grid, results: Results, min_relative_accuracy: float = MIN_RELATIVE_ACCURACY
) -> npt.NDArray[np.bool_]:
    """Return whether training failed in each cell.

    It failed if the mean accuracy of the networks is below `min_relative_accuracy` times the best of the study. This is
    the accuracy on train, or on test if train was not measured. Untrained networks, at 0 epochs, never count as failed.

    Parameters
    ----------
    grid : Grid
        The cells.
    results : Results
        Results of the whole study.
    min_relative_accuracy : float
        Share of the best accuracy, from 0 to 1; 0 marks no cell.

    Raises
    ------
    StudyError
        If `min_relative_accuracy` is not between 0 and 1.
    """
    if not is_number(min_relative_accuracy) or not 0 <= min_relative_accuracy <= 1:
        raise StudyError(
            f"min_relative_accuracy must be a share from 0 to 1, received {excerpt(min_relative_accuracy)}"
        )
    rows = grid.results.where(measure="network_accuracy").columns
    split = "train" if "train" in rows["split"] else "test"
    accuracies = grid.values("network_accuracy", split)
    measured = np.isfinite(accuracies)
    mean = np.where(measured, accuracies, 0.0).sum(axis=-1) / np.maximum(1, measured.sum(axis=-1))
    failed = measured.any(axis=-1) & (mean < min_relative_accuracy * best_accuracy(results, split))
    if "epochs" in grid.axes:
        axis = grid.axes.index("epochs")
        trained = np.asarray(grid.levels[axis]) > 0
        return np.asarray(failed & np.expand_dims(trained, tuple(i for i in range(failed.ndim) if i != axis)))
    return np.asarray(failed & bool((rows["epochs"] > 0).all()))


def failed_note(min_relative_accuracy: float) -> str:
    """Return a note on the mark of failed cells."""
    return (
        "× training failed or has not progressed far: these networks reach less than "
        f"{min_relative_accuracy:.0%} of the best accuracy (on train, or on test if train was not "
        "measured), so their regime says nothing about the size of the network."
    )
