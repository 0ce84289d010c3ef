"""Results of a reproduction: our numbers compared with the paper's, claims, pictures, and provenance."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.errors import StudyError, nearest
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.study.charts.curves import Curve
from hashlens.study.claims.finding import EarlierFinding, Finding
from hashlens.study.claims.lines import Verdict
from hashlens.study.reproduce.bars import BarCheck, bar_table
from hashlens.study.reproduce.comparison import Comparison, comparison_table
from hashlens.study.reproduce.picture import Picture
from hashlens.study.reproduce.preset import Preset, Size
from hashlens.study.store.status import duration
from hashlens.study.study import Study

CLAIMS = "Claims, decided on intervals over paired repeats"
VERDICTS: tuple[Verdict, ...] = ("reproduced", "not reproduced", "inconclusive")


@dataclass(frozen=True)
class Provenance(Result):
    """Provenance of the numbers of a reproduction.

    Attributes
    ----------
    command : str
        The command that computes the numbers again.
    seed : int
        Seed of the study; all other seeds are derived from it.
    machine : str
        Processor and number of cores.
    settings : dict of str to str
        Versions, devices, dtypes and thread counts of the runs; several values if the runs differ.
    networks, trained_now : int
        Number of all networks, and of those that this call trained; the others were already in the store.
    work_seconds : float
        Time for training and measuring all networks, summed over all calls and workers.
    failures : tuple of str
        Networks whose run failed, and why; they are left out of all results.
    """

    command: str
    seed: int
    machine: str
    settings: dict[str, str]
    networks: int
    trained_now: int
    work_seconds: float
    failures: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Reproduction(Result):
    """A repetition of a study of the paper.

    Attributes
    ----------
    name : str
        Name of the preset, as passed to `reproduce`.
    size : str
        ``quick`` or ``paper``.
    preset : Preset
        The definition of the study, and the paper's figures.
    study : Study
        Spec and store. Its results are ``study.results``; they are not written to JSON.
    comparisons : tuple of Comparison
        Our figures compared with the paper's; empty if the paper's figures are not known.
    findings : tuple of Finding
        Results of the tests of claims.
    pictures : tuple of Picture
        The pictures of the results.
    seconds : float
        Wall time of this call.
    provenance : Provenance
        Provenance of the numbers.
    folder : Path
        The folder in which everything was written.
    bars : tuple of BarCheck
        Values that medians over the repeats must reach, and whether they do.
    """

    name: str
    size: Size
    preset: Preset
    study: Study
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding | EarlierFinding, ...]
    pictures: tuple[Picture, ...]
    seconds: float
    provenance: Provenance
    folder: Path
    bars: tuple[BarCheck, ...] = ()

    @property
    def inside(self) -> bool:
        """Whether no figure (number) is outside its tolerance or above its upper bound."""
        return all(comparison.inside is not False for comparison in self.comparisons)

    @property
    def differences(self) -> tuple[str, ...]:
        """A sentence for each figure outside its tolerance or bound, and for each claim that is not reproduced."""
        outside = [comparison.sentence for comparison in self.comparisons if comparison.inside is False]
        failing = [
            f"{finding.says}: {finding.counts}: {finding.summary}."
            for finding in self.findings
            if finding.verdict == "not reproduced"
        ]
        return (*outside, *failing)

    def figures(self, name: str | None = None) -> tuple[Figure, ...]:
        """Return the panels of one picture as figure data, by default those of the first picture.

        Raises
        ------
        StudyError
            If there is no picture of that name.
        """
        names = [picture.name for picture in self.pictures]
        if name is not None and name not in names:
            raise StudyError(f"{self.name} has no picture {name!r}: {nearest(name, names)}")
        return self.pictures[0 if name is None else names.index(name)].figures()

    def page(self) -> Page:
        """Return the page of the reproduction: first the comparison with the paper, then all results of the study."""
        from hashlens.study.reproduce.page import reproduction_page

        return reproduction_page(self)

    def __rich__(self) -> RenderableType:
        return Group(
            Text(f"{self.preset.title}: {self.preset.shows}", style="bold"),
            Text(f"{self.preset.note}\n", style="dim"),
            *self.parts(everything=not self.comparisons),
        )

    def parts(self, everything: bool) -> Iterator[RenderableType]:
        """Yield tables and lines, for a terminal or a page; tables of curves only if `everything` is true."""
        if self.comparisons and self.preset.reference is not None:
            yield comparison_table(self.comparisons, self.preset.reference.source)
        for picture in self.pictures:
            yield from (part.__rich__() for part in picture.parts if everything or not isinstance(part, Curve))
        if self.bars:
            yield bar_table(self.bars)
        if self.findings:
            yield titled_list(CLAIMS, (finding.__rich__() for finding in self.findings))
        yield titled_list("Summary", self.conclusion())
        yield titled_list("Origin", provenance_lines(self.provenance, self.seconds, self.study.spec.runs_noun))

    def conclusion(self) -> Iterator[str]:
        """Yield the conclusions as sentences."""
        with_band = [comparison for comparison in self.comparisons if comparison.inside is not None]
        if with_band:
            inside = sum(bool(comparison.inside) for comparison in with_band)
            yield f"{inside} of {len(with_band)} figures are within their tolerance."
        elif not self.comparisons:
            paper = (
                "The paper's figures for this study are not known"
                if self.preset.expects
                else ("The paper has no such figures")
            )
            yield f"{paper}: the tables show only our results."
        yield from (comparison.sentence for comparison in self.comparisons if comparison.inside is False)
        if self.bars:
            missed = [check.says for check in self.bars if not check.met]
            rest = f"; not met: {'; '.join(missed)}" if missed else ""
            yield f"{len(self.bars) - len(missed)} of {len(self.bars)} bars are met by medians{rest}."
        if self.findings:
            counts = Counter(finding.verdict for finding in self.findings)
            verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
            yield f"Of {len(self.findings)} claim{'s' * (len(self.findings) != 1)}: {verdicts}."
        if self.provenance.failures:
            failures = self.provenance.failures
            runs_noun = self.study.spec.runs_noun
            yield f"{len(failures)} {runs_noun} failed and are left out of all numbers, such as {failures[0]}."


@dataclass(frozen=True)
class TitledList:
    """A heading and the lines of a list below it."""

    title: str
    lines: tuple[str, ...]

    def __rich__(self) -> RenderableType:
        return Group(Text(self.title, style="bold"), *(Text(f"- {line}") for line in self.lines), "")


def titled_list(title: str, lines: Iterable[str]) -> TitledList:
    """Return a titled list of the lines of any iterable."""
    return TitledList(title, tuple(lines))


def provenance_lines(provenance: Provenance, seconds: float, runs_noun: str = "networks") -> Iterator[str]:
    """Yield the provenance of the numbers as readable lines; `runs_noun` says what was done: networks, or runs."""
    yield f"command: `{provenance.command}`"
    yield f"seed: {provenance.seed}"
    yield f"machine: {provenance.machine}"
    yield from (f"{name}: {value}" for name, value in provenance.settings.items())
    done = "trained" if runs_noun == "networks" else "done"
    yield f"{runs_noun}: {provenance.networks:,}, of which {provenance.trained_now:,} {done} in this call"
    yield f"wall time of this call: {duration(seconds)}"
    yield f"training and measuring, over all calls and workers: {duration(provenance.work_seconds)}"
