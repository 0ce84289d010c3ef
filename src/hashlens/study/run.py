"""The work of one worker: claim a pack, train it, measure each run, commit each run, until nothing is left."""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from hashlens.codes.reader import Reading
from hashlens.data.examples import ArrayExamples
from hashlens.data.noise import random_inputs
from hashlens.errors import DataError, HashlensError
from hashlens.nets.digest import parameters_digest
from hashlens.progress import bar
from hashlens.result import Split
from hashlens.seeds import numpy_generator
from hashlens.study.cells import Run
from hashlens.study.evaluate import Evaluation, evaluate
from hashlens.study.heartbeat import beating, release_the_dead, worker_name
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store
from hashlens.study.store.schema import Claimed, Row
from hashlens.study.train_pack import TrainedRun, train_pack
from hashlens.training.fitted import Epoch
from hashlens.version import __version__

LEASE_SECONDS = 120.0
LONGEST_LEASE = 1_000_000
MOST_CLASSES = 1_000_000
WAIT_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Work:
    """All that the runs of a study depend on, once its data is loaded.

    Attributes
    ----------
    spec : StudySpec
        The study.
    data : Split of ArrayExamples
        Whole in memory.
    runs : tuple of Run
        All of them.
    device : str or torch.device, optional
        Where networks are trained and read; the CPU by default.
    """

    spec: StudySpec
    data: Split[ArrayExamples]
    runs: tuple[Run, ...]
    device: str | torch.device | None = None
    noise: dict[str, ArrayExamples] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.spec.random_inputs:
            generator = numpy_generator(self.spec.seed, "random inputs", kind)
            self.noise[kind] = random_inputs(self.data.test, len(self.data.test), generator, kind)  # type: ignore[arg-type]

    @property
    def classes(self) -> int:
        """Outputs of the networks."""
        names = self.data.train.class_names
        if names is not None:
            return len(names)
        if self.data.train.labels is None:
            raise DataError(f"{self.data.train.name} has no labels: training needs them")
        highest = int(self.data.train.labels.max())
        if highest >= MOST_CLASSES:
            raise DataError(
                f"{self.data.train.name}: the highest label is {highest}, and a network has an output for each number "
                f"up to it, at most {MOST_CLASSES:,}: number the classes 0, 1, ..."
            )
        return highest + 1

    @cached_property
    def radius(self) -> float | None:
        """Radius of the balls of ``local_complexity``, the same for all networks; None where it is not measured."""
        if "local_complexity" not in self.spec.measures:
            return None
        from hashlens.study.geometry import ball_radius

        return ball_radius(self.data.train)

    def evaluation(self, samples: int) -> Evaluation:
        """Return what is measured on networks of so many distinct training examples."""
        data = Split(self.data.train.narrow(0, samples), self.data.test)
        reading = Reading(device=self.device, seed=self.spec.seed)
        spec = self.spec
        return Evaluation(data, self.noise, spec.measures, spec.k, spec.logistic, reading, self.radius)  # type: ignore[arg-type]


def work(
    store: Store, todo: Work, *, wait: bool = True, lease: float = LEASE_SECONDS, pause: float = WAIT_SECONDS
) -> int:
    """Do the runs of a study that nobody else does, until none is left.

    Parameters
    ----------
    store : Store
        Begun with this study.
    todo : Work
        Spec, data and runs.
    wait : bool
        Whether to stay until the runs of other workers are done too, and take up those of workers that die.
    lease : float
        Seconds after which the runs of a silent worker are taken up by others.
    pause : float
        Seconds between looks at the store while waiting.

    Returns
    -------
    int
        Runs that this worker committed.
    """
    worker, done = worker_name(), 0
    by_key = {(run.cell.key, run.repeat): run for run in todo.runs}
    release_the_dead(store)
    status = store.status()
    epochs_each = todo.spec.last_epoch + 1
    left = status.runs - status.done - len(status.failures)
    with beating(store, worker, lease), bar(f"{status.study}: {left} networks", left * epochs_each) as advance:
        while True:
            claimed = store.claim(worker, lease=lease)
            if claimed:
                done += _do_pack(store, worker, todo, claimed, by_key, advance)
                continue
            status = store.status()
            # What is pending was given back, or its lease ran out, since nothing was there to be claimed.
            if not wait or not (status.leases or status.pending):
                return done
            time.sleep(pause)
            release_the_dead(store)


def _do_pack(
    store: Store,
    worker: str,
    todo: Work,
    claimed: Sequence[Claimed],
    by_key: dict[tuple[str, int], Run],
    advance: Callable[[str], None],
) -> int:
    """Train a pack and commit each of its claimed runs."""
    own = {by_key[one.cell, one.repeat]: one for one in claimed}
    pack = [run for run in todo.runs if run in own or _must_train_again(run, claimed[0].pack, todo)]
    started, spec = time.perf_counter(), todo.spec

    def over(position: int, epoch: Epoch) -> None:
        if pack[position] in own:
            advance(f"{pack[position].cell.key} repeat {pack[position].repeat}")

    trained = train_pack(
        pack, todo.data.train, todo.classes, spec.recipe(), spec.checkpoints, device=todo.device, on_epoch=over
    )
    seconds = (time.perf_counter() - started) / len(pack)
    committed = 0
    for one in trained:
        if one.run not in own:
            continue
        begun = time.perf_counter()
        rows = _rows_or_reason(one, todo)
        if isinstance(rows, str):
            store.fail(own[one.run], worker, rows)
        else:
            facts = _facts(one, todo, seconds + time.perf_counter() - begun)
            committed += store.commit(own[one.run], worker, rows, facts)
        # Early stopping leaves epochs that no one advances.
        for _ in range(spec.last_epoch + 1 - one.fitted.epochs):
            advance(one.run.cell.key)
    return committed


def _must_train_again(run: Run, pack: int, todo: Work) -> bool:
    """Return whether a finished run is trained once more with its pack: stacked products are of the pack's size."""
    on_cpu = todo.device is None or torch.device(todo.device).type == "cpu"
    return not on_cpu and run.pack == pack


def _rows_or_reason(trained: TrainedRun, todo: Work) -> list[Row] | str:
    """Return what a run found, or why it found nothing: one network must not end a study of thousands."""
    if trained.failure is not None:
        return trained.failure
    try:
        return _measured(trained, todo)
    except HashlensError as error:
        return str(error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        return f"measuring ran out of memory: {str(error).split(chr(10))[0]}"


def _measured(trained: TrainedRun, todo: Work) -> list[Row]:
    """Return the rows of all checkpoints; those past an early stop say again what the last network says."""
    what, found = todo.evaluation(trained.run.cell.samples), dict[int, tuple[Row, ...]]()
    for epoch in todo.spec.checkpoints:
        reached = trained.reached(epoch)
        if reached not in found:
            with trained.at(epoch) as network:
                found[reached] = evaluate(network, reached, what, trained.loss(epoch))
    return [replace(row, epochs=epoch) for epoch in todo.spec.checkpoints for row in found[trained.reached(epoch)]]


def _facts(trained: TrainedRun, todo: Work, seconds: float) -> dict[str, object]:
    return {
        "seconds": round(seconds, 3),
        "epochs_trained": trained.fitted.epochs,
        "stopped_early": trained.fitted.stopped_early,
        "last_loss": trained.loss(trained.fitted.epochs),
        "parameters": parameters_digest(trained.network),
        "dtype": str(next(trained.network.parameters()).dtype).removeprefix("torch."),
        "device": "cpu" if todo.device is None else str(todo.device),
        "threads": torch.get_num_threads(),
        **({} if todo.radius is None else {"local_complexity_radius": todo.radius}),
        "machine": f"{platform.machine()}, {platform.system()}",
        "versions": {"hashlens": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
