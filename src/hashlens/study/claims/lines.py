"""The numbers that a claim is about, one line each, and what their intervals say of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from hashlens.study.charts.intervals import Estimate

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]


@dataclass(frozen=True)
class ClaimedRange:
    """Where a claim says that a number lies: strictly between two ends, of which one may be missing.

    Attributes
    ----------
    above, below : float or None
        The ends.
    """

    above: float | None = None
    below: float | None = None

    @property
    def text(self) -> str:
        """The same for people.

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
        """Whether an interval lies wholly in this range."""
        return (self.above is None or low > self.above) and (self.below is None or high < self.below)

    def excludes(self, low: float, high: float) -> bool:
        """Whether an interval lies wholly outside of this range."""
        return (self.above is not None and high <= self.above) or (self.below is not None and low >= self.below)


@dataclass(frozen=True)
class Line:
    """One number that a claim is about, with its interval.

    Attributes
    ----------
    name : str
        What tells it from the others: measure, split, levels.
    quantity : str
        What the number is: ``difference``, ``slope on ranks``.
    claimed : ClaimedRange
        Where the claim wants it.
    estimate, low, high : float
        The number and its interval; ends are not a number where there are too few repeats.
    wide_low, wide_high : float
        The simultaneous interval of all lines of the claim.
    repeats : int
        Paired repeats that it comes from.
    needed : int
        Repeats from which on there is an interval.
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
        """Of this line: its own interval can be right, the simultaneous one can be wrong."""
        if not isfinite(self.low) or not isfinite(self.high):
            return "inconclusive"
        if self.claimed.contains(self.low, self.high):
            return "reproduced"
        return "not reproduced" if self.claimed.excludes(self.wide_low, self.wide_high) else "inconclusive"

    @property
    def margin(self) -> float:
        """By how much its interval is inside the claimed range; below 0 it is not inside."""
        ends = (self.low - (self.claimed.above if self.claimed.above is not None else -float("inf")),
                (self.claimed.below if self.claimed.below is not None else float("inf")) - self.high)  # fmt: skip
        return min(ends) if isfinite(self.low) else -float("inf")

    @property
    def text(self) -> str:
        """The line for people."""
        if not isfinite(self.estimate):
            return f"{self.name}: not measured"
        name = f"{self.name}: {self.quantity} {self.estimate:.3f}"
        if isfinite(self.low):
            return f"{name} ({self.low:.3f} to {self.high:.3f})"
        return f"{name} of {self.repeats} repeat{'s' * (self.repeats != 1)}"


@dataclass(frozen=True, eq=False)
class Question:
    """A line that is still to be answered.

    Attributes
    ----------
    name, quantity, claimed, needed
        As of :class:`Line`.
    interval : callable
        Takes a level of confidence, and returns the number with its two-sided interval.
    """

    name: str
    quantity: str
    claimed: ClaimedRange
    interval: Callable[[float], Estimate]
    needed: int = 2


def answered(questions: Iterator[Question], confidence: float) -> tuple[Line, ...]:
    """Answer questions, with the intervals of each alone, and of all at once (Bonferroni's)."""
    claimed = tuple(questions)
    joint_confidence = 1 - (1 - confidence) / max(1, len(claimed))
    return tuple(
        _line(question, question.interval(confidence), question.interval(joint_confidence)) for question in claimed
    )


def overall(lines: tuple[Line, ...]) -> Verdict:
    """Return the verdict on a claim that is about all of these lines.

    A claim that is false is false in one line at least, and is called reproduced only if that line is: so each line
    may be tested at the full level (an intersection-union test), however many they are. It is called not reproduced if
    a single line is, and there each further line is a further chance to err: so that takes the simultaneous interval.

    References
    ----------
    Berger (1982): Multiparameter hypothesis testing and acceptance sampling. Technometrics 24.
    """
    verdicts = {line.verdict for line in lines}
    if verdicts == {"reproduced"}:
        return "reproduced"
    return "not reproduced" if "not reproduced" in verdicts else "inconclusive"


def _line(question: Question, single: Estimate, joint: Estimate) -> Line:
    repeats = single.repeats if isfinite(single.mean) else 0
    ends = (single.low, single.high, joint.low, joint.high) if repeats >= question.needed else (nan,) * 4
    return Line(question.name, question.quantity, question.claimed, single.mean, *ends, repeats, question.needed)
