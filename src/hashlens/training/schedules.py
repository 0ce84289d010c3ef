"""Schedules: the factor of the learning rate in each epoch."""

import math
from collections.abc import Callable


def constant(epoch: int, epochs: int, period: int, factor: float) -> float:
    """Return 1."""
    return 1.0


def step(epoch: int, epochs: int, period: int, factor: float) -> float:
    """Return `factor` to the power of the number of completed periods of `period` epochs.

    >>> [step(epoch, 100, 20, 0.5) for epoch in (1, 20, 21, 41)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return factor ** ((epoch - 1) // period)


def cosine(epoch: int, epochs: int, period: int, factor: float) -> float:
    """Return half a cosine, from 1 in the first epoch towards 0 after the last.

    >>> [round(cosine(epoch, 4, 0, 0), 2) for epoch in (1, 2, 3, 4)]
    [1.0, 0.85, 0.5, 0.15]
    """
    return (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2


SCHEDULES: dict[str, Callable[[int, int, int, float], float]] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
}
