"""The contract of an experiment: its studies give the same rows however their runs are executed.

A study is killed and continued, run by several workers, extended, and run in other packs. A pack is a group of runs
that an experiment executes together.
"""

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.study.experiment import Outcome
from hashlens.study.results import Results
from hashlens.study.run import outcome_problem, study_runs
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store
from hashlens.study.study import Study
from hashlens.testing.result_contract import check_json

Numbers = dict[tuple[Any, ...], float]


def check_experiment(fields: Mapping[str, Any], folder: str | Path, tolerance: float = 0.0) -> Results:
    """Assert that studies of an experiment fulfil the contract.

    Workers are processes that are forked from a process with hashlens imported (``multiprocessing``'s ``forkserver``).
    A script that calls this function needs ``if __name__ == "__main__":``.

    Parameters
    ----------
    fields : mapping
        Fields of a small spec, with ``experiment`` and data: at least two cells and two repeats.
    folder : str or Path
        An empty folder for output.
    tolerance : float
        Largest median absolute difference of values if runs are packed differently or the study grows; 0 by default.

    Returns
    -------
    Results
        Results of the study.

    Raises
    ------
    AssertionError
        If the study gives different rows when it is killed and continued, run by two workers, packed differently, or
        extended from one repeat, or if the spec, rows or metadata cannot be written as JSON.
    """
    folder, spec = Path(folder), StudySpec(**fields)
    assert spec.repeats > 1, "the contract needs two repeats or more: one of its studies grows from one repeat"
    study = Study(spec, folder / "whole.db").run()
    status = study.status()
    assert status.finished, f"not every run is done: {status.failures[:1]}"
    assert status.runs >= 4, "the contract needs four runs or more: two cells with two repeats"
    whole = study.results
    check_spec(spec)
    check_json(whole, folder / "results.json")
    check_packing(study, tolerance)
    check_killed(fields, folder / "killed.db", whole)
    check_shared(fields, folder / "shared.db", whole)
    check_growth(fields, folder / "grown.db", whole, tolerance)
    return whole


def check_spec(spec: StudySpec) -> None:
    """Assert that a spec can be written to JSON and YAML and read back."""
    plain = spec.to_plain()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain, "the spec is not plain JSON"
    assert StudySpec.from_plain(plain) == spec, "the spec read from JSON differs from the original"
    assert StudySpec.from_yaml(spec.to_yaml()) == spec, "the spec read from YAML differs from the original"


def check_packing(study: Study, tolerance: float = 0.0) -> None:
    """Assert that each run gives the same rows alone and in a pack with all others."""
    experiment, resources = study.experiment, study.experiment.open(study.spec, **study.inputs)
    runs = study_runs(experiment, resources, study.store)
    expected = _numbers(study.results)
    for packs, arrangement in (([(run,) for run in runs], "alone"), ([runs], "in one pack")):
        outcomes = [outcome for pack in packs for outcome in experiment.run(pack, resources, _NoReporter())]
        assert len(outcomes) == len(runs), f"{len(runs)} runs, {arrangement}, gave {len(outcomes)} outcomes"
        for outcome in outcomes:
            assert not outcome.failure, f"{outcome.run.cell.key} failed {arrangement}: {outcome.failure}"
            fault = outcome_problem(outcome, experiment.variables)
            assert fault is None, fault
        _assert_same(_outcome_numbers(outcomes, study.results), expected, tolerance, f"runs done {arrangement}")


def check_killed(fields: Mapping[str, Any], store: Path, expected: Results) -> None:
    """Assert that a study continues correctly after its worker is killed right after a commit."""
    status = _end(_start(work_and_be_killed, fields, store))
    assert status == -signal.SIGKILL, f"the worker ended with {status}, but should have been killed"
    done = [run for run in Store.open(store, create=False).runs() if run.state == "done"]
    assert len(done) == 1, f"{len(done)} runs are done after one commit"
    study = Study(StudySpec(**fields), store).run()
    assert done[0] in study.store.runs(), "a finished run was repeated"
    _assert_same(_numbers(study.results), _numbers(expected), 0.0, "a study that was killed")


def check_shared(fields: Mapping[str, Any], store: Path, expected: Results) -> None:
    """Assert that two concurrent workers give the same rows as one."""
    workers = [_start(work_until_done, fields, store) for _ in range(2)]
    statuses = [_end(worker) for worker in workers]
    assert statuses == [0, 0], f"the workers ended with {statuses}"
    study = Study(StudySpec(**fields), store)
    assert study.status().finished, "two workers left unfinished runs"
    _assert_same(_numbers(study.results), _numbers(expected), 0.0, "a study of two workers")


def check_growth(fields: Mapping[str, Any], store: Path, expected: Results, tolerance: float = 0.0) -> None:
    """Assert that a study extended from one repeat keeps its runs, and equals a study of the final size."""
    small = Study(StudySpec(**{**fields, "repeats": 1}), store).run().store.runs()
    grown = Study(StudySpec(**fields), store).run()
    after = grown.store.runs()
    assert {run.id for run in small} <= {run.id for run in after}, "runs are missing after the study grew"
    assert list(after[: len(small)]) == list(small), "finished runs changed when the study grew"
    places = {(run.cell, run.repeat) for run in after}
    assert len(places) == len(after), "a run is stored twice"
    _assert_same(_numbers(grown.results), _numbers(expected), tolerance, "a study that grew")


class _NoReporter:
    """A reporter that shows no progress and stores no files."""

    def advance(self, run: Any, steps: int = 1) -> None:
        pass

    def keep(self, run: Any, name: str, content: bytes) -> str:
        return name


def _numbers(results: Results) -> Numbers:
    """Return every value, keyed by the other columns of its row."""
    names = [name for name in results.variables.columns if name != "value"]
    keys = zip(*(results.columns[name].tolist() for name in names), strict=True)
    return dict(zip(keys, results.columns["value"].tolist(), strict=True))


def _outcome_numbers(outcomes: Sequence[Outcome], results: Results) -> Numbers:
    """Return every value with the keys of `_numbers`: cell, factors, repeat, step, measure, split, layer."""
    steps = () if results.step is None else ("step",)
    return {
        (
            outcome.run.cell.key,
            *(outcome.run.cell.factors[factor] for factor in results.factors),
            outcome.run.repeat,
            *(getattr(row, name) for name in (*steps, "measure", "split", "layer")),
        ): float(row.value)
        for outcome in outcomes
        for row in outcome.rows
    }


def _assert_same(result: Numbers, expected: Numbers, tolerance: float, what: str) -> None:
    missing = [key for key in expected if key not in result] or [key for key in result if key not in expected]
    assert not missing, f"{what}: {len(missing)} rows differ: they are in only one of the two, such as {missing[0]}"
    one, other = (np.array([numbers[key] for key in expected]) for numbers in (result, expected))
    if not tolerance:
        assert np.array_equal(one, other, equal_nan=True), f"{what}: values differ from those of the whole study"
        return
    assert np.array_equal(np.isfinite(one), np.isfinite(other)), f"{what}: NaN or infinite values are in different rows"
    known = np.isfinite(other)
    apart = float(np.median(np.abs(one[known] - other[known]))) if known.any() else 0.0
    assert apart <= tolerance, f"{what}: the median difference of values is {apart:g}, allowed is {tolerance:g}"


def _start(work: Callable[[str, str], None], fields: Mapping[str, Any], store: Path) -> BaseProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    worker = context.Process(target=work, args=(json.dumps(dict(fields)), str(store)))
    worker.start()
    return worker


def _end(worker: BaseProcess) -> int | None:
    """Wait for the end of a process, and return its exit status."""
    worker.join()
    status = worker.exitcode
    worker.close()
    return status


def work_until_done(fields: str, store: str) -> None:
    """Run the pending runs of a study, without waiting for those of other workers; `fields` is JSON."""
    Study(StudySpec(**json.loads(fields)), store).run(wait=False)


def work_and_be_killed(fields: str, store: str) -> None:
    """Run a study, and kill this process right after the first commit; `fields` is JSON."""
    commit = Store.commit

    def commit_and_die(*arguments: Any) -> bool:
        commit(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    Store.commit = commit_and_die  # type: ignore[method-assign, assignment]
    work_until_done(fields, store)
