import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.errors import StudyError
from hashlens.nets import build
from hashlens.result import Split
from hashlens.study.heartbeat import worker_name
from hashlens.study.networks.cells import runs
from hashlens.study.networks.evaluate import evaluate
from hashlens.study.networks.experiment import NETWORKS
from hashlens.study.networks.resources import NetworkResources
from hashlens.study.networks.train_pack import train_pack
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.run import Work, work
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store

DATA = Split(hl.load_data("digits[:300]").load(), hl.load_data("digits[300:420]").load())
BASE = {
    "axes": {"width": [4, 9], "label_noise": [0, 0.5], "epochs": [0, 1, 3]},
    "training": {"epochs": 3},
    "repeats": 2,
    "ensemble": 3,
}
# Who does what, and when, does not depend on what is measured.
QUICK = BASE | {"measures": ["redundancy_ratio", "knn", "network_accuracy"]}


def begun(path, given=None, data=DATA, **options):
    spec = StudySpec(**(BASE if given is None else given))
    resources = NetworkResources(spec, data=data)
    todo = Work(NETWORKS, resources, runs(spec, len(data.train)))
    store = Store.open(path, **options)
    store.begin(spec.to_plain(), todo.runs, resources.digests)
    return store, todo


def done(path, given=None, data=DATA):
    store, todo = begun(path, given, data)
    assert work(store, todo) == len(todo.runs)
    return store.results()


def table(results, **where):
    """Rows with the bits of their numbers."""
    kept = results.where(**where)
    columns = [kept.columns[name].tolist() for name in VARIABLES.columns[:-1]]
    return sorted(zip(*columns, kept.columns["value"].view(np.int64).tolist(), strict=True))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return done(tmp_path_factory.mktemp("study") / "study.db")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return done(tmp_path_factory.mktemp("study") / "quick.db", QUICK)


def values(results, **where):
    kept = results.where(**where)
    names = ("epochs", "measure", "split", "layer")
    keys = zip(*(kept.columns[name].tolist() for name in names), strict=True)
    return dict(zip(keys, kept.columns["value"].tolist(), strict=True))


# --- what the numbers are


@pytest.mark.slow
def test_rows_are_those_of_the_network_on_data_with_true_labels(results):
    spec = StudySpec(**BASE)
    todo = Work(NETWORKS, NetworkResources(spec, data=DATA), runs(spec, len(DATA.train)))
    noisy = [run for run in todo.runs if run.cell.label_noise == 0.5 and run.cell.width == 9]
    assert len(noisy) == 2
    for trained in train_pack(noisy, DATA.train, 10, spec.recipe(), (0, 1, 3)):
        expected = {}
        for epoch in (0, 1, 3):
            with trained.at_epoch(epoch) as network:
                rows = evaluate(network, epoch, todo.resources.evaluation(300))
                expected |= {(row.step, row.measure, row.split, row.layer): row.value for row in rows}
                measured = hl.measure(network, *(DATA.train, DATA.test), logistic="one-vs-one", controls=False)
            assert expected[epoch, "network_accuracy", "train", ""] == measured.network_accuracy.train
            assert expected[epoch, "knn", "test", ""] == measured.categorization.knn
        assert values(results, cell=trained.run.cell.key, repeat=trained.run.repeat) == expected


def test_every_run_has_every_row_once(results):
    columns = [results.columns[name].tolist() for name in ("cell", "repeat", "epochs", "measure", "split", "layer")]
    keys = list(zip(*columns, strict=True))
    assert len(set(keys)) == len(keys) == 8 * 3 * 11


def test_epoch_zero_is_the_initialisation(results):
    spec = StudySpec(**BASE)
    todo = Work(NETWORKS, NetworkResources(spec, data=DATA), runs(spec, len(DATA.train)))
    run = todo.runs[0]
    built = build("mlp", input_shape=(1, 8, 8), classes=10, seed=run.seed, init="glorot", **run.cell.arguments())
    rows = evaluate(built, 0, todo.resources.evaluation(300))
    expected = {(0, row.measure, row.split, row.layer): row.value for row in rows}
    assert values(results, cell=run.cell.key, repeat=run.repeat, epochs=0) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"ensemble": 1},
        {"ensemble": 16},
        {"repeats": 1},
        {"axes": {"width": [2, 9, 31], "label_noise": [0, 0.1, 0.5], "epochs": [0, 1, 3]}},
        {"axes": {"width": [9], "label_noise": [0.5], "epochs": [0, 1, 3]}},
        {"axes": {"width": [4, 9], "label_noise": [0.5], "epochs": [0, 1, 3], "dropout": [0, 0.4]}},
    ],
    ids=["packs of one", "one pack", "one repeat", "more cells", "one cell", "another axis"],
)
def test_a_cell_does_not_depend_on_what_else_there_is(results, change, tmp_path):
    other = done(tmp_path / "other.db", BASE | change | {"measures": ["redundancy_ratio", "network_accuracy", "knn"]})
    measures, (key,) = other.levels("measure"), set(other.where(width=9, label_noise=0.5, dropout=0.0).levels("cell"))
    assert table(other, cell=key, repeat=0) == table(results, cell=key, repeat=0, measure=measures)


@pytest.mark.slow
def test_nor_on_the_checkpoints_after_it(results, tmp_path):
    short = BASE | {"axes": BASE["axes"] | {"epochs": [1]}, "training": {"epochs": 1}}
    assert table(done(tmp_path / "short.db", short)) == table(results, epochs=1)


@pytest.mark.slow
def test_nor_on_threads(results, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = done(tmp_path / "threads.db")
    finally:
        torch.set_num_threads(threads)
    # K-Means adds in another order on more threads, and may so come to another optimum, as good as the first.
    clusterings = ["kmeans_purity", "kmeans_hungarian"]
    exact = [measure for measure in results.levels("measure") if measure not in clusterings]
    assert table(found, measure=exact) == table(results, measure=exact)
    apart = found.where(measure=clusterings).columns["value"] - results.where(measure=clusterings).columns["value"]
    assert np.mean(apart == 0) > 0.8
    assert np.abs(apart).max() < 0.1


def test_samples_are_the_first_and_measured_without_their_copies(tmp_path):
    given = {"axes": {"samples": [50, 300]}, "training": {"epochs": 1}, "measures": ["redundancy_ratio", "knn"]}
    found = done(tmp_path / "samples.db", given)
    spec = StudySpec(**given)
    todo = Work(NETWORKS, NetworkResources(spec, data=DATA), runs(spec, 300))
    for one in train_pack(todo.runs, DATA.train, 10, spec.recipe(), (1,)):
        codes = hl.encode(one.network, DATA.train.narrow(0, one.run.cell.samples))
        assert len(codes) == one.run.cell.samples
        assert values(found, samples=len(codes))[1, "redundancy_ratio", "train", ""] == hl.redundancy_ratio(codes)


@pytest.mark.slow
def test_random_inputs_are_the_same_for_every_network(tmp_path):
    given = BASE | {"axes": BASE["axes"] | {"random_inputs": ["none", "uniform", "bytes"]},
                    "measures": ["redundancy_ratio", "loss"]}  # fmt: skip
    spec = StudySpec(**given)
    todo = Work(NETWORKS, NetworkResources(spec, data=DATA), runs(spec, 300))
    found = done(tmp_path / "random.db", given)
    assert set(found.where(measure="redundancy_ratio").levels("split")) == {"train", "test", "uniform", "bytes"}
    run = todo.runs[-1]
    built = build("mlp", input_shape=(1, 8, 8), classes=10, seed=run.seed, init="glorot", **run.cell.arguments())
    own = values(found, cell=run.cell.key, repeat=run.repeat, epochs=0)
    for kind in ("uniform", "bytes"):
        assert len(todo.resources.random_inputs[kind]) == len(DATA.test)
        assert own[0, "redundancy_ratio", kind, ""] == hl.redundancy_ratio(
            hl.fingerprint(built, todo.resources.random_inputs[kind])
        )
    # There is no loss before training.
    assert found.where(measure="loss").levels("epochs") == [1, 3]


def test_networks_that_stop_early_say_their_last_numbers_again(tmp_path):
    given = {
        "axes": {"width": [4, 40], "epochs": [0, *range(1, 31)]},
        "training": {"epochs": 30, "patience": 1, "learning_rate": 0.2},
        "measures": ["redundancy_ratio", "loss", "network_accuracy"],
    }
    found = done(tmp_path / "early.db", given)
    stopped = set()
    for run in Store.open(tmp_path / "early.db").runs():
        last = run.metadata["epochs_trained"]
        assert run.metadata["stopped_early"] == (last < 30)
        rows = [list(values(found, cell=run.cell, epochs=epoch).values()) for epoch in range(31)]
        assert all(row == rows[last] for row in rows[last:])
        assert all(row != rows[last] for row in rows[:last])
        stopped.add(last)
    assert min(stopped) < 30


def test_a_convolutional_network_goes_through(tmp_path):
    large = Split(*(replace(part, inputs=part.inputs.repeat_interleave(2, -1).repeat_interleave(2, -2))
                    for part in (DATA.train.narrow(0, 100), DATA.test)))  # fmt: skip
    given = {"axes": {"architecture": ["mlp", "lenet"], "epochs": [0, 1]}, "training": {"epochs": 1}, "repeats": 2,
             "measures": ["redundancy_ratio", "network_accuracy"]}  # fmt: skip
    found = done(tmp_path / "lenet.db", given, large)
    lenet = found.where(architecture="lenet")
    assert lenet.levels("width") == [0]
    assert {layer for layer in lenet.levels("layer") if layer} == {
        layer.name for layer in hl.encode(build("lenet", input_shape=(1, 16, 16), classes=10), large.test).layers
    }
    assert len(lenet.where(epochs=1, measure="network_accuracy", split="test")) == 2


@pytest.mark.slow
def test_facts_say_how_the_numbers_came_about(tmp_path):
    done(tmp_path / "study.db", QUICK)
    for run in Store.open(tmp_path / "study.db").runs():
        assert run.metadata["epochs_trained"] == 3
        assert run.metadata["seconds"] > 0
        assert run.metadata["dtype"] == "float32"
        assert run.metadata["versions"]["torch"] == torch.__version__
        json.dumps(run.metadata, allow_nan=False)


# --- what is done, and by whom


@pytest.mark.slow
def test_what_is_done_is_not_done_again(tmp_path):
    store, todo = begun(tmp_path / "study.db", QUICK)
    held = store.claim("other", lease=60)
    assert work(store, todo, wait=False) == 8 - len(held)
    before = {run.id: (run.worker, run.metadata) for run in store.runs() if run.state == "done"}
    store.release("other")
    assert work(store, todo) == len(held)
    assert before.items() <= {run.id: (run.worker, run.metadata) for run in store.runs()}.items()
    assert work(store, todo) == 0


@pytest.mark.slow
def test_the_rest_of_a_pack_gives_the_numbers_of_the_whole(results, tmp_path):
    store, todo = begun(tmp_path / "study.db")
    first = store.claim("other", lease=60)
    for run in first[1:]:
        store.fail(run, "other", "on purpose")
    store.release("other")
    assert work(store, todo) == 8 - len(first) + 1
    store.retry_failed()
    assert work(store, todo) == len(first) - 1
    assert table(store.results()) == table(results)


@pytest.mark.slow
def test_who_waits_takes_up_what_a_silent_worker_held(quick, tmp_path):
    store, todo = begun(tmp_path / "study.db", QUICK)
    held = store.claim("elsewhere:1:silent", lease=1.5)
    assert held
    assert work(store, todo, pause=0.05) == 8
    assert table(store.results()) == table(quick)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["another process", "a worker of this process before"])
def test_what_the_dead_held_is_free_at_once(who, tmp_path):
    process = subprocess.Popen(["true"])
    process.wait()
    number = process.pid if who == "another process" else os.getpid()
    store, todo = begun(tmp_path / "study.db", QUICK)
    machine = worker_name().split(":")[0]
    store.claim(f"{machine}:{number}:dead", lease=3600)
    store.claim(f"another-machine:{process.pid}:perhaps-alive", lease=3600)
    assert 0 < work(store, todo, wait=False) < 8
    assert [lease.worker.split(":")[0] for lease in store.status().leases] == ["another-machine"]


def test_a_network_that_diverges_is_marked_and_the_others_go_on(tmp_path):
    given = {
        "axes": {"weight_decay": [0, 1e30], "width": [4, 6]},
        "training": {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.01},
    }
    store, todo = begun(tmp_path / "study.db", given)
    assert work(store, todo) == 2
    status = store.status()
    assert [failure.reason.split(" in epoch")[0] for failure in status.failures] == ["the training loss is nan"] * 2
    assert all("weight_decay=1e+30" in failure.cell for failure in status.failures)
    assert work(store, todo) == 0
    assert store.retry_failed() == 2
    assert work(store, todo) == 0


def interrupted(todo, interrupt):
    """Return the work, of examples whose fifth narrowing is when something happens."""

    class Examples(type(DATA.train)):
        narrowings = 0

        def narrow(self, *args):
            Examples.narrowings += 1
            if Examples.narrowings == 5:
                interrupt()
            return super().narrow(*args)

    train = Examples(**{name: getattr(DATA.train, name) for name in DATA.train.__dataclass_fields__})
    return replace(todo, resources=replace(todo.resources, data=Split(train, DATA.test), random_inputs={}))


@pytest.mark.slow
@pytest.mark.faults
def test_whoever_is_stopped_gives_back_what_it_held(quick, tmp_path):
    store, todo = begun(tmp_path / "study.db", QUICK)

    def press_ctrl_c():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(store, interrupted(todo, press_ctrl_c))
    status = store.status()
    assert status.leases == ()
    assert 0 < status.done < 8
    work(store, todo)
    assert table(store.results()) == table(quick)


@pytest.mark.slow
@pytest.mark.faults
def test_a_store_locked_in_mid_run_ends_the_work_in_one_line(quick, tmp_path):
    store, todo = begun(tmp_path / "study.db", QUICK, timeout=0.3)
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None, check_same_thread=False)
    locked = pytest.raises(StudyError, match=r"locked by another program for 0.3 s; finished runs are kept")
    with closing(other), locked as caught:
        work(store, interrupted(todo, lambda: other.execute("BEGIN EXCLUSIVE")))
    assert "\n" not in str(caught.value)
    assert 0 < store.status().done < 8
    # The leases could not be given back, but whoever held them is known to be at work no more: nobody waits for them.
    assert store.status().leases
    work(store, todo, wait=False)
    assert table(store.results()) == table(quick)


@pytest.mark.slow
@pytest.mark.faults
def test_twenty_kills_change_no_number_and_no_network_is_trained_twice(tmp_path):
    script = Path(__file__).with_name("kill_study.py")
    # It forks, and a forked process hangs in a pool of threads that its parent had.
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, env=alone, timeout=3000
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert sum(found["kills"].values()) == 20
    assert min(found["kills"].values()) > 5
    assert sum(found["networks by worker"]) == 24
