"""The training loop: epochs, batches, journal, progress and divergence, around a step."""

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
    """One step of a training: it updates the parameters from one batch and returns what that cost.

    It changes nothing but what is in the `TrainingState`, and draws from its generators, or from torch's global ones
    as dropout does. Whoever implements it is best frozen.
    """

    def __call__(self, rows: torch.Tensor, /) -> Mapping[str, torch.Tensor]:
        """Take one step.

        Parameters
        ----------
        rows : torch.Tensor
            int64 ``(b,)``: which examples the batch holds, as the order of the loop gives them.

        Returns
        -------
        mapping of str to torch.Tensor
            Losses, and what else is worth a curve, by name: a scalar is the mean over the batch, a tensor ``(b,)`` has
            one value for each example.
        """
        ...


@dataclass(frozen=True)
class LoopResult:
    """What a training loop did.

    Attributes
    ----------
    history : tuple of LoopEpoch
        All epochs, those before an interruption among them.
    stopped_early : bool
        Whether it stopped before the last epoch.
    resumed_at : int
        Epochs that an earlier, interrupted call had trained.
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

    With a journal, a training that is killed at any moment and called again ends with the same numbers as one that was
    not, bit for bit. torch's global generators are seeded by `seed` and epoch for the steps, and left as they were.

    Parameters
    ----------
    state : TrainingState
        What `step` changes; trained in place.
    step : Step
        Updates the parameters from one batch, and returns named losses.
    order : callable
        Returns the batches of an epoch, counted from 1: tensors of row numbers, int64 ``(b,)``. It depends on nothing
        but that number; see :func:`hashlens.training.batch_order`. Full-batch training gives all rows in each batch,
        and as many batches as an epoch is to have steps.
    epochs : int
        Epochs to train.
    seed : int
        What draws from the global generators, such as dropout's, depend on.
    journal : Journal, optional
        Where the state is written after every epoch, and restored from at the start; removed at the end.
    measure : callable, optional
        What else is measured after each epoch, by name; it changes nothing.
    save : callable, optional
        Called with the history before the first epoch and after each, before the journal records it: what it writes is
        there, or is written again by the training that goes on.
    on_epoch : callable, optional
        Called with each epoch when it is over and in the journal: for progress.
    stop : callable, optional
        Told the history before each epoch, whether to stop early.

    Raises
    ------
    ModelError
        If a step fails, what it returns is no longer finite, or the journal is of another run.
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
        raise ModelError(f"the order has no batch in epoch {number}: training needs at least one example")
    try:
        means = _train_epoch(state, step, batches)
    except (ValueError, RuntimeError) as error:
        # One example with BatchNorm, memory that does not suffice, or what else only training shows.
        reason = str(error).split("\n")[0]
        trained = " and ".join(dict.fromkeys(type(module).__name__ for module in state.modules.values()))
        raise ModelError(f"training {trained} failed in epoch {number}: {reason}") from error
    seconds = time.perf_counter() - started
    for name, mean in means.items():
        check_finite(mean, number, *rates.values(), quantity=name)
    return LoopEpoch(number, means, rates, seconds)


def _train_epoch(state: TrainingState, step: Step, batches: Sequence[torch.Tensor]) -> dict[str, float]:
    """Call `step` with every batch and return the means, over examples, of what it returns."""
    for module in state.modules.values():
        module.train()
    # Summed where the modules are, so that no step waits for a number.
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
    # The CPU's, and those of the devices in use alone: torch.manual_seed would reseed all devices.
    torch.default_generator.manual_seed(seed)
    for device in devices:
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)


def check_finite(mean: float, epoch: int, *rates: float, quantity: str = "loss") -> None:
    """Raise ModelError, with the way out, for a loss that is no longer a number."""
    if not math.isfinite(mean):
        listed = " and ".join(f"{rate:g}" for rate in rates)
        raise ModelError(
            f"the training {quantity} is {mean} in epoch {epoch} at learning rate{'s' * (len(rates) > 1)} {listed}: "
            "lower the learning rate, or bring the inputs nearer to 0"
        )
