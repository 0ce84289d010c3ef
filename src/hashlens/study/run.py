"""The work of one worker: claim a pack, compute it, commit each of its runs, until no pack is left."""

import json
import logging
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from hashlens.arguments import is_number, is_whole
from hashlens.errors import StudyError, nearest
from hashlens.plain import to_plain
from hashlens.progress import bar
from hashlens.study.cells import Run, cross_repeats, runs_of_packs
from hashlens.study.charts.grid import level_name
from hashlens.study.experiment import Experiment, Outcome, Resources
from hashlens.study.failure import reason
from hashlens.study.heartbeat import heartbeat, release_dead_workers, worker_name
from hashlens.study.row import Row
from hashlens.study.store import Store
from hashlens.study.store.kept_files import keep
from hashlens.study.store.schema import ClaimedRun
from hashlens.study.variables import Variables
from hashlens.version import __version__

log = logging.getLogger("hashlens")
LEASE_SECONDS = 120.0
LONGEST_LEASE = 1_000_000
WAIT_SECONDS = 2.0
ROUNDING = 1e-6
"""Tolerance: a value may be outside the range of its measure by this much."""


@dataclass(frozen=True, eq=False)
class Work:
    """The runs that workers share, and everything that they need to execute them.

    Attributes
    ----------
    experiment : Experiment
        The experiment that is repeated.
    resources : Resources
        Data and settings that all runs share.
    runs : tuple of Run
        All runs of the study, with the pack numbers of the store.
    """

    experiment: Experiment
    resources: Resources
    runs: tuple[Run, ...]


class RunReporter:
    """The :class:`Reporter` of a worker: runs report their progress and save files through it."""

    def __init__(self, store: Store, claimed: Mapping[Run, ClaimedRun], advance: Callable[[Run, int], None]) -> None:
        self._store = store
        self._claimed = claimed
        self._advance = advance
        self.kept_files: dict[Run, dict[str, str]] = {}

    def advance(self, run: Run, steps: int = 1) -> None:
        """Move the progress bar."""
        if run in self._claimed:
            self._advance(run, steps)

    def read(self, file: str) -> bytes:
        """Return the bytes of a kept file."""
        if self._store.kept_folder is None or not (self._store.kept_folder / file).is_file():
            raise StudyError(f"{file} is missing from the folder that {self._store.name} keeps: put it back")
        return (self._store.kept_folder / file).read_bytes()

    def keep(self, run: Run, name: str, content: bytes) -> str:
        """Write bytes to a file beside the store; return the name of the file, which contains a digest."""
        if self._store.kept_folder is None:
            raise StudyError(
                f"{name!r} cannot be kept: {self._store.name} is not a file, so it has no folder beside it"
            )
        file = keep(self._store.kept_folder, name, content)
        self.kept_files.setdefault(run, {})[name] = file
        return file


def work(
    store: Store, todo: Work, *, wait: bool = True, lease: float = LEASE_SECONDS, pause: float = WAIT_SECONDS
) -> int:
    """Compute the runs of a study that no other worker has claimed, until none is left.

    Parameters
    ----------
    store : Store
        Store of this study, after :meth:`Store.begin`.
    todo : Work
        The experiment and its runs.
    wait : bool
        Whether to wait until the runs of other workers are done too, and to take over runs of workers that died.
    lease : float
        Seconds after which other workers take over the runs of a worker that stopped responding.
    pause : float
        Seconds between queries of the store while waiting.

    Returns
    -------
    int
        Number of runs that this worker committed.
    """
    worker, done = worker_name(), 0
    by_key = {(run.cell.key, run.repeat): run for run in todo.runs}
    release_dead_workers(store)
    status = store.status()
    spec = todo.resources.spec
    steps = todo.experiment.steps(spec)
    remaining, label_of = status.runs - status.done - len(status.failures), run_labels(todo.runs)
    with heartbeat(store, worker, lease), bar(status.study or spec.runs_noun, remaining, steps) as advance:

        def on_progress(run: Run, steps_done: int) -> None:
            for _ in range(steps_done):
                advance(label_of(run))

        while True:
            claimed = store.claim(worker, lease=lease)
            if claimed:
                done += _do_pack(store, worker, todo, _claimed_runs(store, claimed, by_key), on_progress)
                continue
            status = store.status()
            # If runs are pending, they were released, or their lease expired, after the failed claim.
            if not wait or not (status.leases or status.pending):
                return done
            time.sleep(pause)
            release_dead_workers(store)


def run_labels(runs: Sequence[Run]) -> Callable[[Run], str]:
    """Return a function that labels a run by the factors that vary over `runs`, and its repeat."""
    levels: dict[str, set[Any]] = {}
    for cell in {run.cell.key: run.cell for run in runs}.values():
        for factor, level in cell.factors.items():
            levels.setdefault(factor, set()).add(level)
    varying = [factor for factor, values in levels.items() if len(values) > 1]
    repeats = len({run.repeat for run in runs}) > 1

    def label_of(run: Run) -> str:
        parts = [f"{factor.replace('_', ' ')} {level_name(run.cell.factors[factor])}" for factor in varying]
        return ", ".join([*parts, *([f"repeat {run.repeat}"] if repeats else [])])

    return label_of


def _claimed_runs(
    store: Store, claimed: Sequence[ClaimedRun], by_key: Mapping[tuple[str, int], Run]
) -> dict[Run, ClaimedRun]:
    """Return the claimed runs of the study, each with its claim."""
    if any((claim.cell, claim.repeat) not in by_key for claim in claimed):
        raise StudyError(
            f"{store.name}: the study has grown since this worker began: start it again, with the larger study"
        )
    return {by_key[claim.cell, claim.repeat]: claim for claim in claimed}


def _do_pack(
    store: Store, worker: str, todo: Work, claimed: dict[Run, ClaimedRun], advance: Callable[[Run, int], None]
) -> int:
    """Compute a pack and commit each of its claimed runs."""
    number = next(iter(claimed)).pack
    remeasured = {run: claim.metadata for run, claim in claimed.items() if claim.metadata}
    whole_pack = todo.experiment.depends_on_pack(todo.resources)
    pack = [
        run for run in todo.runs if run not in remeasured and (run in claimed or (whole_pack and run.pack == number))
    ]
    if remeasured.keys() == claimed.keys():
        pack = []
    reporter = RunReporter(store, claimed, advance)
    committed, start = 0, time.perf_counter()
    for outcome in chain(_remeasured_outcomes(todo, remeasured, reporter), _outcomes(todo, pack, reporter)):
        seconds, start = time.perf_counter() - start, time.perf_counter()
        run = outcome.run
        if run not in claimed:
            continue
        failure = outcome.failure or outcome_problem(outcome, todo.experiment.variables)
        if failure is None:
            committed += store.commit(
                claimed[run], worker, outcome.rows, _metadata(outcome, reporter.kept_files.get(run), seconds)
            )
        else:
            store.fail(claimed[run], worker, failure)
    return committed


def _remeasured_outcomes(
    todo: Work, remeasured: Mapping[Run, Mapping[str, Any]], reporter: RunReporter
) -> Iterator[Outcome]:
    """Yield the outcomes of runs that were done before the study grew and now have new measures."""
    for run, metadata in remeasured.items():
        try:
            yield todo.experiment.remeasure(run, metadata, todo.resources, reporter.read)
        except Exception as error:
            yield Outcome(run, failure=reason(error))
        reporter.advance(run, todo.experiment.steps(todo.resources.spec))


def _outcomes(todo: Work, pack: Sequence[Run], reporter: RunReporter) -> Iterator[Outcome]:
    """Yield the outcome of each run of a pack; a failure of one run must not end the study."""
    if not pack:
        return
    remaining, failure = list(pack), "the experiment gave nothing for this run"
    try:
        for outcome in todo.experiment.run(tuple(pack), todo.resources, reporter):
            if outcome.run not in remaining:
                raise StudyError(f"the experiment gave {_name(outcome.run)} twice, or it was not requested")
            remaining.remove(outcome.run)
            yield outcome
    except Exception as error:
        failure = reason(error)
        log.info("%s of a pack of %d failed", len(remaining), len(pack), exc_info=True)
    if len(pack) == 1:
        yield from (Outcome(run, failure=failure) for run in remaining)
        return
    # The runs are repeated one by one, so that a failing run does not affect the others.
    for run in remaining:
        yield from _outcomes(todo, [run], reporter)


def _name(run: Run) -> str:
    return f"{run.cell.key} repeat {run.repeat}"


def outcome_problem(outcome: Outcome, variables: Variables) -> str | None:
    """Return a one-line description of what is wrong with the rows of a run; None if they are valid."""
    keys = set()
    try:
        json.dumps(to_plain(dict(outcome.metadata)), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"the experiment gave metadata that JSON does not take: {str(error).splitlines()[0]}"
    for row in outcome.rows:
        if not isinstance(row, Row) or not all(isinstance(text, str) for text in (row.split, row.layer)):
            return f"the experiment gave {row!r:.80}, expected a Row whose split and layer are text"
        info = variables.measures.get(row.measure)
        if info is None:
            return (
                f"the experiment gave the unknown measure {row.measure!r}; {nearest(row.measure, variables.measures)}"
            )
        key = (row.step, row.measure, row.split, row.layer)
        if key in keys:
            return f"the experiment gave two rows for step, measure, split, layer = {key}"
        keys.add(key)
        if not is_whole(row.step) or (variables.step is None and row.step):
            name = "steps" if variables.step is None else variables.step.name
            expected = "has none" if variables.step is None else "are whole numbers"
            return f"{row.measure} is at step {row.step!r}, and {name} {expected}"
        if not is_number(row.value):
            return f"{row.measure} is a {type(row.value).__name__}, expected a number"
        if math.isnan(row.value):
            if not info.may_be_nan:
                return f"{row.measure} is not a number"
            continue
        low, high = (-math.inf if info.low is None else info.low), (math.inf if info.high is None else info.high)
        if not low - ROUNDING <= row.value <= high + ROUNDING:
            return f"{row.measure} is {row.value:g}, and its range is {low:g} to {high:g}"
    return None


def _metadata(outcome: Outcome, files: dict[str, str] | None, seconds: float) -> dict[str, object]:
    return {
        "seconds": round(seconds, 3),
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {"hashlens": __version__, "torch": torch.__version__, "numpy": np.__version__},
        **({"kept": files} if files else {}),
        **outcome.metadata,
    }


def study_runs(experiment: Experiment, resources: Resources, store: Store) -> tuple[Run, ...]:
    """Return all runs of a study: runs in the store keep their packs, and new runs get packs of their own.

    Parameters
    ----------
    experiment : Experiment
        The experiment that is repeated.
    resources : Resources
        Data and settings that all runs share.
    store : Store
        The store of the study; it may still be empty.
    """
    cells, seed = experiment.cells(resources), resources.spec.seed
    if twice := [key for key, times in Counter(cell.key for cell in cells).items() if times > 1]:
        raise StudyError(f"experiment {experiment.variables.experiment!r} gives two cells of the key {twice[0]!r}")
    pairs = {(cell.key, repeat): (cell, repeat) for cell, repeat in cross_repeats(cells, resources.spec.repeats)}
    existing_packs = {(run.cell, run.repeat): run.pack for run in store.runs()} if store.is_begun else {}
    existing = runs_of_packs([[pairs[pair_key] for pair_key in existing_packs if pair_key in pairs]], seed)
    added = experiment.packs([pair for pair_key, pair in pairs.items() if pair_key not in existing_packs], resources)
    return (
        *(replace(run, pack=existing_packs[run.cell.key, run.repeat]) for run in existing),
        *runs_of_packs(added, seed, max(existing_packs.values(), default=-1) + 1),
    )
