"""Kill a small study again and again, resume it each time, and compare its table with that of an undisturbed run.

First some workers share a whole study, to show that none of its networks is trained twice.

Every attempt is a forked process that SIGKILL ends: from outside after a random time, or from within at a random
statement to the database, which may be the one that ends a commit. Prints one line of JSON::

    python tests/study/kill_study.py FOLDER --kills 20 --workers 3
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, event

from hashlens.data import load_data
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store
from hashlens.study.study import Study

RUNS = 24
SPEC = StudySpec(
    name="killed",
    axes={"width": [3, 5, 8, 12], "epochs": [0, 1, 2, 5], "label_noise": [0, 0.2], "random_inputs": ["uniform"]},
    training={"epochs": 5, "batch_size": 32},
    repeats=3,
    ensemble=2,
    measures=["redundancy_ratio", "knn", "network_accuracy", "loss"],
)
PARTS = {"train": "digits[:400]", "test": "digits[400:600]"}
LAST_STATEMENT = 60


def study(path, data):
    return Study(SPEC, path, **data)


def killed(path, data, seconds, statement):
    """Run the study in a process of its own, killed after some seconds or before a statement; False if it ended."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if statement is not None:
                die_before(statement)
            study(path, data).run()
            status = 0
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # it is a zombie at the least, hence its own
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the study ended with {code}"
    return code != 0


def die_before(statement):
    """End this process by SIGKILL before its so many-th statement or commit."""
    left = [statement]

    def count(*_):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)


def shared(path, data, workers):
    """Run the study in so many processes at once; return how many networks each of them brought to its end."""
    children = [os.fork() or work_and_count(path, data) for _ in range(workers)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def work_and_count(path, data):
    brought = []
    event.listen(Engine, "before_cursor_execute", lambda *said: brought.append(said) if is_end(said) else None)
    try:
        study(path, data).run(wait=False)
    except BaseException:
        os._exit(255)
    os._exit(len(brought))


def is_end(said):
    statement, parameters = said[2], said[3]
    return statement.startswith("UPDATE hashlens_run") and "facts" in statement and "done" in tuple(parameters)


def done_so_far(path, expected):
    """Return the runs that are done, after making sure that the store holds their rows, whole, and no others."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not connection.execute("SELECT * FROM sqlite_master").fetchall():
            return set()
    store = Store.open(path, create=False)
    done = {(run.cell, run.repeat) for run in store.runs() if run.state == "done"}
    found, wanted = (table(results, done) for results in (store.results(), expected))
    assert found == wanted, "rows are lost, doubled, half-written or changed"
    assert len(store.results()) == len(found), "there are rows of runs that are not done"
    return done


def table(results, runs):
    """Return the rows of some runs, numbers by their bits."""
    columns = [results.columns[name].tolist() for name in VARIABLES.columns[:-1]]
    values = results.columns["value"].view(np.int64).tolist()
    repeat = VARIABLES.columns.index("repeat")
    return [row for row in zip(*columns, values, strict=True) if (row[0], row[repeat]) in runs]


def main():
    """Kill as often as asked for, over as many studies as that takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    data = {name: load_data(part).load() for name, part in PARTS.items()}
    study(asked.folder / "first.db", data).run()  # compiles what the others then need not
    started = time.monotonic()
    expected = study(asked.folder / "whole.db", data).run().results
    seconds = time.monotonic() - started
    each = shared(asked.folder / "shared.db", data, asked.workers)
    assert sum(each) == RUNS, f"{asked.workers} workers trained {each} of {RUNS} networks"
    assert len(done_so_far(asked.folder / "shared.db", expected)) == RUNS
    kills, done_at_kill, studies = Counter(), [], 0
    while kills.total() < asked.kills:
        studies += 1
        path, done = asked.folder / f"killed-{studies}.db", set()
        while kills.total() < asked.kills:
            outside = chance.random() < 0.5
            after = chance.uniform(0, seconds / 4) if outside else None
            statement = None if outside else chance.randint(1, LAST_STATEMENT)
            if not killed(path, data, after, statement):
                break
            kills["from outside" if outside else "before a statement"] += 1
            now = done_so_far(path, expected)
            assert done <= now, "what was done is not any more"
            done = now
            done_at_kill.append(len(done))
        study(path, data).run()
        assert len(done_so_far(path, expected)) == RUNS, "the resumed study is not finished"
    print(json.dumps({"kills": dict(kills), "studies": studies, "rows": len(expected), "done at kill": done_at_kill,
                      "networks by worker": each, "undisturbed seconds": round(seconds, 2)}))  # fmt: skip


if __name__ == "__main__":
    main()
