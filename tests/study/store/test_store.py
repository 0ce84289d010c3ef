import inspect
import json
import os
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from multiprocessing import Pipe

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from tests.forked import end, start

from hashlens.errors import HashlensError, StudyError
from hashlens.study.networks.variables import FACTORS, VARIABLES
from hashlens.study.row import Row
from hashlens.study.store import Store
from hashlens.study.store.status import duration

SPEC = {"name": "small", "data": {"train": "a"}, "axes": {"width": [10, 20], "epochs": [0, 1]}, "seed": 0}
DIGESTS = {"train": "d1", "test": "d2"}
schemas = count()


@dataclass(frozen=True)
class Cell:
    architecture: str = "mlp"
    width: int = 10
    depth: int = 1
    samples: int = 48000
    label_noise: float = 0.0
    weight_decay: float = 0.0
    batch_norm: bool = False
    dropout: float = 0.0

    @property
    def factors(self):
        return asdict(self)

    @property
    def key(self):
        return f"{self.architecture} width={self.width} label_noise={self.label_noise}"


@dataclass(frozen=True)
class Run:
    cell: Cell
    repeat: int
    seed: int
    pack: int


class Clock:
    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now


def some_runs(n=6, pack=2):
    return [Run(Cell(width=10 * (i // 3 + 1)), i % 3, 2**63 - 1 - i, i // pack) for i in range(n)]


def some_rows(run):
    """The rows that follow from a run's cell and repeat, whoever does it."""
    value = int(run.cell.split("width=")[1].split()[0]) + run.repeat / 10
    return [
        Row(epochs, measure, split, value + epochs)
        for epochs in (0, 1, 100)
        for measure in ("redundancy_ratio", "knn")
        for split in ("train", "test")
    ]


@contextmanager
def schema_in(url):
    """A schema of its own in a server."""
    name = f"hashlens_test_{os.getpid()}_{next(schemas)}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    yield f"{url}?options=-csearch_path%3D{name}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def target(request, tmp_path):
    if request.param == "sqlite":
        yield tmp_path / "study.db"
    else:
        with schema_in(request.getfixturevalue("postgres")) as url:
            yield url


def begun(target, runs=None, **options):
    store = Store.open(target, **options)
    assert not store.is_begun
    assert store.begin(SPEC, some_runs() if runs is None else runs, DIGESTS).is_new
    assert store.is_begun
    return store


def finish(store, worker="w"):
    while claimed := store.claim(worker, lease=60):
        for run in claimed:
            assert store.commit(run, worker, some_rows(run), {"seconds": 2.0})


def same(a, b):
    return all(
        np.array_equal(a.columns[name], b.columns[name], equal_nan=name == "value") for name in VARIABLES.columns
    )


def states(store):
    return [run.state for run in store.runs()]


def test_study_comes_back(target):
    runs = some_runs()
    begun(target, runs)
    store = Store.open(target, create=False)
    assert store.spec == SPEC
    assert store.digests == DIGESTS
    assert [(r.cell, r.repeat, r.seed, r.pack) for r in store.runs()] == [
        (r.cell.key, r.repeat, r.seed, r.pack) for r in runs
    ]
    assert set(states(store)) == {"pending"}
    assert len(store.results()) == 0
    assert store.results().columns.keys() == set(VARIABLES.columns)


def test_results_are_the_committed_rows_sorted(target):
    store = begun(target, [Run(Cell(width=w, batch_norm=w > 15), r, 0, 0) for w in (20, 9, 100) for r in (1, 0)])
    claimed = store.claim("w", lease=60)
    for run in claimed:
        store.commit(run, "w", some_rows(run), {})
    results = store.results()
    assert results.study == "small"
    expected = sorted(
        (run.cell, run.repeat, row.step, row.measure, row.split, row.layer, row.value)
        for run in claimed
        for row in some_rows(run)
    )
    names = ("cell", "repeat", "epochs", "measure", "split", "layer", "value")
    assert list(zip(*(results.columns[name].tolist() for name in names), strict=True)) == expected
    assert results.columns["batch_norm"].dtype == bool
    assert np.array_equal(results.columns["batch_norm"], results.columns["width"] > 15)
    assert [results.columns[name].dtype.kind for name in FACTORS] == list("Oiiiffbf")
    assert results.where(width=9, measure="knn", epochs=100, split="test", repeat=0).columns["value"] == [109.0]
    assert results.to_arrow().num_rows == len(expected)


def test_order_of_work_does_not_show(tmp_path):
    forwards, backwards = begun(tmp_path / "a.db"), begun(tmp_path / "b.db")
    finish(forwards)
    packs = [backwards.claim(f"w{i}", lease=60) for i in range(3)]
    for i, pack in reversed(list(enumerate(packs))):
        for run in reversed(pack):
            backwards.commit(run, f"w{i}", some_rows(run)[::-1], {})
    assert same(forwards.results(), backwards.results())


def test_numbers_that_are_none(target):
    store = begun(target)
    run = store.claim("w", lease=60)[0]
    values = {"nan": np.nan, "inf": np.inf, "tiny": 5e-324, "third": np.float64(1 / 3), "single": np.float32(0.1)}
    store.commit(run, "w", [Row(np.int64(0), name, "train", value) for name, value in values.items()], {})
    columns = store.results().columns
    found = dict(zip(columns["measure"].tolist(), columns["value"].tolist(), strict=True))
    assert found.pop("nan") != found
    assert np.isnan(dict(zip(columns["measure"], columns["value"], strict=True))["nan"])
    assert found == {name: float(value) for name, value in values.items() if name != "nan"}


def test_facts_come_back(target):
    store = begun(target)
    run = store.claim("w", lease=60)[0]
    store.commit(
        run, "w", some_rows(run), {"seconds": np.float32(1.5), "dtype": "float32", "gap": np.nan, "n": {"a": 1}}
    )
    assert store.runs()[0].metadata == {"seconds": 1.5, "dtype": "float32", "gap": None, "n": {"a": 1}}
    assert store.runs()[0].worker == "w"
    assert store.runs()[1].metadata == {}


def test_a_key_twice_is_refused_and_nothing_written(target):
    store = begun(target)
    run = store.claim("w", lease=60)[0]
    rows = some_rows(run)
    with pytest.raises(StudyError, match=r"repeat 0: two rows for step, measure, split, layer = \(0, 'knn', 'train'"):
        store.commit(run, "w", [*rows, replace(rows[2], value=-1.0)], {})
    assert states(store)[0] == "leased"
    assert len(store.results()) == 0
    assert store.commit(run, "w", [*rows, replace(rows[2], layer="relu1")], {})


def test_a_fault_in_the_middle_leaves_nothing(target):
    store = begun(target)
    run = store.claim("w", lease=60)[0]
    with pytest.raises(HashlensError, match="finished runs are kept"):
        store.commit(run, "w", [*some_rows(run), Row(1, None, "train", 0.0)], {})
    assert states(store)[0] == "leased"
    assert len(store.results()) == 0


def test_a_claim_takes_one_whole_pack_in_order(target):
    store = begun(target)
    taken = [[(run.id, run.pack) for run in store.claim(f"w{i}", lease=60)] for i in range(4)]
    assert taken == [[(0, 0), (1, 0)], [(2, 1), (3, 1)], [(4, 2), (5, 2)], []]


def test_only_what_is_left_of_a_pack_is_taken_again(target):
    clock = Clock()
    store = begun(target, clock=clock)
    first, second = store.claim("a", lease=60)
    store.commit(first, "a", some_rows(first), {})
    assert [run.id for run in store.claim("b", lease=60)] == [2, 3]
    assert store.release("a") == 1
    assert store.claim("c", lease=60) == (second,)


def test_a_lease_ends_unless_extended(target):
    clock = Clock()
    store = begun(target, clock=clock)
    mine = store.claim("a", lease=60)
    clock.now += 59
    assert store.extend_leases("a", 60) == mine
    clock.now += 59
    assert [run.pack for run in store.claim("b", lease=10)] == [1, 1]
    clock.now += 1
    assert store.claim("c", lease=60) == mine
    assert store.extend_leases("a", 60) == ()
    assert store.release("a") == 0
    assert store.extend_leases("c", 60) == mine


def test_the_first_to_commit_wins(target):
    clock = Clock()
    store = begun(target, clock=clock)
    run, other = store.claim("a", lease=60)
    clock.now += 61
    assert run in store.claim("b", lease=60)
    assert store.commit(run, "a", some_rows(run), {"by": "a"})
    assert store.extend_leases("b", 60) == (other,)
    assert not store.commit(run, "b", [Row(0, "knn", "train", -1.0)], {"by": "b"})
    assert store.runs()[0].metadata == {"by": "a"}
    assert len(store.results()) == len(some_rows(run))
    assert not store.fail(run, "b", "too late")


def test_failed_runs_wait_to_be_told(target):
    clock = Clock()
    store = begun(target, clock=clock)
    run, other = store.claim("a", lease=60)
    assert not store.fail(run, "b", "not yours")
    assert store.fail(run, "a", "loss is NaN at epoch 3")
    store.release("a")
    assert store.claim("b", lease=60) == (other,)
    assert [(f.cell, f.repeat, f.reason) for f in store.status().failures] == [
        (run.cell, run.repeat, "loss is NaN at epoch 3")
    ]
    finish(store)
    assert states(store)[:3] == ["failed", "leased", "done"]
    assert store.retry_failed() == 1
    assert store.runs()[0].reason is None
    assert store.claim("c", lease=60) == ()  # the pack is at work
    store.release("b")
    assert store.claim("c", lease=60) == (run, other)


def test_status_counts_and_estimates(target):
    clock = Clock()
    store = begun(target, clock=clock)
    assert store.status().seconds_left is None
    for seconds, run in zip((1.0, 3.0), store.claim("a", lease=60), strict=True):
        store.commit(run, "a", some_rows(run), {"seconds": seconds})
    store.claim("a", lease=60)
    clock.now += 5
    store.fail(store.claim("b", lease=60)[0], "b", "why")
    status = store.status()
    assert (status.runs, status.done, status.leased, status.pending, len(status.failures)) == (6, 2, 3, 0, 1)
    assert [(lease.worker, lease.runs, lease.seconds) for lease in status.leases] == [("a", 2, 5.0), ("b", 1, 0.0)]
    assert (status.seconds_per_run, status.seconds_left) == (2.0, 3.0)
    clock.now += 56
    assert [lease.worker for lease in store.status().leases] == ["b"]
    assert store.status().pending == 2
    assert store.status().seconds_left == 6.0
    assert "small" in str(status)
    assert "about 3.0 s left with 2 workers; 2.0 s per run (median)" in str(status)
    assert json.loads(json.dumps(status.to_dict()))["leases"][0]["worker"] == "a"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min"), (172800, "2 d 0 h")],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_resuming_keeps_what_is_done(target):
    store = begun(target)
    run = store.claim("w", lease=60)[0]
    store.commit(run, "w", some_rows(run), {})
    spec = SPEC | {"name": "renamed", "data": {"train": "b"}, "description": "new"}
    begun_again = Store.open(target).begin(spec, some_runs(), DIGESTS)
    assert (begun_again.existing, begun_again.done, begun_again.added) == (6, 1, 0)
    assert str(begun_again) == "1 of 6 runs are done"
    assert states(store)[:2] == ["done", "leased"]
    assert store.spec == spec
    assert store.results().study == "renamed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": {"width": [10, 20], "epochs": [0, 1, 2]}}, "axes.epochs: [0, 1] -> [0, 1, 2]; go back"),
        ({"seed": 1, "k": 9}, "seed: 0 -> 1; k: (nothing) -> 9; go back"),
        ({"axes": {}}, "axes.epochs: [0, 1] -> (nothing); axes: (nothing) -> {}; axes.width: [10, 20] ->"),
        (dict.fromkeys("abcdef", 1), "a: (nothing) -> 1; b: (nothing) -> 1; c: (nothing) -> 1; and 3 more; go back"),
        ({"k": list(range(100))}, "k: (nothing) -> [0, 1, 2"),
    ],
)
def test_another_spec_is_refused(tmp_path, change, message):
    store = begun(tmp_path / "study.db")
    with pytest.raises(StudyError) as caught:
        store.begin(SPEC | change, some_runs(), DIGESTS)
    assert f"study.db holds a study with another spec: {message}" in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 300
    assert store.spec == SPEC


def test_other_data_or_other_runs_are_refused(tmp_path):
    store = begun(tmp_path / "study.db")
    with pytest.raises(StudyError, match=r'other data, by digest: train: "d1" -> "d3"; go back'):
        store.begin(SPEC, some_runs(), DIGESTS | {"train": "d3"})
    with pytest.raises(StudyError, match="divided into other runs than"):
        store.begin(SPEC, [replace(run, seed=5) for run in some_runs()], DIGESTS)
    with pytest.raises(StudyError, match="divided into other runs than"):
        store.begin(SPEC, some_runs(9), DIGESTS)


def test_more_levels_and_repeats_are_added_and_the_rest_stays(target):
    store = begun(target)
    finish(store)
    before = {run.id: (run.cell, run.repeat, run.seed, run.pack, run.worker) for run in store.runs()}
    grown = SPEC | {"axes": {"width": [10, 20, 30], "epochs": [0, 1]}, "repeats": 3}
    runs = [replace(run, pack=run.pack + 7) for run in some_runs(9)]
    found = Store.open(target).begin(grown, runs, DIGESTS)
    assert str(found) == "6 of 9 runs are there; 3 are new"
    after = {run.id: (run.cell, run.repeat, run.seed, run.pack, run.worker) for run in store.runs()}
    assert before.items() <= after.items()
    assert [(after[i][:3], after[i][3]) for i in (6, 7, 8)] == [
        ((run.cell.key, run.repeat, run.seed), run.pack) for run in runs[6:]
    ]
    finish(store, "later")
    assert [run.worker for run in store.runs()] == ["w"] * 6 + ["later"] * 3
    assert store.results().levels("width") == [10, 20, 30]
    assert store.spec == grown


def test_what_would_drop_runs_is_refused(target):
    store = begun(target, some_runs(9))
    with pytest.raises(
        StudyError, match=r"holds 3 runs that are not in this spec: axes.width: \[10, 20\] -> \[10\]; go"
    ):
        store.begin(SPEC | {"axes": {"width": [10], "epochs": [0, 1]}}, some_runs(6), DIGESTS)
    assert len(store.runs()) == 9


def test_two_that_begin_at_once(target):
    first, second = Store.open(target), Store.open(target)
    assert first.begin(SPEC, some_runs(), DIGESTS).is_new
    assert not second.begin(SPEC, some_runs(), DIGESTS).is_new
    with pytest.raises(StudyError, match="another spec"):
        second.begin(SPEC | {"seed": 5}, some_runs(), DIGESTS)


def test_a_later_schema_is_refused(target):
    store = begun(target)
    with store._database.writing() as connection:
        connection.execute(text("UPDATE hashlens_study SET schema_version = 99"))
    with pytest.raises(StudyError, match="has schema 99, this hashlens reads up to 2: upgrade"):
        Store.open(target)


WORKER = f"""
import os
from dataclasses import asdict, dataclass
from hashlens.study.row import Row
from hashlens.study.store.schema import CURRENT
from hashlens.study.store import Store
from sqlalchemy import update

{"".join(map(inspect.getsource, (Cell, Run, some_runs, some_rows)))}

parent.send("ready")
parent.recv()
store = Store.open(target)
store.begin({SPEC}, some_runs(n, 3), {DIGESTS})
while claimed := store.claim(name, lease=60):
    for run in claimed:
        parent.send(run.id)
        if die:
            with store._database.writing() as connection:
                connection.execute(update(CURRENT.run).where(CURRENT.run.c.id == run.id).values(state="done"))
                os._exit(9)
        assert store.commit(run, name, some_rows(run), dict(by=name))
"""


def worker(target, name, n, die=False):
    """Return a process that is ready to begin, and a connection to it."""
    connection, its_own = Pipe()
    process = start(WORKER, target=str(target), name=name, n=n, die=die, parent=its_own)
    its_own.close()
    assert connection.recv() == "ready"
    return process, connection


def sent(connection):
    """Yield all that a process sends before it ends."""
    with suppress(EOFError):
        while True:
            yield connection.recv()


@pytest.mark.slow
def test_processes_begin_together_and_share_the_runs(target):
    workers = [worker(target, f"w{i}", 120) for i in range(2)]
    for _, connection in workers:
        connection.send("go")
    done = [list(sent(connection)) for _, connection in workers]
    assert [end(process) for process, _ in workers] == [0, 0]
    store = Store.open(target, create=False)
    assert sorted(chain.from_iterable(done)) == list(range(120))
    assert set(states(store)) == {"done"}
    for i, ids in enumerate(done):
        assert {run.worker for run in store.runs() if run.id in ids} <= {f"w{i}"}


@pytest.mark.slow
@pytest.mark.faults
def test_killed_processes_lose_nothing(target, tmp_path):
    clock = Clock()
    clock.now = time.time()
    runs = some_runs(90, pack=3)
    store = begun(target, runs, clock=clock)
    per_run = len(some_rows(store.claim("w", lease=60)[0]))
    store.release("w")

    (dying, to_dying), (killed, to_killed) = worker(target, "dying", 90, die=True), worker(target, "killed", 90)
    to_dying.send("go")
    assert end(dying) == 9
    to_killed.send("go")
    for _ in range(7):
        to_killed.recv()
    killed.kill()
    assert end(killed) < 0

    columns = store.results().columns
    rows = Counter(zip(columns["cell"], columns["repeat"], strict=True))
    assert set(rows.values()) == {per_run}
    assert {(run.cell, run.repeat) for run in store.runs() if run.state == "done"} == rows.keys()
    assert 0 < len(rows) < 90

    clock.now = time.time() + 120  # the leases of the dead have ended, however long they took to die
    finish(store)
    undisturbed = begun(tmp_path / "undisturbed.db", runs)
    finish(undisturbed)
    assert same(store.results(), undisturbed.results())
    assert set(states(store)) == {"done"}
