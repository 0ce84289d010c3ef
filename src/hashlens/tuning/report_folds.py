"""Fold values of a trial, stored together with its value in an Optuna study."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_finite
from hashlens.errors import TuningError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

FOLDS, TEST = "hashlens:folds", "hashlens:test"
"""Names of the user attributes of a trial."""


def report_folds(trial: "BaseTrial", values: npt.ArrayLike, test: float | None = None) -> float:
    """Store the fold values of a trial in its user attributes; return their mean, the value of the objective.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The running trial.
    values : array-like
        float64 ``(folds,)``: value of each fold; the number of folds must be the same in all trials.
    test : float, optional
        The same measure on test data that are not used for tuning.

    Raises
    ------
    TuningError
        If `trial` is not a trial, there are fewer than two fold values, or one is not finite.
    """
    if not hasattr(trial, "set_user_attr"):
        raise TuningError(f"trial must be the trial that Optuna passes to the objective, received {excerpt(trial)}")
    try:
        folds = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TuningError(f"fold values of trial {trial.number} must be numbers, received {excerpt(values)}") from error
    if folds.ndim != 1 or len(folds) < 2 or not np.isfinite(folds).all():
        raise TuningError(
            f"fold values of trial {trial.number} must be 2 finite numbers or more, in one row, received "
            f"{excerpt(values)}"
        )
    trial.set_user_attr(FOLDS, folds.tolist())
    if test is not None:
        if not is_finite(test):
            raise TuningError(
                f"the test value of trial {trial.number} must be a finite number, received {excerpt(test)}"
            )
        trial.set_user_attr(TEST, float(test))
    return float(folds.mean())
