"""Lines of a claim: each number that the claim is about, its confidence intervals, and the resulting verdict."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from hashlens.study.charts.intervals import Estimate

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]


@dataclass(frozen=True)
class ClaimedRange:
    """The open interval in which a claim says that a number lies. One end may be missing.

    Attributes
    ----------
    above, below : float or None
        The lower and the upper end; None if it is missing.
    """

    above: float | None = None
    below: float | None = None

    @property
    def text(self) -> str:
        """The range in words.

        >>> ClaimedRange(above=0.0).text, ClaimedRange(-0.02, 0.02).text, ClaimedRange(0.1, 0.5).text
        ('above 0', 'within ± 0.02', 'between 0.1 and 0.5')
        """
        if self.above is None:
            return f"below {self.below:g}"
        if self.below is None:
            return f"above {self.above:g}"
        symmetric = self.above == -self.below
        return f"within ± {self.below:g}" if symmetric else f"between {self.above:g} and {self.below:g}"

    def contains(self, low: float, high: float) -> bool:
        """Whether an interval lies entirely inside this range."""
        return (self.above is None or low > self.above) and (self.below is None or high < self.below)

    def excludes(self, low: float, high: float) -> bool:
        """Whether an interval lies entirely outside this range."""
        return (self.above is not None and high <= self.above) or (self.below is not None and low >= self.below)


@dataclass(frozen=True)
class Line:
    """One number that a claim is about, with its confidence intervals.

    Attributes
    ----------
    name : str
        What distinguishes this line from the others of the claim: measure, split, levels.
    quantity : str
        What the number is: ``difference``, ``slope on ranks``.
    claimed : ClaimedRange
        The range in which the number lies according to the claim.
    estimate, low, high : float
        The number and its own confidence interval. The ends are NaN if there are fewer than `needed` repeats.
    wide_low, wide_high : float
        Its simultaneous interval: the level is corrected for the number of lines of the claim (Bonferroni).
    repeats : int
        Number of paired repeats.
    needed : int
        Smallest number of repeats for which an interval is given.
    """

    name: str
    quantity: str
    claimed: ClaimedRange
    estimate: float
    low: float
    high: float
    wide_low: float
    wide_high: float
    repeats: int
    needed: int = 2

    @property
    def verdict(self) -> Verdict:
        """The verdict on this line.

        Its own interval decides whether it is reproduced, and the simultaneous interval whether it is not reproduced.
        """
        if not isfinite(self.low) or not isfinite(self.high):
            return "inconclusive"
        if self.claimed.contains(self.low, self.high):
            return "reproduced"
        return "not reproduced" if self.claimed.excludes(self.wide_low, self.wide_high) else "inconclusive"

    @property
    def margin(self) -> float:
        """Distance from the interval to the nearer end of the claimed range; negative if it is not inside the range."""
        ends = (self.low - (self.claimed.above if self.claimed.above is not None else -float("inf")),
                (self.claimed.below if self.claimed.below is not None else float("inf")) - self.high)  # fmt: skip
        return min(ends) if isfinite(self.low) else -float("inf")

    @property
    def text(self) -> str:
        """The line as text."""
        if not isfinite(self.estimate):
            return f"{self.name}: not measured"
        name = f"{self.name}: {self.quantity} {self.estimate:.3f}"
        if isfinite(self.low):
            return f"{name} ({self.low:.3f} to {self.high:.3f})"
        return f"{name} of {self.repeats} repeat{'s' * (self.repeats != 1)}"


@dataclass(frozen=True, eq=False)
class PendingLine:
    """A line whose intervals are not computed yet.

    Attributes
    ----------
    name, quantity, claimed, needed
        As in :class:`Line`.
    interval : callable
        Takes a confidence level and returns the number with its two-sided interval.
    """

    name: str
    quantity: str
    claimed: ClaimedRange
    interval: Callable[[float], Estimate]
    needed: int = 2


def computed_lines(pending_lines: Iterator[PendingLine], confidence: float) -> tuple[Line, ...]:
    """Compute the intervals of pending lines: for each its own and its simultaneous interval (Bonferroni)."""
    pending = tuple(pending_lines)
    joint_confidence = 1 - (1 - confidence) / max(1, len(pending))
    return tuple(_line(each, each.interval(confidence), each.interval(joint_confidence)) for each in pending)


def overall_verdict(lines: tuple[Line, ...]) -> Verdict:
    """Return the verdict on a claim from its lines. The claim says that all of them are true.

    A claim is reproduced if all of its lines are. If the claim is false, at least one line is false, and the claim can
    be called reproduced only if that line is. So each line may be tested at the full level, whatever the number of
    lines (an intersection-union test). A claim is not reproduced if at least one line is not. Each further line then
    adds a chance of error, so this verdict uses the simultaneous intervals.

    References
    ----------
    Berger (1982): Multiparameter hypothesis testing and acceptance sampling. Technometrics 24.
    """
    verdicts = {line.verdict for line in lines}
    if verdicts == {"reproduced"}:
        return "reproduced"
    return "not reproduced" if "not reproduced" in verdicts else "inconclusive"


def _line(pending: PendingLine, single: Estimate, joint: Estimate) -> Line:
    repeats = single.repeats if isfinite(single.mean) else 0
    ends = (single.low, single.high, joint.low, joint.high) if repeats >= pending.needed else (nan,) * 4
    return Line(pending.name, pending.quantity, pending.claimed, single.mean, *ends, repeats, pending.needed)
