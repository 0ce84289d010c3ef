"""Any order of events, against a plain model."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import update

from hashlens.study.store.schema import CURRENT

from .test_store import Clock, begun, some_rows, some_runs


class Model(RuleBasedStateMachine):
    """Three workers whose clocks agree; a run is (state, worker, until)."""

    WORKERS = st.sampled_from(["a", "b", "c"])

    @initialize(n=st.integers(1, 8), pack=st.integers(1, 3))
    def begin(self, n, pack):
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.given = some_runs(n, pack)
        self.store = begun(Path(self.folder.name) / "study.db", self.given, clock=self.clock)
        self.runs = dict.fromkeys(range(n), ("pending", None, 0.0))
        self.remembered = {name: {} for name in "abc"}  # what each worker believes to hold
        self.committed = {}

    def held_by(self, worker):
        return [i for i, (state, owner, _) in self.runs.items() if state == "leased" and owner == worker]

    @rule(worker=WORKERS, lease=st.sampled_from([5, 20]))
    def claim(self, worker, lease):
        now, expected = self.clock.now, []
        free = {
            i: self.given[i].pack
            for i, (state, _, until) in self.runs.items()
            if state == "pending" or (state == "leased" and until <= now)
        }
        busy = {self.given[i].pack for i, (s, _, until) in self.runs.items() if s == "leased" and until > now}
        if packs := set(free.values()) - busy:
            expected = [i for i, pack in free.items() if pack == min(packs)]
        claimed = self.store.claim(worker, lease=lease)
        assert [run.id for run in claimed] == expected
        for run in claimed:
            self.runs[run.id] = ("leased", worker, now + lease)
            self.remembered[worker][run.id] = run

    @rule(worker=WORKERS, lease=st.sampled_from([5, 20]))
    def extend_leases(self, worker, lease):
        held = self.held_by(worker)
        assert [run.id for run in self.store.extend_leases(worker, lease)] == held
        for i in held:
            self.runs[i] = ("leased", worker, self.clock.now + lease)

    @rule(worker=WORKERS)
    def release(self, worker):
        held = self.held_by(worker)
        assert self.store.release(worker) == len(held)
        for i in held:
            self.runs[i] = ("pending", None, 0.0)

    @rule(seconds=st.sampled_from([1, 6, 25]))
    def pass_time(self, seconds):
        self.clock.now += seconds

    @rule(worker=WORKERS, data=st.data())
    def commit(self, worker, data):
        if not self.remembered[worker]:
            return
        run = self.remembered[worker].pop(data.draw(st.sampled_from(sorted(self.remembered[worker]))))
        assert self.store.commit(run, worker, some_rows(run), {"by": worker}) == (run.id not in self.committed)
        self.committed.setdefault(run.id, worker)
        self.runs[run.id] = ("done", self.committed[run.id], 0.0)

    @rule(worker=WORKERS, data=st.data())
    def fail(self, worker, data):
        if not self.remembered[worker]:
            return
        run = self.remembered[worker].pop(data.draw(st.sampled_from(sorted(self.remembered[worker]))))
        mine = run.id in self.held_by(worker)
        assert self.store.fail(run, worker, "why") == mine
        if mine:
            self.runs[run.id] = ("failed", worker, 0.0)

    @rule(worker=WORKERS, data=st.data())
    def die_in_commit(self, worker, data):
        if not self.remembered[worker]:
            return
        run = self.remembered[worker][data.draw(st.sampled_from(sorted(self.remembered[worker])))]
        with pytest.raises(KeyboardInterrupt), self.store._database.writing() as connection:
            connection.execute(update(CURRENT.run).where(CURRENT.run.c.id == run.id).values(state="done"))
            raise KeyboardInterrupt

    @rule()
    def retry(self):
        failed = [i for i, run in self.runs.items() if run[0] == "failed"]
        assert self.store.retry_failed() == len(failed)
        for i in failed:
            self.runs[i] = ("pending", None, 0.0)

    @invariant()
    def nothing_lost_doubled_or_half_written(self):
        if not hasattr(self, "runs"):
            return
        assert [(run.state, run.worker) for run in self.store.runs()] == [run[:2] for run in self.runs.values()]
        columns = self.store.results().columns
        names = ("cell", "repeat", "epochs", "measure", "split", "layer", "value")
        expected = sorted(
            (run.cell, run.repeat, row.step, row.measure, row.split, row.layer, row.value)
            for run in self.store.runs()
            if run.id in self.committed
            for row in some_rows(run)
        )
        assert list(zip(*(columns[name].tolist() for name in names), strict=True)) == expected

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
