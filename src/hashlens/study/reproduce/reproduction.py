"""What a reproduction found: ours beside the paper's, claims, pictures, and where the numbers come from."""

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
from hashlens.study.reproduce.comparison import Comparison, comparison_table
from hashlens.study.reproduce.picture import Picture
from hashlens.study.reproduce.preset import Preset, Size
from hashlens.study.store.status import duration
from hashlens.study.study import Study

CLAIMS = "Claims, decided on intervals over paired repeats"
VERDICTS: tuple[Verdict, ...] = ("reproduced", "not reproduced", "inconclusive")


@dataclass(frozen=True)
class Provenance(Result):
    """Where the numbers of a reproduction come from.

    Attributes
    ----------
    command : str
        What gives them again.
    seed : int
        What all seeds are drawn from.
    machine : str
        Processor and cores.
    settings : dict of str to str
        Versions, devices, dtypes and threads of the runs; several where they differ.
    networks, trained_now : int
        Networks in all, and those that this call trained: the others were in the store.
    work_seconds : float
        Training and measuring all networks, over all calls and workers.
    failures : tuple of str
        Networks that did not come to their end, and why; they count nowhere.
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
    """A study of the paper done again.

    Attributes
    ----------
    name : str
        As `reproduce` knows it.
    size : str
        ``quick`` or ``paper``.
    preset : Preset
        What was to be shown, and the paper's figures.
    study : Study
        Spec and store; its results are ``study.results``, which JSON leaves where they are.
    comparisons : tuple of Comparison
        Ours beside the paper's; empty where the paper's figures are not known.
    findings : tuple of Finding
        Claims that were put to the test.
    pictures : tuple of Picture
        What is drawn.
    seconds : float
        Wall time of this call.
    provenance : Provenance
        Where the numbers come from.
    folder : Path
        Where everything was written.
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

    @property
    def inside(self) -> bool:
        """Whether no figure is outside its band or bound."""
        return all(comparison.inside is not False for comparison in self.comparisons)

    @property
    def differences(self) -> tuple[str, ...]:
        """Where ours differ from the paper's by more than the band, and which claims are not reproduced, in words."""
        outside = [comparison.sentence for comparison in self.comparisons if comparison.inside is False]
        failing = [
            f"{finding.says}: {finding.counts}: {finding.summary}."
            for finding in self.findings
            if finding.verdict == "not reproduced"
        ]
        return (*outside, *failing)

    def figures(self, name: str | None = None) -> tuple[Figure, ...]:
        """Return the panels of one picture as figure data, of the first unless named.

        Raises
        ------
        StudyError
            If there is none of that name.
        """
        names = [picture.name for picture in self.pictures]
        if name is not None and name not in names:
            raise StudyError(f"{self.name} has no picture {name!r}: {nearest(name, names)}")
        return self.pictures[0 if name is None else names.index(name)].figures()

    def page(self) -> Page:
        """Return the page of the reproduction: beside the paper first, then all that the study found."""
        from hashlens.study.reproduce.page import reproduction_page

        return reproduction_page(self)

    def __rich__(self) -> RenderableType:
        return Group(
            Text(f"{self.preset.title}: {self.preset.shows}", style="bold"),
            Text(f"{self.preset.note}\n", style="dim"),
            *self.parts(everything=not self.comparisons),
        )

    def parts(self, everything: bool) -> Iterator[RenderableType]:
        """Yield tables and lines, for a terminal or a page; the tables of curves only if `everything` is asked for."""
        if self.comparisons and self.preset.reference is not None:
            yield comparison_table(self.comparisons, self.preset.reference.source)
        for picture in self.pictures:
            yield from (part.__rich__() for part in picture.parts if everything or not isinstance(part, Curve))
        if self.findings:
            yield titled_list(CLAIMS, (finding.__rich__() for finding in self.findings))
        yield titled_list("In words", self.conclusion())
        yield titled_list("Origin", provenance_lines(self.provenance, self.seconds))

    def conclusion(self) -> Iterator[str]:
        """Yield what came out, in words."""
        with_band = [comparison for comparison in self.comparisons if comparison.inside is not None]
        if with_band:
            inside = sum(bool(comparison.inside) for comparison in with_band)
            yield f"{inside} of {len(with_band)} figures are inside their band."
        elif not self.comparisons:
            paper = "The paper's figures for this are not known here" if self.preset.expects else "Not in the paper"
            yield f"{paper}: these are ours alone."
        yield from (comparison.sentence for comparison in self.comparisons if comparison.inside is False)
        if self.findings:
            counts = Counter(finding.verdict for finding in self.findings)
            verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
            yield f"Of {len(self.findings)} claim{'s' * (len(self.findings) != 1)}: {verdicts}."
        if self.provenance.failures:
            failures = self.provenance.failures
            yield f"{len(failures)} networks did not come to their end and count nowhere, such as {failures[0]}."


@dataclass(frozen=True)
class TitledList:
    """A heading and lines below it."""

    title: str
    lines: tuple[str, ...]

    def __rich__(self) -> RenderableType:
        return Group(Text(self.title, style="bold"), *(Text(f"- {line}") for line in self.lines), "")


def titled_list(title: str, lines: Iterable[str]) -> TitledList:
    """Return a heading and lines, from any iterable."""
    return TitledList(title, tuple(lines))


def provenance_lines(provenance: Provenance, seconds: float) -> Iterator[str]:
    """Yield where numbers come from, for people."""
    yield f"command: `{provenance.command}`"
    yield f"seed: {provenance.seed}"
    yield f"machine: {provenance.machine}"
    yield from (f"{name}: {value}" for name, value in provenance.settings.items())
    yield f"networks: {provenance.networks:,}, of which {provenance.trained_now:,} trained in this call"
    yield f"wall time of this call: {duration(seconds)}"
    yield f"training and measuring, over all calls and workers: {duration(provenance.work_seconds)}"
