"""Means over a few repeats, with confidence intervals that stay inside the range of the measure."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number
from hashlens.errors import StudyError
from hashlens.result import Result

Scale = Literal["share", "ratio", "plain"]
UNBOUNDED = ("bits_to_determinism", "chord_length", "local_complexity", "loss")
"""Measures of a study that are no shares, even where all their values happen to lie in [0, 1]."""


@dataclass(frozen=True)
class Estimate(Result):
    """A mean over repeats, and its confidence interval.

    Attributes
    ----------
    mean : float
        Arithmetic mean over repeats.
    low, high : float
        Ends of the interval; not a number when there is one repeat.
    repeats : int
        How many there are.
    """

    mean: float
    low: float
    high: float
    repeats: int

    def __rich__(self) -> str:
        return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f}, {self.repeats} repeats)"


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of many cells at once: arrays of one shape, named as the fields of :class:`Estimate`."""

    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    repeats: npt.NDArray[np.int64]

    def at(self, *index: int) -> Estimate:
        """Return the estimate of one cell."""
        mean, low, high = (float(part[index]) for part in (self.mean, self.low, self.high))
        return Estimate(mean, low, high, int(self.repeats[index]))


def mean_intervals(values: npt.ArrayLike, scale: Scale = "plain", confidence: float = 0.95) -> Estimates:
    """Return means over the last axis, each with a Student t interval.

    The interval is of the arithmetic mean: ``m ± t s / sqrt(n)``, with the half width carried by the delta method to
    the link of the scale and back, so that its ends stay in range: the logit for a ``share`` in [0, 1], the logarithm
    for a ``ratio`` of 0 or more, none for ``plain``. A bootstrap of 2 to 10 values has too few distinct samples to hold
    its level, the clipped t interval misses skewed means near 0 and 1 (88 % for 95 % at three repeats of
    Beta(7.2, 0.8), where this one holds 95 %), and the mean of logits is not the logit of the mean. Repeats that agree
    exactly give an interval of no width, which says only that they agree.

    Parameters
    ----------
    values : array of float
        ``(..., n)``: repeats last; repeats that are not a number are left out.
    scale : {"share", "ratio", "plain"}
        What the values are.
    confidence : float
        Level of the interval, between 0 and 1.

    Returns
    -------
    Estimates
        Arrays of shape ``(...)``; mean and ends are not a number where there is no repeat, ends where there is one.

    Raises
    ------
    StudyError
        If `confidence` is not between 0 and 1.

    >>> mean_intervals([0.10, 0.12, 0.11], "share").at()  # doctest: +ELLIPSIS
    Estimate(mean=0.11, low=0.0875..., high=0.1374..., repeats=3)
    """
    from scipy.special import expit, logit, stdtrit

    require_confidence(confidence)
    table = np.asarray(values, np.float64)
    known = np.isfinite(table)
    n = known.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, table, 0.0).sum(axis=-1) / n
        squares = np.where(known, np.square(table - mean[..., None]), 0.0).sum(axis=-1)
        half = stdtrit(np.maximum(n - 1, 1), (1 + confidence) / 2) * np.sqrt(squares / (n - 1) / n)
        if scale == "share":
            width = half / (mean * (1 - mean))
            low, high = expit(logit(mean) - width), expit(logit(mean) + width)
        elif scale == "ratio":
            low, high = mean * np.exp(-half / mean), mean * np.exp(half / mean)
        else:
            low, high = mean - half, mean + half
    agreed = (n > 1) & (squares == 0)
    low, high = np.where(agreed, mean, low), np.where(agreed, mean, high)
    alone = n < 2
    return Estimates(mean, np.where(alone, np.nan, low), np.where(alone, np.nan, high), n)


def require_confidence(confidence: float) -> None:
    """Raise StudyError unless a level of confidence is between 0 and 1."""
    if not is_number(confidence) or not 0 < confidence < 1:
        raise StudyError(f"confidence must be between 0 and 1, received {confidence!r}")


def scale_of(measure: str, values: npt.NDArray[Any]) -> Scale:
    """Return ``share`` for a measure that has no other values than those in [0, 1], else ``plain``."""
    known = values[np.isfinite(values)]
    inside = ((known >= 0) & (known <= 1)).all()
    return "share" if inside and measure not in UNBOUNDED else "plain"
