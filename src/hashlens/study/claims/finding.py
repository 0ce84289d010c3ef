"""Findings: a claim, the numbers that decide it, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

from hashlens.report.figures import Figure, Intervals
from hashlens.report.page import Chart, Page, Section
from hashlens.result import Result
from hashlens.study.claims.lines import ClaimedRange, Line, Verdict
from hashlens.tables import Table, table

SHOWN = 3
"""Lines that are printed; all are in `to_dict`."""


@dataclass(frozen=True)
class Finding(Result):
    """A claim, and whether it is reproduced here.

    It is **reproduced** if the interval of every line lies wholly where the claim wants it, **not reproduced** if the
    simultaneous interval of some line lies wholly elsewhere, and **inconclusive** else: more repeats are needed.

    Attributes
    ----------
    says : str
        The claim.
    claim : str
        Its kind: ``difference``, ``equivalence``, ``trend``, ``correlation`` or ``threshold``.
    verdict : {"reproduced", "not reproduced", "inconclusive"}
        What came out.
    lines : tuple of Line
        The numbers that decide it: of each measure, split and level that it is about.
    confidence : float
        Level of the two-sided intervals.
    why : str
        Why there are no lines, where there are none.
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
        """Return the finding that a dict holds; of schema version 1, what it said of means."""
        from hashlens.plain import rebuilt_fields

        return rebuilt_fields(EarlierFinding if "holding" in body else cls, body)  # type: ignore[no-any-return]

    @property
    def reproduced(self) -> bool:
        """Whether the verdict is that."""
        return self.verdict == "reproduced"

    @property
    def deciding(self) -> tuple[Line, ...]:
        """The lines that the verdict is owed to, those first that have the least room; of many reproduced, all."""
        return tuple(
            sorted((line for line in self.lines if line.verdict == self.verdict), key=lambda line: line.margin)
        )

    @property
    def estimate(self) -> float:
        """The number of the line that the verdict is owed to most."""
        return self.deciding[0].estimate if self.deciding else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Its interval."""
        return (self.deciding[0].low, self.deciding[0].high) if self.deciding else (float("nan"), float("nan"))

    @property
    def hint(self) -> str:
        """What decides a claim that is inconclusive; empty for the others."""
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
        """Tested quantities, in one phrase: the closest line of those reproduced, or the first of the others."""
        first = self.deciding[: 1 if self.reproduced else SHOWN]
        others = len(self.deciding) - len(first)
        parts = [f"{line.text}, claimed {line.claimed.text}" for line in first]
        if others and not self.reproduced:
            parts.append(f"and {others} more")
        closest = "closest " if self.reproduced and others else ""
        return closest + "; ".join(parts) + (f": {self.hint}" if self.hint else "")

    @property
    def counts(self) -> str:
        """How many lines went which way: ``reproduced``, or ``inconclusive, 3 of 4 lines reproduced``."""
        reproduced = sum(line.verdict == "reproduced" for line in self.lines)
        if self.reproduced or len(self.lines) < 2:
            return self.verdict
        return f"{self.verdict}, {reproduced} of {len(self.lines)} lines reproduced"

    def __rich__(self) -> str:
        return f"{self.says}: {self.counts} – {self.summary}".removesuffix(" – ")

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, each line with its own verdict."""
        body = super().to_dict()
        for line, line_body in zip(self.lines, body["lines"], strict=True):
            line_body["verdict"] = line.verdict
        return body

    def figures(self) -> tuple[Figure, ...]:
        """Return the lines with their intervals, a figure for each quantity and its claimed range."""
        return tuple(chart.figure for chart in self.charts())

    def charts(self) -> tuple[Chart, ...]:
        """Return the same figures, each with the table of its lines."""
        measured = [line for line in self.lines if isfinite(line.low)]
        kinds = dict.fromkeys((line.quantity, line.claimed) for line in measured)
        return tuple(
            self._chart(*kind, [line for line in measured if (line.quantity, line.claimed) == kind]) for kind in kinds
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
        """Return lines with their intervals, all unless told otherwise, and the verdict on each."""
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
    """A claim as it was tested before there were verdicts: on means, with a tolerance of .01 and no interval.

    Attributes
    ----------
    says : str
        The claim.
    holding, tested : int
        Lines of numbers for which it held, and all of them.
    evidence : tuple of str
        Where it did not hold, how; where it held everywhere, one example.
    """

    says: str
    holding: int
    tested: int
    evidence: tuple[str, ...]

    verdict: ClassVar[Verdict] = "inconclusive"

    @property
    def counts(self) -> str:
        """What was said of it."""
        whole = 0 < self.tested == self.holding
        said = "held on means" if whole else f"held on means for {self.holding} of {self.tested}, not for the others"
        return f"{said}, which is not a verdict"

    @property
    def summary(self) -> str:
        """The first of the evidence, as one phrase."""
        others = len(self.evidence) - SHOWN
        return "; ".join((*self.evidence[:SHOWN], *([f"and {others} more"] if others > 0 else [])))

    def charts(self) -> tuple[Chart, ...]:
        """Return nothing: there were no intervals."""
        return ()

    def __rich__(self) -> str:
        return f"{self.says}: {self.counts} – {self.summary}"


def _ends(low: float, high: float) -> str:
    return f"{low:.4f} to {high:.4f}" if isfinite(low) else "–"
