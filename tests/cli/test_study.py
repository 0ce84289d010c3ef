import json
import resource
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import hashlens as hl
from hashlens.cli.app import run
from hashlens.study.networks.sections import Axes
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store

TEXT = """\
name: small
data: {train: "digits[:200]", test: "digits[200:300]"}
axes: {width: [3, 6, 12], epochs: [0, 1], samples: [100, 200]}
training: {epochs: 1}
repeats: 2
measures: [redundancy_ratio, knn, network_accuracy]
"""
RUNS, ROWS = 12, 12 * 2 * 5


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(TEXT)
    assert run(["study", "run", str(path)]) == 0
    return path


def next_command(printed):
    (line,) = (line for line in printed.splitlines() if line.startswith("next: hashlens "))
    return shlex.split(line.removeprefix("next: hashlens "))


def table(store):
    results = Store.open(store, create=False).results()
    return {name: results.columns[name].tolist() for name in VARIABLES.columns}


def test_the_first_study_is_ready_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["study", "init"]) == 0
    assert next_command(capsys.readouterr().out) == ["study", "run", "study.yaml"]
    spec = StudySpec.load("study.yaml")
    assert spec.data.train == "digits#train"
    assert spec.checkpoints == (0, 1, 10, 30)
    assert run(["study", "init"]) == 2
    assert "study.yaml exists already" in capsys.readouterr().err
    assert run(["study", "init", "--force"]) == 0
    text = (tmp_path / "study.yaml").read_text()
    offered = [line for line in text.splitlines() if line.startswith("  # ")]
    assert {line.split()[1].rstrip(":") for line in offered} == set(Axes.model_fields) - {"width", "epochs"}
    for line in offered:
        taken = text.replace(line, line.replace("# ", "", 1)).replace("  depth: 1\n", "")
        StudySpec.from_yaml(taken.replace("  width: [4, 8, 16, 32, 64]\n", "") if "resnet20" in line else taken)


def test_a_first_study_of_given_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('a "b".npz', "c\\d.npz"):
        np.savez(name, x_train=np.ones((9, 4), np.float32), y_train=np.arange(9) % 3)
    path = tmp_path / "mine.yaml"
    assert run(["study", "init", str(path), "--data", 'npz:a "b".npz#train', "--test", "npz:c\\d.npz#train"]) == 0
    spec = StudySpec.load(path)
    assert (spec.name, spec.data.train, spec.data.test) == ("mine", 'npz:a "b".npz#train', "npz:c\\d.npz#train")
    # What is not on this machine is fetched when the study runs.
    remote = ["--data", "hub:nobody/nothing#train", "--test", "imdb#test"]
    assert run(["study", "init", str(tmp_path / "far.yaml"), *remote]) == 0


@pytest.mark.slow
def test_a_run_ends_with_status_summary_and_what_is_next(spec, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["study", "run", str(spec), "--worker"]) == 0
    printed = capsys.readouterr().out
    assert "100.0%" in printed
    assert "Means over 2 repeats" in printed
    follow = next_command(printed)
    assert follow[:3] == ["study", "chart", str(spec)]
    assert run(follow) == 0
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")
    (line,) = (line for line in printed.splitlines() if line.startswith("page: hashlens "))
    assert run(shlex.split(line.removeprefix("page: hashlens "))) == 0
    assert "12 networks" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_a_run_may_have_its_store_elsewhere(spec, tmp_path, capsys):
    store = str(tmp_path / "elsewhere.db")
    assert run(["study", "run", str(spec), "--store", store, "--threads", "1", "--lease", "30"]) == 0
    assert table(store) == table(spec.with_suffix(".db"))
    assert next_command(capsys.readouterr().out)[2] == store


def test_failed_networks_come_with_the_way_to_try_again(tmp_path, capsys):
    path = tmp_path / "wild.yaml"
    path.write_text(TEXT.replace("{epochs: 1}", "{epochs: 1, optimizer: sgd, learning_rate: 1.0e+30}"))
    assert run(["study", "run", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "the training loss is nan" in " ".join(printed.split())
    assert next_command(printed) == ["study", "run", str(path), "--retry-failed"]
    workers = {one.id: one.worker for one in Store.open(path.with_suffix(".db")).runs() if one.state == "failed"}
    assert run(["study", "run", str(path), "--retry-failed"]) == 1
    assert all(one.worker != workers.get(one.id) for one in Store.open(path.with_suffix(".db")).runs())


@pytest.mark.parametrize("place", ["spec", "store"])
def test_status_takes_spec_or_store(spec, place, tmp_path, capsys):
    target = tmp_path / "status.json"
    given = spec if place == "spec" else spec.with_suffix(".db")
    assert run(["study", "status", str(given), "--json", str(target)]) == 0
    assert "small" in capsys.readouterr().out
    found = json.loads(target.read_text())
    assert (found["runs"], found["done"], found["leases"]) == (RUNS, RUNS, [])


def test_export_writes_every_number(spec, tmp_path, capsys):
    for name, read in (("t.parquet", pyarrow.parquet.read_table), ("t.csv", pyarrow.csv.read_csv)):
        assert run(["study", "export", str(spec), str(tmp_path / name)]) == 0
        assert f"{ROWS} rows" in capsys.readouterr().out
        found = read(tmp_path / name)
        assert found["value"].to_pylist() == table(spec.with_suffix(".db"))["value"]
    assert run(["study", "export", str(spec), str(tmp_path / "t.csv")]) == 2
    assert run(["study", "export", str(spec), str(tmp_path / "t.csv"), "--force"]) == 0


@pytest.mark.slow
def test_chart_of_a_slice_and_of_all_slices(spec, tmp_path, capsys):
    base = ["study", "chart", str(spec), "--x", "width", "--y", "epochs"]
    one, three, numbers = tmp_path / "one.png", tmp_path / "three.png", tmp_path / "one.json"
    assert run([*base, "--where", "samples=200", "--out", str(one), "--json", str(numbers)]) == 0
    found = json.loads(numbers.read_text())
    assert (found["x"], found["y"], found["where"], len(found["cells"])) == ("width", "epochs", {"samples": 200}, 6)
    assert run([*base, "--z", "samples", "--out", str(three)]) == 0
    assert capsys.readouterr().out.count("Phase chart") == 3
    assert one.read_bytes().startswith(b"\x89PNG")
    assert one.read_bytes() != three.read_bytes()


MISTAKES = {
    "no file": (["run", "nowhere.yaml"], "nowhere.yaml"),
    "no store": (["status", "nowhere.db"], "nowhere.db is not there: begin the study with"),
    "no store of a spec": (["export", "nowhere.yaml", "OUT.csv"], "nowhere.db is not there"),
    "no store in a folder": (["run", "SPEC", "--store", "OUT/missing/s.db"], "make it first"),
    "another kind of store": (["status", "mysql://somewhere"], "postgresql://"),
    "no study": (["status", "SPEC.not"], "SPEC.not"),
    "a store that is a picture": (["status", "PICTURE"], "is not an SQLite file"),
    "unknown ending": (["export", "SPEC", "OUT.xlsx"], ".parquet or .csv"),
    "unknown axis": (["chart", "SPEC", "--x", "widht", "--out", "OUT.png"], "did you mean 'width'"),
    "an axis that does not vary": (
        ["chart", "SPEC", "--x", "depth", "--where", "width=3", "--where", "samples=100", "--out", "OUT.png"],
        "takes one value",
    ),
    "a factor left open": (["chart", "SPEC", "--out", "OUT.png"], "samples takes 2 values"),
    "a factor left open, in words of the command line": (["chart", "SPEC", "--out", "OUT.png"], "--where samples=200"),
    "a factor held twice": (
        ["chart", "SPEC", "--where", "samples=100", "--where", "samples=200", "--out", "OUT.png"],
        "--where samples is given twice",
    ),
    "a level that is not there": (["chart", "SPEC", "--where", "samples=7", "--out", "OUT.png"], "100, 200"),
    "a condition without level": (["chart", "SPEC", "--where", "samples", "--out", "OUT.png"], "FACTOR=LEVEL"),
    "a condition on nothing": (["chart", "SPEC", "--where", "size=7", "--out", "OUT.png"], "FACTOR=LEVEL"),
    "a level of another kind": (["chart", "SPEC", "--where", "samples=all", "--out", "OUT.png"], "a whole number"),
    "a flag of another kind": (["chart", "SPEC", "--where", "batch_norm=2", "--out", "OUT.png"], "true or false"),
    "a picture of another kind": (["chart", "SPEC", "--where", "samples=200", "--out", "OUT.txt"], ".png"),
    "no such source": (
        ["init", "OUT.yaml", "--data", "nope", "--test", "digits"],
        "there is no source 'nope'; did you mean 'npz'?",
    ),
    "no such file": (["init", "OUT.yaml", "--data", "npz:no.npz", "--test", "digits"], "no file or folder 'no.npz'"),
    "no such split": (["init", "OUT.yaml", "--test", "digits#tset"], "no split 'tset'; did you mean 'test'?"),
    "no such rows": (["init", "OUT.yaml", "--data", "digits[5000:]", "--test", "digits"], "are outside its 1797"),
    "half a name": (["init", "OUT.yaml", "--data", "hub", "--test", "digits"], "write this source as hub:OWNER/NAME"),
    "test without train": (["init", "OUT.yaml", "--data", "digits"], "--test"),
    "a result over the store": (["status", "SPEC", "--json", "STORE", "--force"], "is read as input"),
    "a result over the spec": (["status", "SPEC", "--json", "SPEC", "--force"], "is read as input"),
    "two results in one file": (
        ["chart", "SPEC", "--where", "samples=200", "--out", "OUT.png", "--json", "OUT.png"],
        "two results have the path",
    ),
    "no store by an empty name": (["run", "SPEC", "--store", ""], "a store is the path of an SQLite file"),
    "a lease without end": (["run", "SPEC", "--lease", "inf"], "at most 1,000,000 seconds, received inf"),
    "too many threads": (["run", "SPEC", "--threads", "99999999999"], "--threads"),
    "no seconds of lease": (["run", "SPEC", "--lease", "0"], "--lease"),
    "no device": (["run", "SPEC", "--store", "OUT.db", "--device", "cuda:9"], "CUDA"),
    "unknown command": (["rnu", "SPEC"], "rnu"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(name, spec, tmp_path, capsys, monkeypatch):
    arguments, message = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG" + bytes(100))
    places = {"SPEC": str(spec), "STORE": str(spec.with_suffix(".db")), "PICTURE": "picture.png"}
    given = [places.get(argument, argument.replace("OUT", "out")) for argument in arguments]
    assert run(["study", *given]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_another_spec_on_the_same_store_is_refused(spec, tmp_path, capsys):
    other = tmp_path / "other.yaml"
    other.write_text(TEXT.replace("[3, 6, 12]", "[3, 6]"))
    assert run(["study", "run", str(other), "--store", str(spec.with_suffix(".db"))]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "axes.width: [3, 6, 12] -> [3, 6]" in line


# --- faults


@contextmanager
def files_up_to(size):
    """Within, no file may grow past so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.faults
def test_a_disk_without_space_is_one_line_and_the_same_command_resumes(tmp_path, capsys):
    path, store = tmp_path / "many.yaml", tmp_path / "many.db"
    text = TEXT.replace("epochs: [0, 1]", f"epochs: {list(range(31))}").replace("{epochs: 1}", "{epochs: 30}")
    path.write_text(text.replace("redundancy_ratio, knn, network_accuracy", "loss, network_accuracy"))
    with files_up_to(72_000):
        assert run(["study", "run", str(path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "many.db cannot be" in line
    assert "finished runs are kept" in line
    assert 0 < Store.open(store, create=False).status().done < RUNS
    assert run(["study", "run", str(path)]) == 0
    assert run(["study", "run", str(path), "--store", str(tmp_path / "undisturbed.db")]) == 0
    assert table(store) == table(tmp_path / "undisturbed.db")


@pytest.mark.slow
@pytest.mark.faults
def test_data_that_are_gone_are_one_line_and_the_same_command_resumes(tmp_path, capsys):
    import numpy as np

    digits = hl.load_data("digits[:200]").load()
    np.savez(tmp_path / "digits.npz", inputs=digits.inputs.numpy(), labels=digits.labels)
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.replace("digits[:200]", f"npz:{tmp_path}/digits.npz"))
    (tmp_path / "digits.npz").rename(tmp_path / "elsewhere.npz")
    assert run(["study", "run", str(path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "digits.npz" in line
    (tmp_path / "elsewhere.npz").rename(tmp_path / "digits.npz")
    assert run(["study", "run", str(path)]) == 0


@pytest.mark.slow
@pytest.mark.faults
def test_ctrl_c_is_one_line_gives_back_what_was_held_and_the_same_command_goes_on(tmp_path, capsys):
    path = tmp_path / "long.yaml"
    path.write_text(TEXT.replace("epochs: [0, 1]", "epochs: [50_000]").replace("{epochs: 1}", "{epochs: 50_000}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "hashlens", "study", "run", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    store, until = path.with_suffix(".db"), time.monotonic() + 600
    while time.monotonic() < until and not (store.exists() and _held(store)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert out == f"small: results are stored in {store}\n"
    assert err == "hashlens: stopped; run the same command again to continue\n"
    # Where Ctrl-C fell into an exec(), Python ends itself by the signal at last; shells call both 130.
    assert process.returncode in (130, -signal.SIGINT)
    status = Store.open(store).status()
    assert status.leases == ()
    assert status.pending == RUNS - status.done > 0


def _held(store):
    try:
        return Store.open(store, create=False).status().leases
    except hl.HashlensError:  # it is about to be made
        return ()
