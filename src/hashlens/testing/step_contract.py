"""The contract of a training step: it changes only its state, so that interrupted training can be resumed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from hashlens.training.journal import Journal
from hashlens.training.loop import LoopResult, Step, run_loop
from hashlens.training.state import COMPONENT_KINDS, TrainingState


class _Stopped(Exception):
    pass


def check_step(
    make: Callable[[], tuple[TrainingState, Step]],
    order: Callable[[int], Sequence[torch.Tensor]],
    folder: str | Path,
    epochs: int = 3,
) -> None:
    """Assert that training that is interrupted and resumed ends bit for bit like uninterrupted training.

    Parameters
    ----------
    make : callable
        Function that returns a new state and its step, identical at every call.
    order : callable
        Function that returns the batches of an epoch, at least two, as in :func:`hashlens.training.run_loop`.
    folder : str or Path
        An empty folder for output.
    epochs : int
        Number of epochs, at least 2.

    Raises
    ------
    AssertionError
        If two trainings differ, training that was interrupted after or within an epoch ends differently, or torch's
        global generators are used.
    """
    before = torch.get_rng_state()
    whole = _train(make, order, epochs)
    assert _same(whole, _train(make, order, epochs)), "the same training gives other numbers when it is repeated"
    for stop in range(1, epochs):
        for within_epoch in (False, True):
            at = Path(folder) / f"{'within' if within_epoch else 'after'}-{stop}"
            _interrupt(make, order, epochs, at, stop, within_epoch)
            parts = _train(make, order, epochs, Journal(at, {}))
            when = f"{'within epoch' if within_epoch else 'after epoch'} {stop + within_epoch}"
            assert parts[1].resumed_at == stop, f"a training stopped {when} does not resume there"
            assert _same(whole, parts), (
                f"a training stopped {when} ends with other numbers: not everything that the step changes or draws "
                "from is in its TrainingState"
            )
            assert not any(at.iterdir()), "a finished training leaves its journal behind"
    assert torch.equal(torch.get_rng_state(), before), "the global generator of torch was used"


def _train(
    make: Callable[[], tuple[TrainingState, Step]],
    order: Callable[[int], Sequence[torch.Tensor]],
    epochs: int,
    journal: Journal | None = None,
) -> tuple[TrainingState, LoopResult]:
    state, step = make()
    return state, run_loop(state, step, order, epochs, journal=journal)


def _interrupt(
    make: Callable[[], tuple[TrainingState, Step]],
    order: Callable[[int], Sequence[torch.Tensor]],
    epochs: int,
    folder: Path,
    stop: int,
    within_epoch: bool,
) -> None:
    """Train until the end of epoch `stop` or, if `within_epoch`, until one step after it."""
    state, step = make()
    steps = sum(len(order(number)) for number in range(1, stop + 1)) + 1
    done = 0

    def stopping(rows: torch.Tensor) -> Any:
        nonlocal done
        values, done = step(rows), done + 1
        if done == steps:
            raise _Stopped
        return values

    def on_epoch(epoch: Any) -> None:
        if epoch.number == stop and not within_epoch:
            raise _Stopped

    try:
        run_loop(state, stopping, order, epochs, journal=Journal(folder, {}), on_epoch=on_epoch)
    except _Stopped:
        return
    raise AssertionError(f"{epochs} epochs take fewer than {steps} steps: give more")


def _same(one: tuple[TrainingState, LoopResult], other: tuple[TrainingState, LoopResult]) -> bool:
    """Return whether two trainings have the same numbers in their states and histories."""
    (state, done), (state_2, done_2) = one, other
    values = [[epoch.values for epoch in result.history] for result in (done, done_2)]
    saved, saved_2 = state.state_dict(), state_2.state_dict()
    return values[0] == values[1] and all(_equal(saved[kind], saved_2[kind]) for kind in COMPONENT_KINDS)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
