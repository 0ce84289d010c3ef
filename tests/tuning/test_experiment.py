import re
from pathlib import Path

import numpy as np
import pytest

from hashlens.errors import DataError, HashlensError, TuningError
from hashlens.study.reproduce import reproduce
from hashlens.study.reproduce.preset import find_preset
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.testing.experiment_contract import check_experiment
from hashlens.tuning import RegretBound, recorded_runs, replay
from hashlens.tuning.experiment import measure_run, run_tuning
from hashlens.tuning.named_rules import parse_rule
from hashlens.tuning.recorded_experiment import measure_group
from hashlens.tuning.study_data import study_data

FIELDS = {"name": "tuned", "experiment": "tuning", "axes": {"rule": ["no-improvement:1", "no-improvement:2"]},
          "trials": 24, "folds": 2, "repeats": 2}  # fmt: skip


def test_rules_of_a_repeat_are_replayed_on_one_run(tmp_path):
    study = Study(StudySpec(**{**FIELDS, "repeats": 1}), tmp_path / "t.db").run()
    assert study.status().finished
    values = study.results.where(measure="rtc").columns["value"]
    assert 0 <= values[1] <= values[0] < 1
    assert run_tuning.cache_info().hits >= 1
    assert np.ptp(study.results.where(measure="gap").columns["value"]) == 0


def test_numbers_of_rows_lie_in_each_other_and_losses_are_errors():
    trace = run_tuning("breast cancer", "support vectors", 40, "random", 1, 22, 2)
    assert trace.direction == "minimize"
    assert ((trace.values > 0) & (trace.values < 1)).all()
    found = measure_run(trace, parse_rule("no-improvement:1000"))
    assert (found["rtc"], found["ryc"]) == (0.0, 0.0)


@pytest.mark.slow
def test_a_study_of_tuning_keeps_the_contract(tmp_path):
    check_experiment(FIELDS, tmp_path)


@pytest.mark.parametrize("name", ["bo-overfitting", "bo-early-stopping"])
def test_the_abstracts_claims_are_put_to_the_test_by_name(name):
    preset = find_preset(name)
    for size in ("quick", "paper"):
        spec = preset.spec(name, size)
        assert spec.experiment == "tuning"
        assert spec.repeats >= 5
    assert len(preset.claims) >= 3


@pytest.fixture
def recorded(tmp_path):
    """Return a folder with three recorded runs: two data sets, two seeds, 24 trials."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rng, trials, bounds = np.random.default_rng(0), [], []
    for data, seed in (("a", 0), ("a", 1), ("b", 0)):
        for at in range(24):
            folds = rng.random(4)
            trials.append({"dataset": data, "seed": seed, "trial": at, "value": folds.mean(), "fold_values": folds,
                           "test_value": rng.random(), "params": '{"max_depth": 1}'})  # fmt: skip
            bounds.append({"dataset": data, "seed": seed, "iteration": at, "regret_bound": 0.01 if data == "a" else 9.0,
                           "incumbent_std": 0.1})  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(trials), tmp_path / "rf_trials.parquet")
    parquet.write_table(pa.Table.from_pylist(bounds), tmp_path / "rf_recorded_bounds.parquet")
    return tmp_path


@pytest.mark.parametrize("column", ["dataset", "iteration", "regret_bound"])
def test_recorded_bounds_without_a_column_are_an_error_of_one_line(recorded, column):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = recorded / "rf_recorded_bounds.parquet"
    parquet.write_table(parquet.read_table(file).drop_columns([column]), file)
    with pytest.raises(TuningError, match=f"rf_recorded_bounds.parquet has no column '{column}'"):
        recorded_runs(recorded)


def test_recorded_bounds_that_do_not_fit_the_runs_are_an_error_of_one_line(recorded):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = recorded / "rf_recorded_bounds.parquet"
    table = parquet.read_table(file)
    more = {"dataset": ["a"], "seed": [0], "iteration": [24], "regret_bound": [1.0], "incumbent_std": [0.1]}
    parquet.write_table(pa.concat_tables([table, pa.table(more)]), file)
    with pytest.raises(TuningError, match="run 'a 0' has no trial 24"):
        recorded_runs(recorded)
    file.write_bytes(b"no parquet")
    with pytest.raises(TuningError, match=r"rf_recorded_bounds.parquet cannot be read: "):
        recorded_runs(recorded)


SHARED = Path(__file__).parents[2].parent / "shared/data/tuning"
RECORDED = {"name": "r", "experiment": "recorded-tuning", "axes": {"rule": ["regret-bound", "no-improvement:1"]}}


@pytest.mark.parametrize(("repeat", "groups"), [("data set", (("a 0", "a 1"), ("b 0",))),
                                                ("seed", (("a 0", "b 0"), ("a 1",)))])  # fmt: skip
def test_recorded_runs_are_replayed_in_groups(recorded, repeat, groups):
    spec = StudySpec(**RECORDED, runs=str(recorded), repeat=repeat, repeats=2, measures=["rtc", "ryc", "spread"])
    study = Study(spec, recorded / "s.db").run()
    traces = {trace.name: trace for trace in recorded_runs(recorded)}
    replays = [replay([traces[name] for name in group], [RegretBound(recorded=True)]) for group in groups]

    def values(measure):
        return study.results.where(measure=measure, rule="regret-bound").columns["value"].tolist()

    assert values("rtc") == [one.rtc.mean() for one in replays]
    assert sum(values("rtc")) > 0
    assert values("ryc") == pytest.approx([one.ryc.mean() for one in replays])
    assert values("spread") == pytest.approx([np.sqrt(np.mean(one.ryc**2)) for one in replays])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"runs": "nowhere"}, "nowhere"),
        ({"repeats": 3}, "repeats: must be at most 2, the data sets, received 3"),
        ({"repeat": "row"}, "unknown repeat 'row'"),
        ({"axes": {"rule": ["regret"]}}, "no rule 'regret'; did you mean 'regret-bound'"),
    ],
)
def test_what_is_wrong_of_recorded_runs_is_said_before_any_is_replayed(recorded, fields, message):
    with pytest.raises(HashlensError, match=message) as caught:
        Study(StudySpec(**{**RECORDED, "runs": str(recorded), **fields}), recorded / "s.db").run()
    assert "\n" not in str(caught.value)
    assert not (recorded / "s.db").exists()


def test_the_recorded_runs_are_reproduced_from_a_folder(recorded, tmp_path):
    preset = find_preset("bo-recorded")
    assert [preset.spec("bo-recorded", size, "there").runs for size in ("quick", "paper")] == ["there"] * 2
    with pytest.raises(DataError, match="bo-recorded needs --data DIR"):
        reproduce("bo-recorded", out=tmp_path / "out")
    with pytest.raises(DataError, match="bo-overfitting takes no data"):
        reproduce("bo-overfitting", recorded, out=tmp_path / "out")


@pytest.mark.shared
def test_the_abstracts_claims_on_the_recorded_runs():
    rules = {name: parse_rule(name, recorded=True) for name in ("regret-bound", "interquartile-range:0.1:103")}
    traces = recorded_runs(SHARED)
    regret, other = (measure_group(traces, rule) for rule in rules.values())
    assert abs(regret["rtc"] - other["rtc"]) < 0.005
    assert regret["spread"] < 0.6 * other["spread"]
    assert regret["oracle"] == pytest.approx(0.014, abs=0.001)


def test_a_table_of_ones_own_is_tuned_on(tmp_path):
    rows = [f"{at % 7},{'xy'[at % 2]},{'no' if at % 3 else 'yes'}" for at in range(90)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    inputs, labels, regression = study_data(f"{tmp_path}/t.csv#c")
    assert inputs[:2].tolist() == [[0, 1, 0], [1, 0, 1]]
    assert (labels[:2].tolist(), regression) == (["yes", "no"], False)
    trace = run_tuning(f"{tmp_path}/t.csv#c", "support vectors", 30, "random", 1, 3, 2)
    assert ((trace.test_values >= 0) & (trace.test_values < 1)).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("diabets", "no data 'diabets'; did you mean 'diabetes'?; or write FILE#COLUMN"),
        ("no.csv#c", "no.csv cannot be read"),
        ("t.txt#c", "t.txt: tables are read from .csv or .parquet"),
    ],
)
def test_data_that_are_not_there(name, message):
    with pytest.raises(TuningError, match=re.escape(message)):
        study_data(name)
