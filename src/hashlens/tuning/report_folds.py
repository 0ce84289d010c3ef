"""Fold values of a trial, beside its value, in an Optuna study."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number, shortly
from hashlens.errors import TuningError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

FOLDS, TEST = "hashlens:folds", "hashlens:test"
"""Names of the user attributes of a trial."""


def report_folds(trial: "BaseTrial", values: npt.ArrayLike, test: float | None = None) -> float:
    """Write the fold values of a trial into its user attributes, and return their mean: the value to return.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial under way.
    values : array-like
        float64 ``(folds,)``: what the value of the trial is the mean of; all trials have as many.
    test : float, optional
        The same measure on data that choose nothing.

    Raises
    ------
    TuningError
        If there are fewer than two, or one is no finite number.
    """
    try:
        folds = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TuningError(f"fold values of trial {trial.number} must be numbers, received {shortly(values)}") from error
    if folds.ndim != 1 or len(folds) < 2 or not np.isfinite(folds).all():
        raise TuningError(
            f"fold values of trial {trial.number} must be 2 finite numbers or more, in one row, received "
            f"{shortly(values)}"
        )
    trial.set_user_attr(FOLDS, folds.tolist())
    if test is not None:
        if not is_number(test):
            raise TuningError(f"the test value of trial {trial.number} must be a number, received {shortly(test)}")
        trial.set_user_attr(TEST, float(test))
    return float(folds.mean())
