"""``hashlens tune`` from end to end."""

import json

import numpy as np
import pytest

from hashlens.cli.app import run
from hashlens.saved import load_result
from hashlens.tuning import NoImprovement, read_traces, replay, report_folds

OBJECTIVE = """
from hashlens.tuning import report_folds

def bowl(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    return report_folds(trial, [(x - 0.3) ** 2, (x - 0.4) ** 2], test=x)
"""


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{name},{at},{rng.random()},{rng.random()}" for name in "ab" for at in range(30)]
    (tmp_path / "runs.csv").write_text("\n".join(["run,trial,value,test_value", *rows]) + "\n")
    return tmp_path / "runs.csv"


@pytest.mark.slow
def test_an_objective_that_fails_is_one_line_without_tracebacks_of_optuna(tmp_path, fresh):
    (tmp_path / "wrong.py").write_text("def fails(trial):\n    raise KeyError('rows')\n")
    code = "import sys; from hashlens.cli.app import run; sys.exit(run(sys.argv[1:]))"
    command = ["tune", "run", f"{tmp_path}/wrong.py:fails", "--storage", f"{tmp_path}/w.db"]
    found = fresh(code, *command)
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "the objective failed in trial 0: KeyError: 'rows': mend it" in found.stderr
    assert "Traceback" in fresh(code, *command, "--debug").stderr


@pytest.mark.slow
def test_run_stops_goes_on_and_is_reported(tmp_path, capsys):
    (tmp_path / "bowls.py").write_text(OBJECTIVE)
    store, page, numbers = tmp_path / "t.db", tmp_path / "t.html", tmp_path / "t.json"
    command = ["tune", "run", f"{tmp_path}/bowls.py:bowl", "--rule", "no-improvement:1", "--storage", str(store)]
    assert run([*command, "--n-trials", "10"]) == 0
    assert run([*command, "--n-trials", "60", "--html", str(page), "--json", str(numbers)]) == 0
    found = load_result(numbers)
    assert found.stopped == len(found.trace) < 60
    assert "Bound of the remaining improvement" in page.read_text()
    capsys.readouterr()
    assert run(["tune", "report", f"{store}#bowl", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == ["bowl"]


def test_replay_prints_and_writes_what_the_library_computes(table, tmp_path, capsys):
    page = tmp_path / "r.html"
    command = ["tune", "replay", str(table), "--rule", "no-improvement:3", "--html", str(page), "--json", "-"]
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ryc"] == replay(read_traces(table), [NoImprovement(k=3)]).to_dict()["ryc"]
    assert "Saved against lost" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "no.csv"], "no.csv cannot be read"),
        (["replay", "{table}", "--rule", "no-improvment"], "no rule 'no-improvment'; did you mean 'no-improvement'?"),
        (["replay", "{table}", "--rule", "no-improvement:few"], "expected a number behind the colon, received 'few'"),
        (["replay", "{table}", "--rule", "regret-bound"], "needs the fold values of trials"),
        (["replay", "{table}", "--rule", "regret-bound:1", "--recorded"], "has no recorded 'regret_bound'"),
        (["replay", "{table}", "--direction", "up"], "direction must be minimize or maximize"),
        (["report", "no.db#bowl"], "there is no storage 'no.db'"),
        (["report", "{table}#bowl"], "is not a file of SQLite"),
        (["report", ""], "storage '' is empty: give a file"),
        (["report", "{folder}"], "has no rf_trials.parquet: give the folder of the recorded runs"),
        (["report", "{folder}/t.db"], "or from a study of Optuna: STORAGE#STUDY"),
        (["replay", "{table}", "--rule", "no-improvement:3", "--rule", "no-improvement:3"], "was given twice"),
        (["replay", "{table}", "--rule", "regret-bound:inf"], "threshold must be a finite number above 0"),
        (["replay", "{table}", "--rule", "interquartile-range:nan"], "bar must be a finite number, 0 or more"),
        (["run", "no.py:bowl"], "no.py"),
        (["run", "{folder}/wrong.py:fails", "--storage", "{folder}/w.db"],
         "the objective failed in trial 0: KeyError: '[bold]rows[/]': mend it, and run the same command again"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(table, capsys, arguments, message):
    (table.parent / "wrong.py").write_text("def fails(trial):\n    raise KeyError('[bold]rows[/]')\n")
    assert run(["tune", *(part.format(table=table, folder=table.parent) for part in arguments)]) == 2
    said = capsys.readouterr().err
    assert message in said.replace("\n", " ")
    assert "Traceback" not in said


def test_a_study_has_its_own_direction(tmp_path, capsys):
    import optuna

    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/t.db", study_name="up", direction="maximize")
    study.optimize(lambda trial: report_folds(trial, [trial.number, 1.0], test=trial.number), n_trials=2)
    assert run(["tune", "report", f"{tmp_path}/t.db#up"]) == 0
    assert run(["tune", "report", f"{tmp_path}/t.db#up", "--direction", "minimize"]) == 2
    assert "is to maximize, and --direction is minimize" in capsys.readouterr().err.replace("\n", " ")
