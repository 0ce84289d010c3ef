"""hl.tune: tune an estimator or an objective, and stop by a rule."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import TuningError, nearest
from hashlens.progress import bar
from hashlens.tuning.cross_validated import CrossValidated
from hashlens.tuning.declared_space import distributions_of, with_suggested_values
from hashlens.tuning.stop_callback import DECISION, STOPPED, StopCallback
from hashlens.tuning.stop_decision import StopDecision
from hashlens.tuning.stop_rule import StopRule
from hashlens.tuning.storage import display_name, open_study, require_optuna, storage_errors
from hashlens.tuning.study_trace import study_trace
from hashlens.tuning.trace import DIRECTIONS, Direction
from hashlens.tuning.tuned import Tuned

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import Trial

STORAGE = "tuning.db"
Objective = Callable[["Trial"], float]


def tune(
    estimator_or_objective: Any,
    space: Mapping[str, Any] | None = None,
    data: tuple[Any, Any] | None = None,
    *,
    cv: Any = 10,
    n_trials: int = 100,
    rule: StopRule | None = None,
    scoring: Any = None,
    test: tuple[Any, Any] | None = None,
    direction: Direction | None = None,
    storage: str | Path | None = STORAGE,
    name: str | None = None,
    sampler: "BaseSampler | None" = None,
    pruner: "BasePruner | None" = None,
    n_jobs: int = 1,
    seed: int = 0,
) -> Tuned:
    """Tune hyperparameters with Optuna until a rule stops it: by default, when the possible gain is below the error.

    If the storage already has a study of the same name, it is continued; `n_trials` includes its trials.

    Parameters
    ----------
    estimator_or_objective : scikit-learn estimator, or callable
        An estimator, whose cross-validated score is tuned; or an objective, a function of an Optuna trial that returns
        a number and may store its fold values by :func:`report_folds`. For networks of hashlens there is
        :class:`SufficientNetwork`.
    space : mapping of str to distribution, optional
        For each hyperparameter an Optuna distribution, a pair of bounds (integers or floats), bounds and ``"log"``, or
        a list of choices. An objective may suggest its own hyperparameters instead.
    data : (X, y), optional
        Data to fit an estimator to.
    cv : int or splitter
        Splits of `data` for an estimator, as in scikit-learn. An integer is a number of shuffled folds, stratified for
        a classifier.
    n_trials : int
        Largest number of trials.
    rule : StopRule, optional
        Stopping rule; by default the attribute ``rule`` of the objective, or :class:`RegretBound`.
    scoring : str or callable, optional
        Score of an estimator, as in scikit-learn, which is maximized; by default its own.
    test : (X, y), optional
        Test data for an estimator: in each trial the fit to all of `data` is scored on them. They are not used for
        tuning.
    direction : {"minimize", "maximize"}, optional
        Whether lower or higher values are better; by default ``minimize`` for an objective. Scores of an estimator are
        maximized.
    storage : str, Path or None
        A file for SQLite (by default ``tuning.db`` in the working directory), the URL of a database, or None to keep
        the study in memory.
    name : str, optional
        Name of the study; by default that of the estimator's class or of the function.
    sampler, pruner : optional
        Sampler and pruner of Optuna; by default TPE with `seed`, and no pruning.
    n_jobs : int
        Number of trials that run at the same time, in threads.
    seed : int
        Seed of the sampler and of the folds.

    Returns
    -------
    Tuned
        The trials, the decisions and the best hyperparameters.

    Raises
    ------
    TuningError
        If an argument is invalid, an objective does not return a number, or the storage has another schema.
    MissingExtraError
        If Optuna is not installed.
    """
    optuna = require_optuna()
    require_whole(TuningError, "n_trials", n_trials)
    require_whole(TuningError, "n_jobs", n_jobs)
    require_whole(TuningError, "seed", seed, 0)
    for what, given, kind in (
        ("sampler", sampler, optuna.samplers.BaseSampler), ("pruner", pruner, optuna.pruners.BasePruner),
        ("name", name, str), ("storage", storage, str | Path),
    ):  # fmt: skip
        if given is not None and not isinstance(given, kind):
            wanted = {"name": "a text", "storage": "a file, a URL or None"}.get(what, f"a {what} of Optuna")
            raise TuningError(f"{what} must be {wanted}, received {excerpt(given)}")
    distributions = {} if space is None else distributions_of(space)
    objective, direction = _objective(estimator_or_objective, data, cv, scoring, test, direction, seed)
    if isinstance(objective, CrossValidated):
        objective.require_hyperparameters(distributions)
    rule = getattr(objective, "rule", None) if rule is None else rule
    callback = StopCallback(rule)
    study_name = name or str(getattr(estimator_or_objective, "__name__", type(estimator_or_objective).__name__))
    sampler = optuna.samplers.TPESampler(seed=seed) if sampler is None else sampler
    study = open_study(
        study_name, storage, direction, sampler, optuna.pruners.NopPruner() if pruner is None else pruner
    )
    remaining = n_trials - len(study_trace(study))
    if STOPPED not in study.user_attrs and remaining > 0:
        with bar("tuning", n_trials) as advance, storage_errors(storage, "written"):
            callback = StopCallback(rule, lambda decision: advance(_progress_text(decision)))
            study.optimize(
                lambda trial: _require_number(trial, objective(with_suggested_values(trial, distributions))),
                n_trials=remaining, n_jobs=n_jobs, callbacks=[callback],
            )  # fmt: skip
    return tuning_result(study, callback.rule, n_trials, "" if storage is None else display_name(storage))


def tuning_result(study: "Study", rule: StopRule, budget: int, storage: str = "") -> Tuned:
    """Return the result of a study, with the decisions after each of its trials."""
    trace, attributes = study_trace(study), study.user_attrs
    decisions = [attributes.get(DECISION.format(n), {}) for n in range(1, len(trace) + 1)]
    stopped = attributes.get(STOPPED)
    reason = decisions[(stopped or len(trace)) - 1].get("reason", "") if decisions else "no trial was done"
    best = int(trace.incumbents[-1])

    def numbers(what: str) -> Any:
        found = [decision.get(what) for decision in decisions]
        return np.array([np.nan if value is None else float(value) for value in found], dtype=np.float64)

    return Tuned(
        trace=trace,
        rule=str(rule),
        bound=numbers("bound"),
        error=numbers("error"),
        stopped=stopped,
        reason=reason,
        best=dict(trace.parameters[best]) if best >= 0 else {},
        budget=budget,
        study=study.study_name,
        storage=storage,
        attributes=_attributes(study, best),
    )


def _attributes(study: "Study", best: int) -> dict[str, Any]:
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    found = finished[best].user_attrs if best >= 0 else {}
    return {name: value for name, value in found.items() if not name.startswith("hashlens:")}


def _objective(
    given: Any, data: Any, cv: Any, scoring: Any, test: Any, direction: Direction | None, seed: int
) -> tuple[Objective, Direction]:
    if direction is not None and direction not in DIRECTIONS:
        raise TuningError(f"direction must be minimize or maximize; {nearest(direction, DIRECTIONS)}")
    if isinstance(given, type):
        raise TuningError(f"an instance is tuned, and {given.__name__} is a class: give {given.__name__}()")
    if hasattr(given, "fit") and hasattr(given, "get_params"):
        if data is None:
            raise TuningError("an estimator is tuned on data: give data=(X, y)")
        if direction == "minimize":
            raise TuningError(
                "an estimator's score is maximized, and direction='minimize' was given: minimize and maximize are "
                "mixed up; leave out direction, or give scoring='neg_...'"
            )
        return CrossValidated(given, data, cv, scoring, test, seed), "maximize"
    if not callable(given):
        raise TuningError(f"what is tuned must be a scikit-learn estimator or a function, received {excerpt(given)}")
    if data is not None or test is not None:
        raise TuningError("an objective has its own data: leave out data= and test=")
    return given, direction or "minimize"


def _require_number(trial: "Trial", value: Any) -> float:
    if not is_number(value) or math.isnan(value):
        what = "several values" if isinstance(value, tuple | list) else excerpt(value)
        raise TuningError(
            f"the objective returned {what} in trial {trial.number}, expected one number: return a number, "
            "or raise optuna.TrialPruned to leave the trial out"
        )
    return float(value)


def _progress_text(decision: StopDecision) -> str:
    """Return what the progress bar shows of a decision."""
    known = math.isfinite(decision.bound) and math.isfinite(decision.error)
    return f"bound {decision.bound:.3g}, error {decision.error:.3g}" if known else ""
