"""Means over a few repeats, with a confidence interval or the range of the repeats.

An interval from two or three repeats can be useless for a share near 0 or 1: that of the two repeats 0.0000 and 0.0004
reaches from 0.000 to 0.985. So tables, charts and pages follow one rule: intervals for :data:`FEWEST_REPEATS` or more
repeats, and the smallest and the largest repeat, called a range, for fewer. The smallest and largest *possible* value
of a measure are called its limits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number
from hashlens.errors import StudyError
from hashlens.plain import written_as
from hashlens.result import Result
from hashlens.study.variables import MeasureInfo

Scale = Literal["share", "ratio", "plain"]
Limits = tuple[float | None, float | None]
"""Smallest and largest possible value of a measure; None if there is none."""
LIMITS: dict[Scale, Limits] = {"share": (0.0, 1.0), "ratio": (0.0, None), "plain": (None, None)}
"""Limits of each scale; the scales are explained at :func:`mean_intervals`."""
BoundsKind = Literal["interval", "range"]
Array = npt.NDArray[np.float64]
FEWEST_REPEATS = 4
"""Smallest number of repeats with an interval: with fewer, that of a share near 0 or 1 may cover most of [0, 1]."""


@dataclass(frozen=True)
class Estimate(Result):
    """Mean over repeats, with its confidence interval or the range of the repeats.

    Attributes
    ----------
    mean : float
        Arithmetic mean over repeats.
    low, high : float
        Bounds of the interval, or smallest and largest repeat; NaN for a single repeat.
    repeats : int
        Number of repeats.
    bounds_kind : {"interval", "range"}
        Meaning of `low` and `high`.
    """

    mean: float
    low: float
    high: float
    repeats: int
    bounds_kind: BoundsKind = field(default="interval", metadata=written_as("around"))

    @property
    def ends(self) -> str:
        """Low and high as text with four digits: an interval in ( ), a range in [ ]; empty for a single repeat.

        >>> Estimate(0.5, 0.25, 0.75, 2, "range").ends, Estimate(0.5, 0.25, 0.75, 5).ends
        ('[0.2500–0.7500]', '(0.2500–0.7500)')
        """
        return self._ends_as_text(4)

    @property
    def short(self) -> str:
        """Mean and bounds as text with three digits; a dash where nothing was measured."""
        if not np.isfinite(self.mean):
            return "–"
        return f"{self.mean:.3f} {self._ends_as_text(3)}".rstrip()

    def _ends_as_text(self, digits: int) -> str:
        if not np.isfinite(self.low):
            return ""
        first, last = "[]" if self.bounds_kind == "range" else "()"
        return f"{first}{self.low:.{digits}f}–{self.high:.{digits}f}{last}"

    def __rich__(self) -> str:
        return f"{self.mean:.4f} {self.ends} of {self.repeats} repeat{'s' * (self.repeats != 1)}".replace("  ", " ")


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of many cells, such as the cells of a chart: one array of the same shape for each number.

    The arrays are those of :class:`Estimate`, with `is_range` in place of `bounds_kind`: where it is true, `low` and
    `high` are the smallest and largest repeat instead of an interval.
    """

    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    repeats: npt.NDArray[np.int64]
    is_range: npt.NDArray[np.bool_]

    def __getitem__(self, index: Any) -> "Estimates":
        """Return the estimates of some of the cells; `index` is an index of the arrays."""
        arrays = (self.mean, self.low, self.high, self.repeats, self.is_range)
        return Estimates(*(array[index] for array in arrays))

    def at(self, *index: int) -> Estimate:
        """Return the estimate of one cell."""
        mean, low, high = (float(part[index]) for part in (self.mean, self.low, self.high))
        bounds_kind: BoundsKind = "range" if self.is_range[index] else "interval"
        return Estimate(mean, low, high, int(self.repeats[index]), bounds_kind)

    def all(self) -> tuple[Estimate, ...]:
        """Return the estimates of all cells that were measured."""
        return tuple(self.at(*index) for index in map(tuple, np.argwhere(np.isfinite(self.mean)).tolist()))


def estimate_means(values: npt.ArrayLike, scale: Scale | Limits = "plain", confidence: float = 0.95) -> Estimates:
    """Return means over the last axis, each with its interval or range.

    Parameters
    ----------
    values, scale, confidence
        As in :func:`mean_intervals`.

    Returns
    -------
    Estimates
        Arrays of shape ``(...)``: `low` and `high` are the interval of the mean for :data:`FEWEST_REPEATS` or more
        repeats, and the smallest and largest repeat for two or three.

    Raises
    ------
    StudyError
        If `confidence` is not between 0 and 1.

    >>> estimate_means([0.0004, 0.0000, 0.0002], "share").at()
    Estimate(mean=0.0002, low=0.0, high=0.0004, repeats=3, bounds_kind='range')
    """
    intervals = mean_intervals(values, scale, confidence)
    table = np.asarray(values, np.float64)
    is_range = (intervals.repeats > 1) & (intervals.repeats < FEWEST_REPEATS)
    finite = np.isfinite(table)
    low = np.where(is_range, np.where(finite, table, np.inf).min(axis=-1, initial=np.inf), intervals.low)
    high = np.where(is_range, np.where(finite, table, -np.inf).max(axis=-1, initial=-np.inf), intervals.high)
    return replace(intervals, low=low, high=high, is_range=is_range)


def bounds_note(estimates: Iterable[Estimate | None], confidence: float) -> str:
    """Return a note on the intervals or ranges in a table or chart.

    >>> bounds_note([Estimate(0.5, 0.4, 0.6, 5), Estimate(0.5, 0.4, 0.6, 2, "range")], 0.95)
    '(95% interval of the mean), or [range of the repeats] where there are fewer than 4'
    >>> bounds_note([Estimate(0.5, 0.4, 0.6, 2, "range")], 0.95)
    '[range of the repeats, too few for an interval]'
    """
    kinds = {estimate.bounds_kind for estimate in estimates if estimate is not None and np.isfinite(estimate.low)}
    interval = f"({confidence:.0%} interval of the mean)"
    if kinds == {"interval", "range"}:
        return f"{interval}, or [range of the repeats] where there are fewer than {FEWEST_REPEATS}"
    if kinds == {"range"}:
        return "[range of the repeats, too few for an interval]"
    return interval if kinds else ""


def mean_intervals(values: npt.ArrayLike, scale: Scale | Limits = "plain", confidence: float = 0.95) -> Estimates:
    """Return means over the last axis, each with a Student t interval.

    The interval is that of the arithmetic mean, ``m ± t s / sqrt(n)``. It is computed on a link scale: the delta method
    gives the half width there, and the bounds are transformed back, so that they stay within the limits of the measure.
    The link is the logit for a ``share`` in [0, 1] or two other limits, and the logarithm for a ``ratio`` of 0 or more
    or one other limit; ``plain`` has no limits and no link.

    Alternatives are worse. A bootstrap of 2 to 10 values has too few distinct samples to keep its level. The t interval
    clipped to the limits misses skewed means near 0 and 1 (its coverage is 88 % instead of 95 % for three repeats of
    Beta(7.2, 0.8); this interval has 95 % there). The t interval of the logits of the repeats is an interval of another
    number, because the mean of logits is not the logit of the mean.

    Repeats that agree exactly, or up to rounding at a limit, give an interval of width 0; it only says that they agree.

    Parameters
    ----------
    values : array of float
        ``(..., n)``: repeats in the last axis; NaN values are left out.
    scale : {"share", "ratio", "plain"} or (float or None, float or None)
        Kind of the values, or their limits.
    confidence : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimates
        Arrays of shape ``(...)``; mean and bounds are NaN without repeats, bounds are NaN for a single repeat.

    Raises
    ------
    StudyError
        If `confidence` is not between 0 and 1.

    >>> mean_intervals([0.10, 0.12, 0.11], "share").at()  # doctest: +ELLIPSIS
    Estimate(mean=0.11, low=0.0875..., high=0.1374..., repeats=3, bounds_kind='interval')
    """
    from scipy.special import stdtrit

    require_confidence(confidence)
    table = np.asarray(values, np.float64)
    limits = LIMITS[scale] if isinstance(scale, str) else scale
    known = np.isfinite(table)
    n = known.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, table, 0.0).sum(axis=-1) / n
        squares = np.where(known, np.square(table - mean[..., None]), 0.0).sum(axis=-1)
        half = stdtrit(np.maximum(n - 1, 1), (1 + confidence) / 2) * np.sqrt(squares / (n - 1) / n)
        low, high = _interval_within(mean, half, limits)
    # Repeats whose mean is a limit differ by rounding only; the link scale is infinite there.
    minimum, maximum = (-np.inf if limits[0] is None else limits[0]), (np.inf if limits[1] is None else limits[1])
    agreed = (n > 1) & ((squares == 0) | (mean <= minimum) | (mean >= maximum))
    low, high = np.where(agreed, mean, low), np.where(agreed, mean, high)
    single = n < 2
    return Estimates(mean, np.where(single, np.nan, low), np.where(single, np.nan, high), n, np.zeros_like(single))


def _interval_within(mean: Array, half: Array, limits: Limits) -> tuple[Array, Array]:
    """Return the bounds of intervals of half width `half`, computed on the link scale that fits the limits."""
    from scipy.special import expit, logit

    minimum, maximum = limits
    if minimum is not None and maximum is not None:
        share = (mean - minimum) / (maximum - minimum)
        half_on_link = half / (maximum - minimum) / (share * (1 - share))
        low, high = (expit(logit(share) + sign * half_on_link) for sign in (-1, 1))
        return minimum + (maximum - minimum) * low, minimum + (maximum - minimum) * high
    if minimum is not None:
        distance = mean - minimum
        return minimum + distance * np.exp(-half / distance), minimum + distance * np.exp(half / distance)
    if maximum is not None:
        distance = maximum - mean
        return maximum - distance * np.exp(half / distance), maximum - distance * np.exp(-half / distance)
    return mean - half, mean + half


def require_confidence(confidence: float) -> None:
    """Raise StudyError if a confidence level is not between 0 and 1."""
    if not is_number(confidence) or not 0 < confidence < 1:
        raise StudyError(f"confidence must be between 0 and 1, received {confidence!r}")


def limits_of(info: MeasureInfo | None, values: npt.ArrayLike) -> Limits:
    """Return the limits of a measure; for an unknown measure 0 and 1 if no value is outside, otherwise none."""
    if info is not None:
        return info.low, info.high
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return (0.0, 1.0) if ((known >= 0) & (known <= 1)).all() else (None, None)
