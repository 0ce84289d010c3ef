"""Interquartile range: stop when the best value has improved by less than a share of the interquartile range."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hashlens.arguments import excerpt, is_finite, require_whole
from hashlens.errors import TuningError
from hashlens.tuning.stop_rule import RuleValues, StopRule
from hashlens.tuning.trace import Trace


@dataclass(frozen=True)
class InterquartileRange(StopRule):
    """Stop when the improvement in the last trials is small relative to the spread of all values.

    Let ``best(n)`` be the best value of the first ``n`` trials, and ``Q1`` and ``Q3`` the quartiles of all ``n`` finite
    values. The rule stops when ``|best(n) - best(n - window + 1)| / (Q3 - Q1) < bar``.

    Parameters
    ----------
    window : int
        Number of last trials considered.
    bar : float
        Threshold: share of the interquartile range.

    References
    ----------
    Ax, ``ax.global_stopping.strategies.improvement.ImprovementGlobalStoppingStrategy`` (one objective), with its
    defaults: ``window_size=5``, ``improvement_bar=0.1``.
    """

    window: int = 5
    bar: float = 0.1
    unit: ClassVar[str] = "gain in interquartile ranges"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(TuningError, "window", self.window, 2)
        if not is_finite(self.bar) or self.bar < 0:
            raise TuningError(f"bar must be a finite number, 0 or more, received {excerpt(self.bar)}")

    def rule_values(self, trace: Trace, counts: Sequence[int]) -> RuleValues:
        """Return the improvement in the last trials, in interquartile ranges."""
        found, refusals, values, seen = [], [], list[float](), 0
        for n in counts:
            for loss in trace.losses[seen:n]:
                if np.isfinite(loss):
                    insort(values, float(loss))
            seen = n
            gain, refusal = self._gain(trace, n, values)
            found.append(gain)
            refusals.append(refusal)
        return RuleValues(np.array(found), np.full(len(found), float(self.bar)), tuple(refusals))

    def _gain(self, trace: Trace, n: int, values: list[float]) -> tuple[float, str]:
        """Return the improvement in interquartile ranges, NaN if not known, and the reason not to stop, if any."""
        if n < self.window:
            return np.nan, f"too few trials: {n}; the window has {self.window}"
        if len(values) < 2:
            return np.nan, f"too few trials: {len(values)} of {n} have a finite value"
        low, high = _quantile(values, 0.25), _quantile(values, 0.75)
        if high == low:
            return np.nan, f"ties: the middle half of {len(values)} values are all {trace.sign * low:g}"
        return float((trace.best[n - self.window + 1] - trace.best[n]) / (high - low)), ""


def _quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values, with linear interpolation."""
    at, rest = divmod(share * (len(values) - 1), 1.0)
    low = values[int(at)]
    return low if not rest else low + rest * (values[int(at) + 1] - low)
