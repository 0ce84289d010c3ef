"""Base of all stopping rules: the earliest stop, patience, and decisions as pure functions of a trace."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hashlens.arguments import constructor_source, excerpt, require_whole
from hashlens.errors import TuningError
from hashlens.tuning.stop_decision import StopDecision
from hashlens.tuning.trace import Trace

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RuleValues:
    """Bound and error of a rule, computed after each of several numbers of trials: one entry for each number.

    Attributes
    ----------
    bound, error : numpy.ndarray
        float64: bound and error, as in :class:`StopDecision`.
    refusals : tuple of str
        Reasons not to stop even if the bound is less than the error; an empty text if there is none.
    """

    bound: Floats
    error: Floats
    refusals: tuple[str, ...]

    @property
    def fires(self) -> Flags:
        """For each number of trials, whether the rule would stop if patience were 1, bool."""
        allowed = np.array([not refusal for refusal in self.refusals], dtype=bool)
        return np.asarray((self.bound < self.error) & allowed)


@dataclass(frozen=True, kw_only=True)
class StopRule(ABC):
    """Base class of stopping rules. A subclass implements :meth:`rule_values`.

    A decision depends only on the trials, in the order of their numbers, and not on when it is made.

    Parameters
    ----------
    first : int
        Smallest number of trials after which the rule may stop.
    patience : int
        Number of consecutive trials after which the rule must indicate a stop.
    """

    first: int = 20
    patience: int = 1

    unit: ClassVar[str] = "bound"
    """Name of the quantity that the bound measures, for the reason of a decision."""

    def __post_init__(self) -> None:
        require_whole(TuningError, "first", self.first)
        require_whole(TuningError, "patience", self.patience)

    def __str__(self) -> str:
        return constructor_source(self)

    @abstractmethod
    def rule_values(self, trace: Trace, counts: Sequence[int]) -> RuleValues:
        """Return bound and error of the rule after each of `counts` trials; each count is at least `first`."""

    def decide(self, trace: Trace) -> StopDecision:
        """Return the decision after all trials of a trace.

        Raises
        ------
        TuningError
            If the trace lacks data that the rule needs, such as fold values.
        """
        return self.decisions(trace, (len(trace),))[0]

    def decisions(self, trace: Trace, counts: Sequence[int] | None = None) -> list[StopDecision]:
        """Return the decisions after each of `counts` trials; by default after every number from `first` on."""
        self.check(trace)
        counts = range(min(self.first, len(trace)), len(trace) + 1) if counts is None else counts
        needed = sorted({count for n in counts for count in range(n - self.patience + 1, n + 1) if count >= self.first})
        values = self.rule_values(trace, needed)
        places = {count: place for place, count in enumerate(needed)}
        return [self._decision(n, places, values) for n in counts]

    def stops_after(self, trace: Trace) -> int | None:
        """Return the number of trials after which the rule stops; None if it never does."""
        self.check(trace)
        counts = range(self.first, len(trace) + 1)
        fires = self.rule_values(trace, counts).fires.astype(np.int64)
        if len(fires) < self.patience:
            return None
        runs = np.convolve(fires, np.ones(self.patience, dtype=np.int64), "valid") == self.patience
        return self.first + self.patience - 1 + int(np.argmax(runs)) if runs.any() else None

    def check(self, trace: Trace) -> None:  # noqa: B027
        """Raise TuningError if a trace lacks the data that the rule needs."""

    def _decision(self, n: int, places: dict[int, int], values: RuleValues) -> StopDecision:
        """Return the decision after `n` trials; `places` are the indices of numbers of trials in `values`."""
        if n < self.first:
            return StopDecision(False, np.nan, np.nan, f"too few trials: {n}; the rule needs at least {self.first}")
        place, fires = places[n], values.fires
        bound, error, refusal = (
            float(values.bound[place]),
            float(values.error[place]),
            values.refusals[place],
        )
        if refusal:
            return StopDecision(False, bound, error, refusal)
        reason = f"{self.unit} {bound:.4g}, {'less than' if fires[place] else 'not less than'} {error:.4g}"
        streak = 0
        while streak < self.patience and n - streak in places and fires[places[n - streak]]:
            streak += 1
        if 0 < streak < self.patience:
            reason += f"; {streak} of {self.patience} times in a row"
        return StopDecision(streak == self.patience, bound, error, reason)


def require_rule(given: Any) -> StopRule:
    """Return a stopping rule; raise TuningError for anything else."""
    if not isinstance(given, StopRule):
        raise TuningError(f"rule must be a stopping rule such as RegretBound(), received {excerpt(given)}")
    return given
