"""The trace of an Optuna study."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.arguments import excerpt, is_number
from hashlens.errors import TuningError
from hashlens.tuning.report_folds import FOLDS, TEST
from hashlens.tuning.space import Parameter
from hashlens.tuning.trace import Direction, Trace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

OPTUNAS_FOLDS = "terminator:cv_scores"
"""Attribute that Optuna's own `report_cross_validation_scores` writes."""


def study_trace(study: "Study", trials: "Sequence[FrozenTrial] | None" = None) -> Trace:
    """Return the trace of an Optuna study.

    Pruned and failed trials have no value. Fold values are those of :func:`report_folds`, or of Optuna's own
    ``report_cross_validation_scores``.

    Parameters
    ----------
    study : optuna.study.Study
        Study with a single objective.
    trials : sequence of optuna.trial.FrozenTrial, optional
        Some of its trials, in the order of their numbers; by default all finished ones.

    Raises
    ------
    TuningError
        If it is not a study or has several objectives, or if numbers of fold values differ.
    """
    from optuna.trial import TrialState

    direction = direction_of(study)
    if trials is None:
        trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    folds = [_folds(trial) for trial in trials]
    tests = [_test_value(trial) for trial in trials]
    values = [trial.value if trial.state == TrialState.COMPLETE else None for trial in trials]
    seconds = [np.nan if trial.duration is None else trial.duration.total_seconds() for trial in trials]
    return Trace(
        values=np.array([np.nan if value is None else value for value in values], dtype=np.float64),
        direction=direction,
        fold_values=folds if any(one is not None for one in folds) else np.empty((0, 0)),  # type: ignore[arg-type]
        test_values=np.array(tests) if np.isfinite(tests).any() else np.empty(0),
        seconds=np.array(seconds),
        parameters=tuple(dict(trial.params) for trial in trials),
        space=tuple(_space(trial.distributions for trial in trials)),
        name=study.study_name,
    )


def direction_of(study: "Study") -> Direction:
    """Return the direction of a study; raise TuningError if it is not a study, or has several objectives."""
    from optuna.study import Study

    if not isinstance(study, Study):
        raise TuningError(f"study must be an Optuna study, received {excerpt(study)}: create it by optuna.create_study")
    if len(study.directions) != 1:
        raise TuningError(
            f"study {study.study_name!r} has {len(study.directions)} objectives, and rules that stop need one: tune a "
            "weighted sum of them"
        )
    found: Direction = "minimize" if study.directions[0].name == "MINIMIZE" else "maximize"
    return found


def _folds(trial: "FrozenTrial") -> list[float] | None:
    # Optuna's own function writes to the system attributes.
    found = trial.user_attrs.get(FOLDS) or trial.system_attrs.get(OPTUNAS_FOLDS)
    if found is not None and not (isinstance(found, list | tuple) and all(map(is_number, found))):
        raise TuningError(
            f"trial {trial.number}: the user attribute {FOLDS!r} must be a list of numbers, received {excerpt(found)}: "
            "write it by report_folds"
        )
    return None if found is None else list(found)


def _test_value(trial: "FrozenTrial") -> float:
    found = trial.user_attrs.get(TEST, np.nan)
    if not is_number(found):
        raise TuningError(
            f"trial {trial.number}: the user attribute {TEST!r} must be a number, received {excerpt(found)}: write it "
            "by report_folds"
        )
    return float(found)


def _space(trials: "Iterable[dict[str, BaseDistribution]]") -> Iterable[Parameter]:
    found: dict[str, Any] = {}
    for distributions in trials:
        found |= distributions
    return [parameter_of(name, distribution) for name, distribution in found.items()]


def parameter_of(name: str, distribution: Any) -> Parameter:
    """Return the parameter that an Optuna distribution declares."""
    if hasattr(distribution, "choices"):
        return Parameter(name, "category", choices=tuple(distribution.choices))
    kind = "int" if type(distribution).__name__.startswith("Int") else "float"
    step = float(distribution.step or 0.0)
    return Parameter(name, kind, float(distribution.low), float(distribution.high), bool(distribution.log),  # type: ignore[arg-type]
                     0.0 if distribution.log else step)  # fmt: skip
