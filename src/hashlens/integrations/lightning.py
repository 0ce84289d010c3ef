"""Lightning: callbacks that read the codes of a fixed set of examples during training."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import torch

from hashlens.errors import MissingExtraError, ModelError
from hashlens.integrations.history import CodeReading
from hashlens.integrations.monitor import CodeMonitor, as_monitor


def _callback_class() -> Any:
    """Return the base class of callbacks; if both packages are installed, from the one that is already imported."""
    names = ["lightning.pytorch", "pytorch_lightning"]
    if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
        names.reverse()
    for name in names:
        try:
            return importlib.import_module(name).Callback
        except ModuleNotFoundError as error:
            if error.name not in ("lightning", "lightning.pytorch", "pytorch_lightning"):
                raise
    raise MissingExtraError("lightning", "lightning", "the callback for Lightning")


class CodeMonitorCallback(_callback_class()):  # type: ignore[misc]
    """Read the codes of a fixed set of labelled examples, the probe, during training.

    A reading is taken at the start, and then every `every` optimiser steps, unless it would exceed the monitor's time
    budget. The metrics go to all loggers of the trainer, at the steps of the readings. From the first step on they also
    go to ``trainer.callback_metrics``, where early stopping and checkpoints find them. With several processes, only the
    first one reads.

    Parameters
    ----------
    monitor : CodeMonitor, or train_probe
        A monitor. Or the train probe, from which a monitor is created with the other arguments:
        ``CodeMonitorCallback("digits#train", "digits#test", every=100)``.
    test_probe, **settings
        As in :class:`~hashlens.integrations.CodeMonitor`.
    network : str or callable, optional
        The network to read: the name of an attribute of the LightningModule, such as ``"net"``, or a function of the
        module. By default the module itself, whose ``forward`` must then be the network.

    Raises
    ------
    MeasureError, HashlensError
        If :class:`~hashlens.integrations.CodeMonitor` raises it.
    """

    def __init__(
        self,
        monitor: Any,
        test_probe: Any = None,
        *,
        network: str | Callable[[Any], torch.nn.Module] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.monitor: CodeMonitor = as_monitor(monitor, test_probe, settings)
        self.network = network

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Read the network before the first step."""
        if trainer.is_global_zero:
            self._write(trainer, self.monitor(_network_of(pl_module, self.network), trainer.global_step))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Read the network if a reading is due."""
        if not trainer.is_global_zero:
            return
        reading = self.monitor.step(_network_of(pl_module, self.network), trainer.global_step)
        if reading is not None:
            self._write(trainer, reading)
            metrics = reading.metrics(self.monitor.prefix)
            pl_module.log_dict(metrics, on_step=True, on_epoch=False, logger=False, batch_size=1, rank_zero_only=True)

    def _write(self, trainer: Any, reading: CodeReading) -> None:
        # pl_module.log would write only at multiples of log_every_n_steps.
        for logger in trainer.loggers:
            logger.log_metrics(reading.metrics(self.monitor.prefix), step=reading.step)


class CodeValidationCallback(_callback_class()):  # type: ignore[misc]
    """Read the codes of a fixed set of labelled examples, the probe, at the end of every validation.

    The metrics are logged with those of the validation: to all loggers, and to ``trainer.callback_metrics``, where
    early stopping and checkpoints find them. With several processes, only the first one reads. The sanity check
    before training is skipped.

    Parameters
    ----------
    monitor : CodeMonitor, or train_probe
        A monitor. Or the train probe, from which a monitor is created with the other arguments, without ``every``:
        ``CodeValidationCallback("digits#train", "digits#test")``.
    test_probe, **settings
        As in :class:`~hashlens.integrations.CodeMonitor`.
    network : str or callable, optional
        The network to read, as in :class:`CodeMonitorCallback`.

    Raises
    ------
    MeasureError, HashlensError
        If :class:`~hashlens.integrations.CodeMonitor` raises it.
    """

    def __init__(
        self,
        monitor: Any,
        test_probe: Any = None,
        *,
        network: str | Callable[[Any], torch.nn.Module] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        # A reading is taken at every validation, so the monitor's own interval is not used.
        interval = {} if isinstance(monitor, CodeMonitor) else {"every": 1}
        self.monitor: CodeMonitor = as_monitor(monitor, test_probe, {**settings, **interval})
        self.network = network

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Read the network after a validation."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        reading = self.monitor(_network_of(pl_module, self.network), trainer.global_step)
        pl_module.log_dict(reading.metrics(self.monitor.prefix), batch_size=1, rank_zero_only=True)


def _network_of(module: Any, network: str | Callable[[Any], torch.nn.Module] | None) -> torch.nn.Module:
    """Return the network of a LightningModule.

    Raises
    ------
    ModelError
        If `network` does not lead to a network.
    """
    if network is None:
        return module  # type: ignore[no-any-return]
    result = getattr(module, network, None) if isinstance(network, str) else network(module)
    if not isinstance(result, torch.nn.Module):
        raise ModelError(
            f"network={network!r} gives no torch.nn.Module of {type(module).__name__}, but {type(result).__name__}"
        )
    return result
