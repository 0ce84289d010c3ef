"""The study of tuning: how far tuning overfits, and the trials that stopping rules save and the loss that they cause.

The protocol is that of hashlens. A repeat draws its training rows from a data set that scikit-learn ships, tunes an
estimator on them by cross-validation, and scores each trial on all other rows. Rules are replayed on the same run, and
training sets of a repeat are nested, so rules and numbers of rows are compared in pairs.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from hashlens.errors import TuningError
from hashlens.seeds import numpy_generator, torch_seed
from hashlens.study.cells import Run
from hashlens.study.experiment import Experiment, Outcome, Reporter, Resources
from hashlens.study.row import Row
from hashlens.study.spec import StudySpec
from hashlens.study.spec.fields import Count
from hashlens.study.variables import Factor, MeasureInfo, Variables
from hashlens.tuning.named_rules import parse_rule
from hashlens.tuning.overfitting import overfitting_report
from hashlens.tuning.replay import WORSE, replay
from hashlens.tuning.stop_rule import StopRule
from hashlens.tuning.study_data import require_data, study_data
from hashlens.tuning.trace import Trace

SEEDS = 2**31 - 1
"""Seeds are below this number."""
NEVER = "no-improvement:1000000"
"""A rule that never stops a run, since no run has so many trials."""


def _with_scaler(estimator: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)


def _vectors(regression: bool, seed: int) -> tuple[Any, dict[str, Any]]:
    from sklearn.svm import SVC, SVR

    name = "svr" if regression else "svc"
    space = {f"{name}__C": (1e-2, 1e3, "log"), f"{name}__gamma": (1e-4, 1e1, "log")}
    return _with_scaler(SVR() if regression else SVC()), space


def _forest(regression: bool, seed: int) -> tuple[Any, dict[str, Any]]:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if regression else RandomForestClassifier
    space = {"max_depth": (1, 12), "min_samples_split": (0.01, 0.5, "log"), "max_features": (0.1, 1.0)}
    return kind(30, random_state=seed), space


def _boosting(regression: bool, seed: int) -> tuple[Any, dict[str, Any]]:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    kind = GradientBoostingRegressor if regression else GradientBoostingClassifier
    space = {"learning_rate": (1e-3, 1.0, "log"), "max_depth": (1, 6), "subsample": (0.3, 1.0)}
    return kind(n_estimators=30, random_state=seed), space


MODELS: dict[str, Callable[[bool, int], tuple[Any, dict[str, Any]]]] = {
    "support vectors": _vectors,
    "random forest": _forest,
    "gradient boosting": _boosting,
}
"""Functions of (whether the task is regression, seed) that return an estimator and its search space."""
SAMPLERS = {"TPE": "TPESampler", "GP": "GPSampler", "random": "RandomSampler"}


MEASURES = {
    "rtc": MeasureInfo("RTC: share of trials saved", "RTC", low=0.0, high=1.0, better="higher"),
    "ryc": MeasureInfo("RYC: relative change of the test value", "RYC", low=-1.0, high=1.0, better="higher"),
    "lost": MeasureInfo("runs that lose more than 5 %", "RYC < -.05", low=0.0, high=1.0, better="lower"),
    "gap": MeasureInfo("gap of the final choice", "gap", low=0.0, better="lower"),
    "overfitted": MeasureInfo("final choice worse than an earlier one", "worse", low=0.0, high=1.0),
}


class TuningSpec(StudySpec):
    """The fields of a study of tuning.

    Attributes
    ----------
    trials : int
        Number of trials of each run.
    folds : int
        Number of folds of the cross-validation.
    """

    trials: Count = 60
    folds: Count = 10


class Tuning(Experiment):
    """Experiment: tune an estimator on few rows, and score it on many others."""

    variables = Variables(
        "tuning",
        (
            Factor("data", default="diabetes"),
            Factor("model", default="support vectors", allowed=tuple(MODELS)),
            Factor("rows", "training rows", type="int", default=80),
            Factor("sampler", default="TPE", allowed=tuple(SAMPLERS)),
            Factor("rule", default=NEVER),
        ),
        None,
        MEASURES,
    )
    Spec = TuningSpec

    def open(self, spec: Any, device: Any = None, **inputs: Any) -> Resources:
        """Check that the data and rules of the study exist; errors as in :class:`Study`.

        Raises
        ------
        TuningError
            If data or a rule do not exist.
        """
        for data in spec.levels("data") or ():
            require_data(data)
        for rule in spec.levels("rule") or ():
            parse_rule(rule)
        return super().open(spec, device, **inputs)

    def run(self, pack: Sequence[Run], resources: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Run all trials of each cell, and replay its rule; cells that differ only in their rule share the run."""
        spec = resources.spec
        for run in pack:
            cell = run.cell
            seed = torch_seed(spec.seed, "tuning", cell["data"], run.repeat) % SEEDS
            factors = (cell["data"], cell["model"], cell["rows"], cell["sampler"])
            trace = run_tuning(*factors, seed, spec.trials, spec.folds)
            found = measure_run(trace, parse_rule(cell["rule"]))
            reporter.advance(run)
            yield Outcome(run, [Row(measure=name, split="test", value=found[name]) for name in spec.measures])


def measure_run(trace: Trace, rule: StopRule) -> dict[str, float]:
    """Replay a rule on a run, and return the measures by name."""
    replayed, over = replay([trace], [rule]), overfitting_report(trace)
    ryc = float(replayed.ryc[0, 0])
    return {
        "rtc": float(replayed.rtc[0, 0]),
        "ryc": ryc,
        "lost": float(ryc < WORSE),
        "gap": float(over.gap[0]),
        "overfitted": float(over.overfitted[0]),
    }


@lru_cache(maxsize=16)
def run_tuning(data: str, model: str, rows: int, sampler: str, seed: int, trials: int, folds: int) -> Trace:
    """Return a complete tuning run; its losses are classification errors or root mean squared errors."""
    import optuna

    from hashlens.tuning.tune import tune

    inputs, labels, regression = study_data(data)
    if not 2 * folds <= rows < len(labels):
        raise TuningError(f"{data} has {len(labels)} rows: rows must be from {2 * folds} to {len(labels) - 1}")
    order = numpy_generator(seed, "rows").permutation(len(labels))
    known, others = order[:rows], order[rows:]
    estimator, space = MODELS[model](regression, seed)
    found = tune(
        estimator, space, (inputs[known], labels[known]), cv=_folds(folds, seed), n_trials=trials, storage=None,
        name="run", rule=parse_rule(NEVER), seed=seed,
        scoring="neg_root_mean_squared_error" if regression else "accuracy", test=(inputs[others], labels[others]),
        sampler=getattr(optuna.samplers, SAMPLERS[sampler])(seed=seed),
    ).trace  # fmt: skip
    # Losses are used, because relative changes of scores near 1 say little about the error.
    offset = 0.0 if regression else 1.0
    return Trace(offset - found.values, "minimize", offset - found.fold_values, offset - found.test_values,
                 found.seconds, found.parameters, found.space, name=f"{data} {seed}")  # fmt: skip


def _folds(folds: int, seed: int) -> Any:
    """Return shuffled folds; classes with fewer rows than folds need no warning, as folds are not stratified."""
    from sklearn.model_selection import KFold

    return KFold(folds, shuffle=True, random_state=seed)


EXPERIMENT = Tuning()
