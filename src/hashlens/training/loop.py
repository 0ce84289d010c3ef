"""The training loop around a step: epochs, batches, journal, progress, and checks for divergence."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from hashlens.errors import ModelError
from hashlens.seeds import torch_seed
from hashlens.training.journal import Journal
from hashlens.training.state import LoopEpoch, TrainingState


class Step(Protocol):
    """Interface of a training step: it updates the parameters from one batch and returns the losses.

    It changes only objects in the `TrainingState`, and draws random numbers only from the generators there, or from
    torch's global ones, as dropout does. Implementations should be frozen.
    """

    def __call__(self, rows: torch.Tensor, /) -> Mapping[str, torch.Tensor]:
        """Take one step.

        Parameters
        ----------
        rows : torch.Tensor
            int64 ``(b,)``: rows of the examples in the batch, from the `order` of the loop.

        Returns
        -------
        mapping of str to torch.Tensor
            Losses and other quantities to record, by name: a scalar is the mean over the batch; a tensor ``(b,)`` has
            one value for each example.
        """
        ...


@dataclass(frozen=True)
class LoopResult:
    """Result of a training loop.

    Attributes
    ----------
    history : tuple of LoopEpoch
        All epochs, including those before an interruption.
    stopped_early : bool
        Whether training stopped before the last epoch.
    resumed_at : int
        Number of epochs trained by an earlier, interrupted call.
    """

    history: tuple[LoopEpoch, ...]
    stopped_early: bool
    resumed_at: int


def run_loop(
    state: TrainingState,
    step: Step,
    order: Callable[[int], Sequence[torch.Tensor]],
    epochs: int,
    *,
    seed: int = 0,
    journal: Journal | None = None,
    measure: Callable[[], Mapping[str, float]] | None = None,
    save: Callable[[Sequence[LoopEpoch]], None] | None = None,
    on_epoch: Callable[[LoopEpoch], None] | None = None,
    stop: Callable[[Sequence[LoopEpoch]], bool] | None = None,
) -> LoopResult:
    """Train: call `step` with every batch of every epoch.

    A training with a journal may be killed at any time. The next call then gives exactly the same numbers as a training
    without interruption. Torch's global generators are seeded by `seed` and epoch during the steps, and restored
    afterwards.

    Parameters
    ----------
    state : TrainingState
        The objects that `step` changes; trained in place.
    step : Step
        Step that updates the parameters from one batch, and returns named losses.
    order : callable
        Function from the number of an epoch, counted from 1, to its batches: tensors of row numbers, int64 ``(b,)``. It
        must depend on that number only; see :func:`hashlens.training.batch_order`. Each batch of full-batch training
        holds all rows, and there are as many batches as steps in an epoch.
    epochs : int
        Number of epochs.
    seed : int
        Seed of the global generators; dropout, for example, draws from them.
    journal : Journal, optional
        File that the state is written to after every epoch and restored from at the start; removed at the end.
    measure : callable, optional
        Function that returns further measurements after each epoch, by name; it must not change the state.
    save : callable, optional
        Called with the history before the first epoch and after each epoch, before the journal is written. If training
        is interrupted in between, it is called again for that epoch.
    on_epoch : callable, optional
        Called with each epoch after it was written to the journal, for progress.
    stop : callable, optional
        Function of the history that returns whether to stop early; called before each epoch.

    Raises
    ------
    ModelError
        If a step fails, its losses are not finite, or the journal belongs to another run.
    OutputError
        If the journal cannot be written.
    """
    devices = [device for device in state.devices if device.type == "cuda"]
    with torch.random.fork_rng(devices=devices):
        history = [] if journal is None else journal.restore(state)
        resumed_at = len(history)
        if not history:
            _write(state, history, journal, save)
        while len(history) < epochs and not (stop is not None and stop(history)):
            epoch = _run_epoch(state, step, order, len(history) + 1, seed)
            if measure is not None:
                epoch = replace(epoch, values={**epoch.values, **measure()})
            history.append(epoch)
            _write(state, history, journal, save)
            if on_epoch is not None:
                on_epoch(epoch)
    if journal is not None:
        journal.close()
    return LoopResult(tuple(history), len(history) < epochs, resumed_at)


def _write(
    state: TrainingState,
    history: Sequence[LoopEpoch],
    journal: Journal | None,
    save: Callable[[Sequence[LoopEpoch]], None] | None,
) -> None:
    if save is not None:
        save(history)
    if journal is not None:
        journal.record(state, history)


def _run_epoch(
    state: TrainingState, step: Step, order: Callable[[int], Sequence[torch.Tensor]], number: int, seed: int
) -> LoopEpoch:
    rates = state.set_learning_rates(number)
    _seed_global_generators(state.devices, torch_seed(seed, "dropout", number))
    started = time.perf_counter()
    batches = order(number)
    if not batches:
        raise ModelError(f"epoch {number} has no batch: training needs at least one example")
    try:
        means = _train_epoch(state, step, batches)
    except (ValueError, RuntimeError) as error:
        # Errors that only occur in training, such as batch normalisation of one example, or lack of memory.
        reason = str(error).split("\n")[0]
        trained = " and ".join(dict.fromkeys(type(module).__name__ for module in state.modules.values()))
        raise ModelError(f"training {trained} failed in epoch {number}: {reason}") from error
    seconds = time.perf_counter() - started
    for name, mean in means.items():
        check_finite(mean, number, *rates.values(), quantity=name)
    return LoopEpoch(number, means, rates, seconds)


def _train_epoch(state: TrainingState, step: Step, batches: Sequence[torch.Tensor]) -> dict[str, float]:
    """Call `step` with every batch, and return the means of its results over examples."""
    for module in state.modules.values():
        module.train()
    # The sums stay on the device of the losses, so that no step waits for a transfer.
    sums: dict[str, torch.Tensor] = {}
    counts: dict[str, int] = {}
    for rows in batches:
        for name, value in step(rows).items():
            if name not in sums:
                sums[name], counts[name] = torch.zeros((), dtype=torch.float64, device=value.device), 0
            value = value.detach()
            sums[name] += value.sum(dtype=torch.float64) if value.ndim else value * len(rows)
            counts[name] += len(rows)
    return {name: total.item() / counts[name] for name, total in sums.items()}


def _seed_global_generators(devices: set[torch.device], seed: int) -> None:
    # Only the CPU and the devices in use are seeded: torch.manual_seed would reseed all devices.
    torch.default_generator.manual_seed(seed)
    for device in devices:
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)


def check_finite(mean: float, epoch: int, *rates: float, quantity: str = "loss") -> None:
    """Raise ModelError, with advice, if a loss is not finite."""
    if not math.isfinite(mean):
        listed = " and ".join(f"{rate:g}" for rate in rates)
        raise ModelError(
            f"the training {quantity} is {mean} in epoch {epoch} at learning rate{'s' * (len(rates) > 1)} {listed}: "
            "lower the learning rate, or bring the inputs nearer to 0"
        )
