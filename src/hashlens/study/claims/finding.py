"""Findings: the result of testing a claim, with its numbers and verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, ClassVar

from hashlens.plain import fields_from_plain, written_as
from hashlens.report.figures import Figure, Intervals
from hashlens.report.page import Chart, Page, Section
from hashlens.result import Result
from hashlens.study.claims.lines import ClaimedRange, Line, Verdict
from hashlens.tables import Table, table

SHOWN = 3
"""Largest number of lines in a summary; `to_dict` has all."""


@dataclass(frozen=True)
class Finding(Result):
    """Result of testing a claim.

    A claim is about one or more numbers, its lines. Each line has an interval of its own, and a simultaneous interval,
    which is wider because it allows for the number of lines. A claim is **reproduced** if every line has its own
    interval entirely inside the claimed range, **not reproduced** if some line has its simultaneous interval entirely
    outside, and **inconclusive** otherwise: more repeats are needed.

    Attributes
    ----------
    says : str
        The claim in words.
    claim : str
        Kind of claim: ``difference``, ``equivalence``, ``trend``, ``correlation`` or ``threshold``.
    verdict : {"reproduced", "not reproduced", "inconclusive"}
        The verdict.
    lines : tuple of Line
        Numbers that decide the verdict: one for each measure, split and level in the claim.
    confidence : float
        Confidence level of the two-sided intervals.
    why : str
        Why there are no lines; empty if there are.
    """

    schema_version: ClassVar[int] = 2

    says: str
    claim: str
    verdict: Verdict
    lines: tuple[Line, ...]
    confidence: float
    why: str = ""

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "Result":
        """Return the finding from a dict; from schema version 1, an :class:`EarlierFinding`."""
        return fields_from_plain(EarlierFinding if "holding" in body else cls, body)  # type: ignore[no-any-return]

    @property
    def reproduced(self) -> bool:
        """Whether the verdict is ``reproduced``."""
        return self.verdict == "reproduced"

    @property
    def deciding(self) -> tuple[Line, ...]:
        """Lines whose verdict is that of the claim; all lines if the claim is reproduced.

        If it is reproduced, the lines closest to the claimed bounds come first. Otherwise the lines without an interval
        come first, and then those whose intervals reach farthest beyond the bounds.
        """
        return tuple(
            sorted((line for line in self.lines if line.verdict == self.verdict), key=lambda line: line.margin)
        )

    @property
    def estimate(self) -> float:
        """Estimate of the first deciding line; NaN if there is none."""
        return self.deciding[0].estimate if self.deciding else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of the first deciding line; NaN if there is none."""
        return (self.deciding[0].low, self.deciding[0].high) if self.deciding else (float("nan"), float("nan"))

    @property
    def hint(self) -> str:
        """Advice on how to decide an inconclusive claim; otherwise empty."""
        if self.verdict != "inconclusive":
            return ""
        too_few = [line for line in self.deciding if line.repeats < line.needed]
        if not self.lines or any(line.repeats == 0 for line in too_few):
            return self.why or "a quantity of the claim was not measured"
        if too_few:
            repeats, needed = min(line.repeats for line in too_few), max(line.needed for line in too_few)
            repeats_text = "1 repeat gives" if repeats == 1 else f"{repeats} repeats give"
            return f"{repeats_text} no interval: {needed} or more are needed"
        return "more repeats are needed"

    @property
    def summary(self) -> str:
        """The first deciding lines and the hint, in one phrase; only one line if the claim is reproduced."""
        first = self.deciding[: 1 if self.reproduced else SHOWN]
        others = len(self.deciding) - len(first)
        parts = [f"{line.text}, claimed {line.claimed.text}" for line in first]
        if others and not self.reproduced:
            parts.append(f"and {others} more")
        closest = "closest " if self.reproduced and others else ""
        return closest + "; ".join(parts) + (f": {self.hint}" if self.hint else "")

    @property
    def counts(self) -> str:
        """Verdict with counts of lines: ``reproduced``, or ``inconclusive, 3 of 4 lines reproduced``."""
        reproduced = sum(line.verdict == "reproduced" for line in self.lines)
        if self.reproduced or len(self.lines) < 2:
            return self.verdict
        return f"{self.verdict}, {reproduced} of {len(self.lines)} lines reproduced"

    def __rich__(self) -> str:
        return f"{self.says}: {self.counts} – {self.summary}".removesuffix(" – ")

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values, each line with its own verdict."""
        body = super().to_dict()
        for line, line_body in zip(self.lines, body["lines"], strict=True):
            line_body["verdict"] = line.verdict
        return body

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the lines with their intervals, one for each quantity and its claimed range."""
        return tuple(chart.figure for chart in self.charts())

    def charts(self) -> tuple[Chart, ...]:
        """Return the figures of :meth:`figures`, each with the table of its lines."""
        measured = [line for line in self.lines if isfinite(line.low)]
        groups = dict.fromkeys((line.quantity, line.claimed) for line in measured)
        return tuple(
            self._chart(*group, [line for line in measured if (line.quantity, line.claimed) == group])
            for group in groups
        )

    def _chart(self, quantity: str, claimed: ClaimedRange, lines: Sequence[Line]) -> Chart:
        figure = Intervals(
            f"{self.says}: {self.verdict}",
            f"{quantity}, claimed {claimed.text}; {self.confidence:.0%} intervals",
            tuple(line.name for line in lines),
            tuple(line.estimate for line in lines),
            tuple((line.low, line.high) for line in lines),
        )
        return Chart(figure, self.table(lines))

    def table(self, lines: Sequence[Line] | None = None) -> Table:
        """Return a table of lines, by default all, with their intervals and verdicts."""
        rows = [
            (line.name, line.quantity, f"{line.estimate:.4f}", _ends(line.low, line.high), line.claimed.text,
             str(line.repeats), line.verdict)
            for line in (self.lines if lines is None else lines)
        ]  # fmt: skip
        columns = ("", "", "estimate", f"{self.confidence:.0%} interval", "claimed", "repeats", "")
        return table(self.says, columns, rows, f"{self.counts}. {self.hint}".strip(), names=2)

    def page(self) -> Page:
        """Return the page of a finding: the verdict, the intervals, every line."""
        section = Section("Tested quantities", (*self.charts(), self.table()))
        return Page(self.says, f"A claim: {self.claim}", self.counts, self.summary, (section,))


@dataclass(frozen=True)
class EarlierFinding(Result):
    """A finding of an earlier version, tested on means with a tolerance of 0.01 and without intervals.

    Attributes
    ----------
    says : str
        The claim in words.
    true_count, tested_count : int
        Number of lines for which it was true, and number of all lines.
    evidence : tuple of str
        The lines for which it was not true; if it was true for all, one example.
    """

    says: str
    true_count: int = field(metadata=written_as("holding"))
    tested_count: int = field(metadata=written_as("tested"))
    evidence: tuple[str, ...]

    verdict: ClassVar[Verdict] = "inconclusive"

    @property
    def counts(self) -> str:
        """Counts of lines, in words."""
        whole = 0 < self.tested_count == self.true_count
        outcome = (
            "held on means"
            if whole
            else f"held on means for {self.true_count} of {self.tested_count}, not for the others"
        )
        return f"{outcome}, which is not a verdict"

    @property
    def summary(self) -> str:
        """The first pieces of evidence, and the number of the others, in one phrase."""
        others = len(self.evidence) - SHOWN
        return "; ".join((*self.evidence[:SHOWN], *([f"and {others} more"] if others > 0 else [])))

    def charts(self) -> tuple[Chart, ...]:
        """Return no charts, since there were no intervals."""
        return ()

    def __rich__(self) -> str:
        return f"{self.says}: {self.counts} – {self.summary}"


def _ends(low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}" if isfinite(low) else "–"
