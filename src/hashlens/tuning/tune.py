"""hl.tune: tune an estimator or an objective, and stop by a rule."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.arguments import is_number, require_whole, shortly
from hashlens.errors import MissingExtraError, TuningError, nearest
from hashlens.progress import bar
from hashlens.tuning.cross_validated import CrossValidated
from hashlens.tuning.declared_space import declared, suggested
from hashlens.tuning.stop_callback import DECISION, STOPPED, StopCallback
from hashlens.tuning.stop_decision import StopDecision
from hashlens.tuning.stop_rule import StopRule
from hashlens.tuning.study_trace import study_trace
from hashlens.tuning.trace import Direction, Trace
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
    """Tune hyperparameters with Optuna, until a rule finds that the possible gain is below the error.

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
        A file for SQLite, the URL of a database, or None to keep the study in memory.
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
    optuna = _optuna()
    require_whole(TuningError, "n_trials", n_trials)
    require_whole(TuningError, "n_jobs", n_jobs)
    distributions = {} if space is None else declared(space)
    objective, direction = _objective(estimator_or_objective, data, cv, scoring, test, direction, seed)
    rule = getattr(objective, "rule", None) if rule is None else rule
    called = name or str(getattr(estimator_or_objective, "__name__", type(estimator_or_objective).__name__))
    sampler = optuna.samplers.TPESampler(seed=seed) if sampler is None else sampler
    study = open_study(called, storage, direction, sampler, optuna.pruners.NopPruner() if pruner is None else pruner)
    callback, left = StopCallback(rule), n_trials - len(study_trace(study))
    if STOPPED not in study.user_attrs and left > 0:
        with bar("tuning", n_trials) as advance:
            callback = StopCallback(rule, lambda decision: advance(_said(decision)))
            study.optimize(
                lambda trial: _number(trial, objective(suggested(trial, distributions))),
                n_trials=left, n_jobs=n_jobs, callbacks=[callback],
            )  # fmt: skip
    return tuned(study, callback.rule, n_trials, "" if storage is None else str(storage))


def open_study(
    name: str, storage: str | Path | None, direction: Direction = "minimize", sampler: Any = None, pruner: Any = None
) -> "Study":
    """Return the study with a name; it is created if there is none.

    Raises
    ------
    TuningError
        If the storage cannot be opened or has another schema, or the study has another direction.
    """
    optuna = _optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study: Study = optuna.create_study(
            storage=_url(storage), study_name=name, load_if_exists=True, direction=direction, sampler=sampler,
            pruner=pruner,
        )  # fmt: skip
    except Exception as error:
        raise _unopened(storage, error) from error
    finally:
        optuna.logging.set_verbosity(before)
    found = study_trace(study, ()).direction
    if found != direction:
        raise TuningError(
            f"study {name!r} in {storage} is to {found}, and this tuning to {direction}: minimize and maximize "
            "are mixed up; give another name= or storage="
        )
    return study


def stored_trace(storage: str | Path, name: str) -> Trace:
    """Return the trace of a study stored by Optuna.

    Parameters
    ----------
    storage : str or Path
        A file of SQLite, or the URL of a database.
    name : str
        Name of the study.

    Raises
    ------
    TuningError
        If there is no such study, or it has several objectives.
    """
    optuna = _optuna()
    if "://" not in str(storage) and not Path(storage).exists():
        raise TuningError(f"there is no storage {str(storage)!r}: give a file of SQLite, or the URL of a database")
    try:
        study = optuna.load_study(storage=_url(storage), study_name=name)
    except KeyError as error:
        known = optuna.get_all_study_names(_url(storage))
        raise TuningError(f"{storage} has no study {name!r}; {nearest(name, known)}") from error
    except Exception as error:
        raise _unopened(storage, error) from error
    return study_trace(study)


def tuned(study: "Study", rule: StopRule, budget: int, storage: str = "") -> Tuned:
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
        raise TuningError(f"what is tuned must be a scikit-learn estimator or a function, received {shortly(given)}")
    if data is not None or test is not None:
        raise TuningError("an objective has its own data: leave out data= and test=")
    return given, direction or "minimize"


def _number(trial: "Trial", value: Any) -> float:
    if not is_number(value) or math.isnan(value):
        what = "several values" if isinstance(value, tuple | list) else shortly(value)
        raise TuningError(
            f"the objective returned {what} in trial {trial.number}, expected one number: return a number, "
            "or raise optuna.TrialPruned to leave the trial out"
        )
    return float(value)


def _said(decision: StopDecision) -> str:
    known = math.isfinite(decision.bound) and math.isfinite(decision.error)
    return f"bound {decision.bound:.3g}, error {decision.error:.3g}" if known else ""


def _url(storage: str | Path | None) -> str | None:
    return None if storage is None else str(storage) if "://" in str(storage) else f"sqlite:///{storage}"


def _unopened(storage: str | Path | None, error: Exception) -> TuningError:
    message = " ".join(str(error).split())
    way_out = "; upgrade it by `optuna storage upgrade`, or give another file" if "schema" in message else ""
    return TuningError(f"storage {str(storage)!r} cannot be opened by Optuna: {message[:200]}{way_out}")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "tune", "tuning") from error
    return optuna
