import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from tests.forked import end, start

import hashlens as hl
from hashlens.errors import StudyError
from hashlens.report.page import page_html
from hashlens.saved.report import report_page
from hashlens.study.experiment import Experiment, Outcome
from hashlens.study.row import Row
from hashlens.study.run import outcome_problem
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.study.variables import Factor, MeasureInfo, Variables

COINS = f"{Path(__file__).with_name('coins.py')}:COINS"
TEXT = f"""\
name: flipped
experiment: {json.dumps(COINS)}
axes:
  coin: [fair, bent]
repeats: 3
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "flipped.yaml").write_text(TEXT)
    return tmp_path / "flipped.yaml"


def table(results):
    return {name: column.tolist() for name, column in results.columns.items()}


def test_a_study_of_anything(path):
    study = Study.load(path).run()
    results = study.results
    assert study.status().finished
    assert len(results) == 2 * 3 * 4
    assert (results.levels("coin"), results.levels("hands"), results.step) == (["bent", "fair"], [1], "flips")
    heads = {coin: results.where(coin=coin, measure="heads", flips=1000).columns["value"] for coin in ("fair", "bent")}
    assert (np.abs(heads["fair"] - 0.5) < 0.06).all()
    assert (np.abs(heads["bent"] - 0.8) < 0.06).all()
    over = hl.curve(results, "heads", "flips", split="", by="coin")
    assert (over.levels, [line.level for line in over.series]) == ((10, 100, 1000), ["bent", "fair"])
    assert "flipped" in page_html(report_page(path, images=False))


def test_what_it_keeps_lies_beside_the_store_by_digest(path):
    study = Study.load(path).run()
    kept = [run.metadata["kept"]["throws.bin"] for run in study.store.runs()]
    assert len(set(kept)) == 6
    folder = study.store.kept_folder
    assert folder == path.with_name("flipped.db.kept")
    assert all(len((folder / file).read_bytes()) == 125 for file in kept)
    assert len([file for file in folder.rglob("*") if file.is_file()]) == 6


def test_it_grows_by_a_level_of_text_and_by_repeats(path):
    first = Study.load(path).run()
    before = {(run.cell, run.repeat): (run.seed, run.metadata) for run in first.store.runs()}
    path.write_text(TEXT.replace("[fair, bent]", "[two heads, fair, bent]").replace("repeats: 3", "repeats: 4"))
    told = []
    grown = Study.load(path).run(on_start=lambda begun: told.append(str(begun)))
    assert told == ["6 of 12 runs are there; 6 are new"]
    after = {(run.cell, run.repeat): (run.seed, run.metadata) for run in grown.store.runs()}
    assert before.items() <= after.items()
    assert table(Study.load(path, path.with_name("at-once.db")).run().results) == table(grown.results)
    path.write_text(TEXT)
    with pytest.raises(StudyError, match=r"holds 6 runs that are not in this spec: axes.coin: .*; repeats: 4 -> 3; go"):
        Study.load(path).run()
    path.write_text(TEXT + "most: 50\n")
    with pytest.raises(StudyError, match=r"another spec: most: 1000 -> 50; "):
        Study.load(path).run()


SLOW = """
from time import sleep
from coins import Coins as Quick

class Coins(Quick):
    def run(self, pack, materials, reporter):
        for outcome in super().run(pack, materials, reporter):
            sleep(0.05)
            yield outcome
"""


def worker(yaml):
    return start("from hashlens.study.study import Study; Study.load(yaml).run(wait=False)", yaml=str(yaml))


@pytest.mark.slow
@pytest.mark.faults
def test_killed_and_gone_on_with_by_two_workers(path, tmp_path):
    expected = table(Study.load(path, tmp_path / "whole.db").run().results)
    (tmp_path / "coins.py").write_text(Path(COINS.split(":")[0]).read_text())
    (tmp_path / "slow.py").write_text(SLOW)
    path.write_text(TEXT.replace(json.dumps(COINS), json.dumps(f"{tmp_path}/slow.py:Coins")))
    first = worker(path)
    store = path.with_suffix(".db")
    while not (store.exists() and _done(path)):
        time.sleep(0.02)
        assert first.exitcode is None
    os.kill(first.pid, signal.SIGKILL)
    assert end(first) == -signal.SIGKILL
    assert 0 < _done(path) < 6
    workers = [worker(path), worker(path)]
    assert [end(one) for one in workers] == [0, 0]
    runs = Study.load(path).store.runs()
    assert {run.state for run in runs} == {"done"}
    assert table(Study.load(path).results) == expected


def _done(path):
    try:
        return Study.load(path).status().done
    except StudyError:
        return 0


# --- bad specs


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[fair, bent]", "[fair, bend]", r"line 4: axes.coin\[1\]: no level of coin, received 'bend'; did you mean"),
        ("[fair, bent]", "[fair, 3]", r"line 4: axes.coin\[1\]: must be one line of text, received 3"),
        ("[fair, bent]", "[fair, fair]", "line 4: axes.coin: 'fair' is listed twice"),
        ("coin:", "coins:", "line 4: axes.coins: unknown axis; did you mean 'coin'"),
        ("  coin: [fair, bent]", "  hands: [1.5]", r"line 4: axes.hands\[0\]: must be a whole number, received 1.5"),
        ("repeats: 3", "repeats: 0", "line 5: repeats: must be a whole number, 1 or more, received 0"),
        ("repeats: 3", "most: 0", "line 5: most: must be a whole number, 1 or more, received 0"),
        ("repeats: 3", "mots: 9", "line 5: mots: unknown field; did you mean 'most'"),
        ("repeats: 3", "training: {}", "line 5: training: unknown field"),
        ("repeats: 3", "measures: [head]", r"line 5: measures\[0\]: unknown measure 'head'; did you mean 'heads'"),
        ("repeats: 3", "repeats: 99999", "line 3: axes: .* make 199,998 runs, at most 100,000"),
    ],
)
def test_bad_specs_are_one_line_with_the_place(path, old, new, message):
    path.write_text(TEXT.replace(old, new).replace("    repeats: 99999", "repeats: 99999"))
    with pytest.raises(StudyError, match=message) as caught:
        Study.load(path)
    assert str(caught.value).startswith(f"{path} line ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("netwoks", "unknown experiment 'netwoks'; did you mean 'networks'"),
        ("no_such_module:IT", "experiment 'no_such_module:IT': importing 'no_such_module' raised ModuleNotFoundError"),
        ("hashlens.study.row:COINS", "experiment 'hashlens.study.row:COINS': hashlens.study.row has no 'COINS'"),
        ("hashlens.study.row:Row", "is a type, expected a hashlens.study Experiment"),
        ("broken.py:IT", r"importing '.*broken.py' raised ZeroDivisionError: division by zero"),
    ],
)
def test_an_experiment_that_is_not_to_be_had_is_one_line_with_its_place(path, name, message):
    path.with_name("broken.py").write_text("1 / 0\n")
    name = name.replace("broken.py", str(path.with_name("broken.py")))
    path.write_text(TEXT.replace(json.dumps(COINS), name))
    with pytest.raises(StudyError, match=f"line 2: experiment: .*{message}") as caught:
        Study.load(path)
    assert "\n" not in str(caught.value)


def test_another_argument_is_refused(path):
    with pytest.raises(StudyError, match="experiment 'coins' takes no train="):
        Study.load(path, train="digits").run()


# --- bad work


class Bad(Experiment):
    """Fails in as many ways as it has levels."""

    variables = Variables("bad", (Factor("way", default="none"),), None, {"size": MeasureInfo(low=0.0, high=1.0)})

    def packs(self, repeated, resources):
        return [repeated]

    def run(self, pack, resources, reporter):
        for run in pack:
            way = run.cell["way"]
            if way == "raises":
                raise ValueError("no such coin\nand more")
            if way == "interrupted":
                raise KeyboardInterrupt
            if way == "nothing":
                continue
            if way == "twice":
                yield Outcome(run, [Row(measure="size", value=0.5)])
            rows = {
                "unknown": [Row(measure="sise", value=0.5)],
                "nan": [Row(measure="size", value=float("nan"))],
                "text": [Row(measure="size", value="0.5")],
                "large": [Row(measure="size", value=1.5)],
                "step": [Row(step=3, measure="size", value=0.5)],
                "double": [Row(measure="size", value=0.5), Row(measure="size", value=0.6)],
                "no row": [0.5],
                "split": [Row(measure="size", split=None, value=0.5)],
            }.get(way, [Row(measure="size", value=0.5)])
            yield Outcome(run, rows, metadata={"odd": object()} if way == "metadata" else {})


WAYS = {
    "raises": "ValueError: no such coin",
    "nothing": "the experiment gave nothing for this run",
    "unknown": "the experiment gave the unknown measure 'sise'; did you mean 'size'?",
    "nan": "size is not a number",
    "text": "size is a str, expected a number",
    "large": "size is 1.5, and its range is 0 to 1",
    "step": "size is at step 3, and steps has none",
    "double": "the experiment gave two rows for step, measure, split, layer = (0, 'size', '', '')",
    "no row": "the experiment gave 0.5, expected a Row",
    "split": "the experiment gave Row(",
    "metadata": "the experiment gave metadata that JSON does not take: ",
}


def test_bad_work_fails_where_it_is_and_the_study_goes_on(tmp_path):
    spec = StudySpec(experiment=f"{__file__}:Bad", axes={"way": ["none", *WAYS, "fine"]}, repeats=2)
    study = Study(spec, tmp_path / "bad.db").run()
    status = study.status()
    assert study.results.levels("way") == ["fine", "none"]
    assert status.done == 4
    reasons = {failure.cell.removeprefix("way=").strip('"'): failure.reason for failure in status.failures}
    assert len(status.failures) == 2 * len(WAYS)
    assert all(reasons[way].startswith(said) for way, said in WAYS.items())
    assert not any("\n" in reason for reason in reasons.values())


def test_ctrl_c_is_no_failure(tmp_path):
    spec = StudySpec(experiment=f"{__file__}:Bad", axes={"way": ["none", "interrupted"]})
    with pytest.raises(KeyboardInterrupt):
        Study(spec, tmp_path / "bad.db").run()
    status = Study(spec, tmp_path / "bad.db").status()
    assert (status.done, status.failures, status.leases, status.pending) == (1, (), (), 1)


def test_a_run_that_comes_twice_does_not_count_twice(tmp_path):
    spec = StudySpec(experiment=f"{__file__}:Bad", axes={"way": ["twice", "none"]})
    study = Study(spec, tmp_path / "bad.db").run()
    assert study.status().done == 2
    assert len(study.results) == 2


def test_rows_near_the_end_of_a_range_pass():
    assert outcome_problem(Outcome(None, [Row(measure="size", value=1 + 1e-12)]), Bad.variables) is None
