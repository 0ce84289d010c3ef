"""Transformers: a callback that reads the codes of a fixed set of examples while a Hugging Face Trainer is training."""

import importlib
from typing import Any

from hashlens.errors import MissingExtraError
from hashlens.integrations.history import CodeReading
from hashlens.integrations.monitor import CodeMonitor, as_monitor


def _callback_class() -> Any:
    try:
        return importlib.import_module("transformers").TrainerCallback
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
    raise MissingExtraError("transformers", "transformers", "the callback for the Hugging Face Trainer")


class CodeMonitorCallback(_callback_class()):  # type: ignore[misc]
    """Read the codes of a fixed set of labelled examples, the probe, during training.

    A reading is taken at the start, and then every `every` optimiser steps, unless it would exceed the monitor's time
    budget. With several processes, only the first one reads.

    A Trainer does not pass itself to its callbacks. So metrics reach its loggers (``report_to``) only after
    ``CodeMonitorCallback(...).attach(trainer)``. If the callback is passed in ``callbacks=[...]`` instead, metrics are
    appended to ``trainer.state.log_history`` only. The monitor's own ``log=`` receives them in both cases.

    Parameters
    ----------
    monitor : CodeMonitor, or train_probe
        A monitor. Or the train probe, from which a monitor is created with the other arguments. Batches that are dicts
        are passed to the network by their keys, without ``label`` and ``labels``; use ``forward=`` for any other call,
        and ``mask="attention_mask"`` to leave padding out.
    test_probe, **settings
        As in :class:`~hashlens.integrations.CodeMonitor`.

    Raises
    ------
    MeasureError
        If there are a monitor and other arguments, or neither a monitor nor both probes and `every`.
    HashlensError
        If :class:`~hashlens.integrations.CodeMonitor` raises it.
    """

    def __init__(self, monitor: Any, test_probe: Any = None, **settings: Any) -> None:
        super().__init__()
        self.monitor: CodeMonitor = as_monitor(monitor, test_probe, settings)
        self._trainer: Any = None

    def attach(self, trainer: Any) -> "CodeMonitorCallback":
        """Add the callback to a Trainer, so that metrics reach the Trainer's loggers, and return the callback."""
        self._trainer = trainer
        if self not in trainer.callback_handler.callbacks:
            trainer.add_callback(self)
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        """Read the network before the first step."""
        if state.is_world_process_zero:
            self._log_metrics(state, self.monitor(model, state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        """Read the network if a reading is due."""
        if state.is_world_process_zero and (reading := self.monitor.step(model, state.global_step)) is not None:
            self._log_metrics(state, reading)

    def _log_metrics(self, state: Any, reading: CodeReading) -> None:
        metrics = reading.metrics(self.monitor.prefix)
        if self._trainer is not None:
            self._trainer.log(metrics)
            return
        epoch = {} if state.epoch is None else {"epoch": state.epoch}
        state.log_history.append({**metrics, **epoch, "step": reading.step})
