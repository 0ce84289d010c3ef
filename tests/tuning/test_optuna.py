"""Rules beside Optuna: what is read from a study, and how one is stopped."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import warnings

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_diabetes
from sklearn.svm import SVR

import hashlens as hl
from hashlens.errors import TuningError
from hashlens.testing.result_contract import check_result
from hashlens.tuning import NoImprovement, RegretBound, StopCallback, load_study_trace, report_folds, study_trace
from hashlens.tuning.stop_callback import DECISION, STOPPED
from hashlens.tuning.storage import display_name

optuna.logging.set_verbosity(optuna.logging.WARNING)
RULE = NoImprovement(k=4, first=5)


def objective(trial):
    x, y = trial.suggest_float("x", 1e-3, 1.0, log=True), trial.suggest_int("y", 1, 5)
    return report_folds(trial, (x - 0.1) ** 2 + 0.1 * y + 0.01 * np.sin(np.arange(5) * x), test=x)


def study_of(**how):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **how)


def decisions(study):
    return {name: value for name, value in study.user_attrs.items() if name.startswith("hashlens:")}


def test_one_line_stops_a_study_and_says_why_trial_by_trial():
    study = study_of()
    study.optimize(objective, n_trials=60, callbacks=[StopCallback(RULE)])
    trace = study_trace(study)
    assert len(study.trials) == study.user_attrs[STOPPED] == RULE.stops_after(trace) < 60
    for n, decision in enumerate(RULE.decisions(trace, range(1, len(trace) + 1)), 1):
        written = study.user_attrs[DECISION.format(n)]
        assert (written["stop"], written["reason"], written["rule"]) == (decision.stop, decision.reason, str(RULE))
    json.dumps(study.user_attrs, allow_nan=False)


def test_a_study_gives_values_folds_tests_and_the_space():
    study = study_of(direction="maximize")
    study.optimize(objective, n_trials=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from optuna.terminator import report_cross_validation_scores

        trial = study.ask()
        report_cross_validation_scores(trial, [1.0, 2.0, 3.0, 4.0, 5.0])
    study.tell(trial, 3.0)
    study.tell(study.ask(), state=optuna.trial.TrialState.PRUNED)
    trace = study_trace(study)
    assert trace.direction == "maximize"
    assert trace.fold_values[3].tolist() == [1, 2, 3, 4, 5]
    assert np.isnan([*trace.fold_values[4], trace.values[4], trace.test_values[3]]).all()
    assert trace.test_values[0] == trace.parameters[0]["x"]
    assert [(one.name, one.kind, one.low, one.high, one.log) for one in trace.space] == [
        ("x", "float", 1e-3, 1.0, True), ("y", "int", 1.0, 5.0, False),
    ]  # fmt: skip


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_no_decision_depends_on_the_order_in_which_trials_end(order):
    study, callback = study_of(), StopCallback(RULE)
    for _ in range(6):
        trials = [study.ask() for _ in range(3)]
        values = [objective(trial) for trial in trials]
        for at in order:
            callback(study, study.tell(trials[at], values[at]))
    assert callback.stopped
    expected = RULE.decisions(study_trace(study), range(1, 19))
    assert [study.user_attrs[DECISION.format(n)]["reason"] for n in range(1, 19)] == [one.reason for one in expected]
    assert study.user_attrs[STOPPED] == RULE.stops_after(study_trace(study))


@pytest.mark.slow
def test_two_trials_at_once(tmp_path):
    study = study_of(storage=f"sqlite:///{tmp_path}/two.db")
    study.optimize(objective, n_trials=60, n_jobs=2, callbacks=[StopCallback(RULE)])
    trace = study_trace(study)
    stopped = RULE.stops_after(trace)
    assert study.user_attrs[STOPPED] == stopped
    # The decision needs all trials up to its own. After the last of them ends, each worker begins at most one more.
    decidable = max(trial.datetime_complete for trial in study.trials[:stopped])
    assert sum(trial.datetime_start > decidable for trial in study.trials) <= 2
    assert stopped <= len(trace) < 60


KILLED = """
import os, signal
import optuna
from hashlens.tuning import NoImprovement, StopCallback

class Killed(StopCallback):
    def _as_attribute(self, decision):
        if self.decided == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        self.decided += 1
        return super()._as_attribute(decision)

callback = Killed(NoImprovement(k=4, first=5))
callback.decided = 0
study = optuna.create_study(storage={url!r}, study_name="killed", sampler=optuna.samplers.RandomSampler(seed=0))
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=60, callbacks=[callback])
"""


@pytest.mark.slow
@pytest.mark.faults
def test_killed_in_the_middle_of_a_decision_and_gone_on_with(tmp_path):
    url = f"sqlite:///{tmp_path}/killed.db"
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", KILLED.format(url=url)], env={**os.environ, **paths})
    assert ended.returncode == -signal.SIGKILL
    study = optuna.load_study(storage=url, study_name="killed", sampler=optuna.samplers.RandomSampler(seed=1))
    assert len(decisions(study)) == 6
    assert len(study.trials) == 7
    study.ask()  # begun by a process that is gone
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=60, callbacks=[StopCallback(RULE)])
    trace = study_trace(study)
    assert study.user_attrs[STOPPED] == RULE.stops_after(trace) == len(trace)
    expected = [one.reason for one in RULE.decisions(trace, range(1, len(trace) + 1))]
    assert [study.user_attrs[DECISION.format(n)]["reason"] for n in range(1, len(trace) + 1)] == expected


def test_another_rule_decides_anew():
    study = study_of()
    study.optimize(objective, n_trials=8, callbacks=[StopCallback(NoImprovement(k=50, first=5))])
    assert STOPPED not in study.user_attrs
    StopCallback(NoImprovement(k=1, first=2))(study)
    assert study.user_attrs[STOPPED] == NoImprovement(k=1, first=2).stops_after(study_trace(study))


@pytest.mark.slow
def test_an_estimator_is_tuned_stopped_and_gone_on_with(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    how = {"space": {"C": (0.1, 100.0, "log"), "gamma": (1e-3, 10.0, "log")}, "data": (X[:80], y[:80]), "cv": 3,
           "test": (X[80:], y[80:]), "rule": NoImprovement(k=2, first=3), "storage": tmp_path / "t.db"}  # fmt: skip
    first = hl.tune(SVR(), n_trials=3, **how)
    assert (first.stopped, len(first.trace)) == (None, 3)
    found = hl.tune(SVR(), n_trials=40, **how)
    assert found.trace.values[:3].tolist() == first.trace.values.tolist()
    assert found.stopped == len(found.trace) < 40
    assert found.best == found.trace.parameters[found.trace.incumbents[-1]]
    assert np.isfinite(found.trace.test_values).all()
    assert found.trace.fold_values.mean(axis=1) == pytest.approx(found.trace.values)
    assert len(hl.tune(SVR(), n_trials=40, **how).trace) == found.stopped
    check_result(found, tmp_path)


def several():
    return optuna.create_study(directions=["minimize", "maximize"])


def constant(trial):
    trial.suggest_float("x", 0, 1)
    return 1.0


def old_schema(tmp_path):
    hl.tune(constant, n_trials=1, storage=tmp_path / "old.db", rule=RULE)
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("update alembic_version set version_num = 'v2.6.0.a'")
    return hl.tune(constant, n_trials=2, storage=tmp_path / "old.db", rule=RULE)


def with_attribute(name, value):
    study = study_of()
    trial = study.ask()
    trial.set_user_attr(name, value)
    study.tell(trial, 1.0)
    return study


def written(folder, text):
    (folder / "no.db").write_text(text)
    return folder / "no.db"


def read_only(tmp_path):
    hl.tune(constant, n_trials=1, storage=tmp_path / "t.db", rule=RULE)
    hl.tune(constant, n_trials=2, storage=f"sqlite:///file:{tmp_path}/t.db?mode=ro&uri=true", rule=RULE)


def damaged(tmp_path):
    def objective(trial):
        with contextlib.closing(sqlite3.connect(tmp_path / "t.db")) as database:
            database.execute("drop table study_user_attributes")
        return 1.0

    hl.tune(objective, n_trials=1, storage=tmp_path / "t.db", rule=RULE)


def turned_round(tmp_path):
    hl.tune(constant, n_trials=1, storage=tmp_path / "t.db", rule=RULE)
    hl.tune(constant, n_trials=2, storage=tmp_path / "t.db", rule=RULE, direction="maximize")


IN_MEMORY = {"storage": None, "rule": RULE, "n_trials": 3}
SPACE = {"C": (0.1, 1.0)}
DATA = np.zeros((9, 2)), np.arange(9.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: StopCallback(RULE)(several()), "has 2 objectives, and rules that stop need one"),
        (lambda _: StopCallback(RULE)([1.0]), r"study must be an Optuna study, received \[1.0\]: create it by"),
        (lambda _: study_trace("tuning.db"), "study must be an Optuna study, received 'tuning.db': create it by"),
        (lambda _: report_folds([1.0, 2.0], None), "trial must be the trial that Optuna passes to the objective"),
        (lambda _: study_trace(several()), "has 2 objectives, and rules that stop need one"),
        (lambda _: hl.tune(lambda trial: float("nan"), **IN_MEMORY), "objective returned nan in trial 0, expected one"),
        (lambda _: hl.tune(lambda trial: (1.0, 2.0), **IN_MEMORY), "objective returned several values in trial 0"),
        (lambda _: hl.tune(lambda trial: "low", **IN_MEMORY), "objective returned 'low' in trial 0, expected one"),
        (lambda _: hl.tune(lambda trial: report_folds(trial, [1.0]), **IN_MEMORY), "must be 2 finite numbers or more"),
        (lambda _: hl.tune(lambda trial: report_folds(trial, range(2 + trial.number)), **IN_MEMORY),
         "trial 1 has 3 fold values, and trials before it have 2"),
        (lambda _: hl.tune(constant, **{**IN_MEMORY, "rule": None}), r"RegretBound\(\) needs the fold values"),
        (lambda _: hl.tune(lambda trial: -report_folds(trial, [1.0, 2.0]), **IN_MEMORY), "and maximize are mixed up"),
        (turned_round, "is to minimize, and this tuning to maximize: minimize and maximize are mixed up"),
        (lambda _: hl.tune(SVR(), SPACE, DATA, direction="minimize", **IN_MEMORY), "an estimator's score is maximized"),
        (old_schema, "cannot be opened by Optuna: .*; upgrade it by `optuna storage upgrade`"),
        (lambda _: hl.tune(SVR(), {"C": "low"}, DATA, **IN_MEMORY), "space, 'C': expected .* received 'low'"),
        (lambda _: hl.tune(SVR(), {"C": (1, 0)}, DATA, **IN_MEMORY), r"space, 'C': expected .* received \(1, 0\)"),
        (lambda _: hl.tune(SVR(), {"Cs": (0.1, 1.0)}, DATA, **{**IN_MEMORY, "cv": 3}),
         "space: SVR has no hyperparameter 'Cs'; did you mean 'C'"),
        (lambda _: hl.tune(SVR(), {"C": (0.0, np.inf)}, DATA, **IN_MEMORY), r"space, 'C': .* received \(0.0, inf"),
        (lambda _: hl.tune(constant, seed="a", **IN_MEMORY), "seed must be a whole number, 0 or more, received 'a'"),
        (lambda _: hl.tune(constant, sampler="TPE", **IN_MEMORY), "sampler must be a sampler of Optuna"),
        (lambda _: hl.tune(constant, pruner=3, **IN_MEMORY), "pruner must be a pruner of Optuna, received 3"),
        (lambda _: hl.tune(constant, name=3, **IN_MEMORY), "name must be a text, received 3"),
        (lambda _: hl.tune(constant, **{**IN_MEMORY, "storage": 3}), "storage must be a file, a URL or None"),
        (lambda _: hl.tune(SVR(), {}, DATA, **{**IN_MEMORY, "cv": 3}), "space is empty: give each hyperparameter"),
        (lambda _: hl.tune(SVR, SPACE, DATA, **IN_MEMORY), r"SVR is a class: give SVR\(\)"),
        (lambda _: hl.tune(SVR(), SPACE, DATA[0], **IN_MEMORY), r"data must be a pair \(X, y\), received array"),
        (lambda _: hl.tune(SVR(), SPACE, (DATA[0], DATA[1][:5]), **IN_MEMORY), "data must be .* one label for each"),
        (lambda _: hl.tune(SVR(), SPACE, DATA, test=(DATA[0], [1]), **IN_MEMORY), "test must be .* one label for each"),
        (lambda _: hl.tune(SVR(), SPACE, DATA, **{**IN_MEMORY, "cv": 10}), "cv: Cannot have number of splits"),
        (lambda _: hl.tune(SVR(), SPACE, DATA, **{**IN_MEMORY, "cv": "five"}), "cv: Expected `cv` as an integer"),
        (lambda _: hl.tune(SVR(), SPACE, DATA, scoring="good", **{**IN_MEMORY, "cv": 3}), "scoring: "),
        (lambda _: hl.tune(SVR(), SPACE, (DATA[0] * np.nan, DATA[1]), **{**IN_MEMORY, "cv": 3}),
         "trial 0: SVR failed with .*: Input X contains NaN"),
        (lambda _: hl.tune(constant, direction="max", **IN_MEMORY), "direction must be .*; did you mean 'maximize'"),
        (lambda _: hl.tune(constant, **{**IN_MEMORY, "rule": "regret-bound"}),
         r"must be a stopping rule such as RegretBound\(\), received 'regret-bound'"),
        (lambda _: StopCallback(NoImprovement), "must be a stopping rule such as"),
        (lambda _: hl.tune(lambda trial: report_folds(trial, [1.0, 2.0], np.nan), **IN_MEMORY), "be a finite number"),
        (lambda _: study_trace(with_attribute("hashlens:folds", 3)), "trial 0: .* 'hashlens:folds' must be a list of"),
        (lambda _: study_trace(with_attribute("hashlens:test", "good")), "'hashlens:test' must be a number"),
        (lambda to: hl.tune(constant, **{**IN_MEMORY, "storage": to}), "is a folder: give a file, such as tuning.db"),
        (lambda _: hl.tune(constant, **{**IN_MEMORY, "storage": ""}), "storage '' is empty: give a file"),
        (lambda to: hl.tune(constant, **{**IN_MEMORY, "storage": to / "no" / "t.db"}), "the folder .*no' is missing"),
        (lambda to: hl.tune(constant, **{**IN_MEMORY, "storage": written(to, "a,b")}), "is not a file of SQLite"),
        (lambda _: hl.tune(constant, **{**IN_MEMORY, "storage": "nosuch://me:secret@host/x"}),
         r"'nosuch://me:\*\*\*@host/x' cannot be opened by Optuna: Can't load plugin"),
        (read_only, "cannot be opened by Optuna: attempt to write a readonly database"),
        (damaged, "t.db' cannot be written by Optuna: no such table: study_user_attributes"),
        (lambda _: hl.tune(SVR(), SPACE, **IN_MEMORY), "an estimator is tuned on data: give data="),
        (lambda _: hl.tune(3, **IN_MEMORY), "must be a scikit-learn estimator or a function, received 3"),
        (lambda _: hl.tune(constant, data=DATA, **IN_MEMORY), "an objective has its own data"),
        (lambda _: hl.tune(constant, **{**IN_MEMORY, "n_trials": 0}), "n_trials must be a whole number, 1 or more"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path, make, message):
    with pytest.raises(TuningError, match=message) as caught:
        make(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["{}/empty.db", "sqlite:///{}/empty.db", "sqlite:///{}/new.db", "{}/other.db"])
def test_reading_a_study_writes_nothing(tmp_path, place):
    (tmp_path / "empty.db").touch()
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("create table mine (a int)")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TuningError, match=r"there is no storage|has no studies of Optuna"):
        load_study_trace(place.format(tmp_path), "x")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_password_of_a_storage_is_not_shown():
    assert display_name("postgresql+psycopg2://me:secret@host:5/x") == "postgresql+psycopg2://me:***@host:5/x"
    assert "secret" not in display_name("://me:secret@host")
    assert (display_name(None), display_name("tuning.db")) == ("memory", "tuning.db")


def test_the_default_rule_needs_no_more_than_folds():
    study = study_of()
    study.optimize(objective, n_trials=22, callbacks=[StopCallback(RegretBound(first=21))])
    written = study.user_attrs[DECISION.format(21)]
    assert written["bound"] > 0
    assert written["error"] > 0
