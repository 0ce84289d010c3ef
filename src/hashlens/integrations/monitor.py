"""Monitor: redundancy ratio and K-NN accuracy of a fixed probe during training."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import index
from typing import Any, Unpack, cast

import numpy as np
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.observe import Observation, observe
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.examples import Examples
from hashlens.data.numbering import match_class_numbers
from hashlens.errors import HashlensError, MeasureError
from hashlens.index.library import load_faiss
from hashlens.integrations.history import CodeHistory, CodeReading
from hashlens.integrations.probe import load_probe
from hashlens.measures import knn_accuracy, redundancy_ratio
from hashlens.measures.features import FLOAT_BYTES
from hashlens.measures.prepared import knn_test_accuracy, prepare
from hashlens.nets.class_names import declared_classes
from hashlens.progress import silent
from hashlens.result import Split

Log = Callable[[dict[str, float], int], Any]

_log = logging.getLogger("hashlens")


class CodeMonitor:
    """Monitor that reads the codes of a fixed probe at regular steps of a training.

    The network runs in evaluation mode without gradients. Modes of all modules, gradients, hooks and the global random
    generators are restored afterwards. A reading equals the result of :func:`hashlens.measure` for ``probe``, the same
    weights and the same arguments.

    Parameters
    ----------
    train_probe, test_probe : str, Examples, pair, Dataset or DataLoader
        Labelled examples, in any form that :func:`hashlens.load_data` takes: some that the network is trained on, and
        some that it is not. They are read once, when the monitor is created.
    every : int
        Number of optimiser steps between readings.
    k : int
        Number of neighbours of K-NN.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. ``batch_size`` is 256 by default, since a
        small network takes the same time for each batch. To get exactly the numbers of :func:`hashlens.measure`, use
        the same batch size there.
    probe_size : pair of int, or None
        Largest numbers of train and test examples. From larger data evenly spaced examples are taken: single examples
        of arrays and data sets, or at most 100 runs of consecutive examples of streamed sources. A stream without a
        length gives its first batches. None keeps all examples.
    log : callable or SummaryWriter, optional
        Function called after each reading as ``log(metrics, step)`` with a dict of floats, such as
        ``mlflow.log_metrics`` or ``wandb.log``; or an object with ``add_scalar(name, value, step)``.
    prefix : str
        Prefix of the names of metrics, as in ``hashlens/redundancy_train``.
    time_budget : float or None
        Largest share of the time that readings may take. A reading is skipped, until the next multiple of `every`, if
        the duration of the last one is a larger share of the time since then. None reads at every multiple.
    memory_budget : int
        As in :func:`hashlens.measure`.

    Raises
    ------
    MeasureError
        If an argument is invalid, or the probe has no labels, only one class, or fewer train examples than `k`.
    HashlensError
        If the data cannot be read.

    Examples
    --------
    >>> from hashlens import load_data, nets
    >>> monitor = CodeMonitor("digits#train", "digits#test", every=100)
    >>> network = nets.MLP(64, 10, width=20)
    >>> monitor.step(network) is None  # after each optimiser step: a reading every 100 of them
    True
    >>> monitor(network).step
    1
    """

    def __init__(
        self,
        train_probe: Any,
        test_probe: Any,
        *,
        every: int,
        k: int = 9,
        reading: Reading | None = None,
        probe_size: tuple[int, int] | None = (1000, 500),
        log: Any = None,
        prefix: str = "hashlens",
        time_budget: float | None = 0.02,
        memory_budget: int = 2 << 30,
        **options: Unpack[ReadingOptions],
    ) -> None:
        if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
            raise MeasureError(f"every is a number of steps, at least 1 and an integer, received {every!r}")
        if time_budget is not None and not (isinstance(time_budget, int | float) and 0 < time_budget <= 1):
            raise MeasureError(
                f"time_budget is a share of the time, above 0 and at most 1, or None; received {time_budget!r}"
            )
        self.every, self.k, self.time_budget, self.prefix = int(every), k, time_budget, prefix
        self.memory_budget = memory_budget
        self._write = _log_function(log)
        self._reading = Reading.from_options(type(self), reading, options, batch_size=256)
        self._probe = load_probe(train_probe, test_probe, probe_size, self._reading.batch_size, k)
        load_faiss()  # imported now, so that its time is not part of the first reading
        self._readings: list[CodeReading] = []
        self._step: int | None = None
        self._started: float | None = None
        self._now = self._ended = self._spent = 0.0
        self._postponed = False

    def __repr__(self) -> str:
        sizes = f"{len(self.probe.train):,} train and {len(self.probe.test):,} test examples"
        return f"CodeMonitor({sizes}, every {self.every:,} steps, {len(self._readings):,} readings)"

    @property
    def probe(self) -> Split[Examples]:
        """Examples of the probe."""
        return self._probe.parts

    @property
    def history(self) -> CodeHistory:
        """All readings so far."""
        return CodeHistory(tuple(self._readings))

    @property
    def cost(self) -> float:
        """Share of the time between the first and the last step that was spent on readings and logging."""
        elapsed = self._now - (self._started or 0.0)
        return self._spent / elapsed if elapsed > 0 else 0.0

    def step(self, model: torch.nn.Module, step: int | None = None) -> CodeReading | None:
        """Count an optimiser step, and read the network if a reading is due.

        Parameters
        ----------
        model : torch.nn.Module
            The network that is trained.
        step : int, optional
            Number of the step, from 1. By default the last number plus 1; numbers may be skipped or repeated.

        Returns
        -------
        CodeReading or None
            The reading; None if none is due. After the first reading, also None if the network cannot be read, for
            example because activations are NaN; this is logged as a warning and does not interrupt the training.

        Raises
        ------
        HashlensError
            If the first reading fails because :func:`hashlens.encode` raises.
        """
        before = self._step
        self._step = _require_step(step) if step is not None else (before or 0) + 1
        self._tick()
        due = self._step % self.every == 0 if before is None else self._step // self.every > before // self.every
        if not due or not self._fits_time_budget():
            return None
        try:
            return self(model, self._step)
        except HashlensError as error:
            if not self._readings:
                raise
            _log.warning("step %d: the codes of the probe cannot be read: %s", self._step, error)
            return None

    def __call__(self, model: torch.nn.Module, step: int | None = None) -> CodeReading:
        """Read the network now.

        Parameters
        ----------
        model : torch.nn.Module
            The network that is trained.
        step : int, optional
            Number of optimiser steps taken; by default the number counted so far.

        Raises
        ------
        HashlensError
            If :func:`hashlens.encode` raises it.
        """
        self._step = _require_step(step) if step is not None else (self._step or 0)
        self._tick()
        if (device := _cuda_device(model)) is not None:  # earlier steps are not part of the reading: wait for them
            torch.cuda.synchronize(device)
        started = time.perf_counter()
        try:
            reading = self._read(model, self._step, started)
            self._readings.append(reading)
            if self._write is not None:
                self._write(reading.metrics(self.prefix), reading.step)
        finally:
            self._tick()
            self._ended = self._now
            self._spent += self._ended - started
        return reading

    def _tick(self) -> None:
        """Note the time of a step or a reading."""
        self._now = time.perf_counter()
        if self._started is None:
            self._started = self._now

    def _fits_time_budget(self) -> bool:
        """Return whether a reading as long as the last one fits the time budget; log once if it does not."""
        if self.time_budget is None or not self._readings:
            return True
        last = self._readings[-1].seconds
        # Only the time since the last reading counts, so that a pause of the training allows one reading, not many.
        if last <= self.time_budget * (self._now - self._ended):
            return True
        if not self._postponed:
            self._postponed = True
            _log.warning(
                "step %d: a measurement takes %.3g s, and one every %d steps takes more than %.3g %% of the "
                "time, so some are skipped; to change this, use a larger every=, a smaller probe_size=, or "
                "time_budget=None",
                self._step, last, self.every, 100 * self.time_budget,
            )  # fmt: skip
        return False

    def _read(self, model: torch.nn.Module, step: int, started: float) -> CodeReading:
        rows = len(self.probe.train)
        row_budget = max(8, self.memory_budget // len(self._probe))
        with silent():
            observation = observe(
                model, match_class_numbers(self._probe, declared_classes(model)), self._reading, row_budget
            )
        parts = Split(
            _observation_of_rows(observation, slice(None, rows)), _observation_of_rows(observation, slice(rows, None))
        )
        codes = Split(parts.train.codes, parts.test.codes)
        informative = int((~codes.train.constant_bits(codes.test)).sum())
        return CodeReading(
            step=step,
            redundancy_ratio=Split(*(redundancy_ratio(part.fingerprints) for part in (parts.train, parts.test))),
            knn=self._knn(codes) if informative or codes.train.values is not None else None,
            network_accuracy=Split(parts.train.accuracy, parts.test.accuracy),
            informative_bits=informative,
            seconds=time.perf_counter() - started,
            output="" if observation.output is None else str(observation.output),
        )

    def _knn(self, codes: Split[Codes]) -> float:
        """Return the K-NN accuracy that :func:`hashlens.categorization` returns.

        That function drops constant bits first, which does not change Hamming distances and can take as long as the
        network. Here this is done only if bits are sampled or replaced by channel values.
        """
        bits_in_memory = self.memory_budget // (FLOAT_BYTES * len(self._probe))
        if codes.train.values is None and codes.train.code_bits <= bits_in_memory:
            return knn_accuracy(codes.train, codes.test, k=self.k)
        prepared = prepare(codes.train, codes.test, self.memory_budget, self._reading.seed)
        return knn_test_accuracy(prepared, self.k)


def _observation_of_rows(observation: Observation, rows: slice) -> Observation:
    """Return the observation of some of the rows."""
    codes, fingerprints = observation.codes[rows], observation.fingerprints
    return Observation(
        codes,
        replace(fingerprints, hashes=fingerprints.hashes[rows], labels=codes.labels, ids=codes.ids),
        None if observation.predictions is None else observation.predictions[rows],
        None,
        observation.classes,
    )


def _log_function(log: object) -> Log | None:
    """Return a function ``(metrics, step)`` that logs, from any accepted form of `log`."""
    add = getattr(log, "add_scalar", None)
    if callable(add):
        return partial(_add_scalars, add)
    if log is None or callable(log):
        return cast(Log | None, log)
    raise MeasureError(
        f"log is called as log(metrics, step), or has add_scalar(name, value, step); received a {type(log).__name__}"
    )


def _add_scalars(add: Callable[[str, float, int], Any], metrics: dict[str, float], step: int) -> None:
    for name, value in metrics.items():
        add(name, value, step)


def _cuda_device(model: object) -> torch.device | None:
    """Return the CUDA device of a network, or None."""
    if not isinstance(model, torch.nn.Module):
        return None
    first = next(chain(model.parameters(), model.buffers()), None)
    return first.device if first is not None and first.device.type == "cuda" else None


def as_monitor(probe: Any, test_probe: Any, settings: dict[str, Any]) -> CodeMonitor:
    """Return the monitor of a callback, or create one from the callback's arguments.

    Raises
    ------
    MeasureError
        If there are a monitor and other arguments, or too few arguments.
    """
    if isinstance(probe, CodeMonitor):
        if test_probe is not None or settings:
            raise MeasureError("give either a CodeMonitor or its arguments, not both")
        return probe
    if test_probe is None or "every" not in settings:
        raise MeasureError("give a CodeMonitor, or a train probe, a test probe and every=, as CodeMonitor takes them")
    return CodeMonitor(probe, test_probe, **settings)


def _require_step(step: Any) -> int:
    """Return a number of steps as an int; raise MeasureError unless it is an integer of 0 or more."""
    try:
        number = index(step)
    except TypeError:
        number = -1
    if isinstance(step, bool) or number < 0:
        raise MeasureError(f"step is a number of optimiser steps, 0 or more and an integer, received {step!r}")
    return number
