"""The page of a reproduction: first the comparison with the paper, if there is one, then all results of the study."""

from collections.abc import Iterator

from hashlens.errors import StudyError
from hashlens.report.page import Block, Page, Section, charts
from hashlens.study.charts.effects import EffectTable
from hashlens.study.networks.regimes.phase import PhaseChart
from hashlens.study.page.page import opening_of, store_page
from hashlens.study.reproduce.bars import bar_table
from hashlens.study.reproduce.comparison import comparison_table
from hashlens.study.reproduce.picture import Picture
from hashlens.study.reproduce.reproduction import CLAIMS, Reproduction, provenance_lines
from hashlens.tables import Table, table


def reproduction_page(reproduction: Reproduction) -> Page:
    """Return the page of a reproduction."""
    sections, titles, notes = _study_sections(reproduction)
    opening = tuple(section for section in sections if section.title in titles)
    rest = tuple(section for section in sections if section.title not in titles)
    drawn = Section(
        "Comparison with the paper" if reproduction.comparisons else "Figures", tuple(_picture_blocks(reproduction))
    )
    first = (drawn, *opening)
    verdict, *reasons = _verdict(reproduction)
    return Page(
        f"{reproduction.preset.title} ({reproduction.size})",
        reproduction.preset.shows,
        verdict,
        " ".join(reasons),
        (
            *(first if reproduction.comparisons else first[::-1]),
            Section("Claims", tuple(_claims(reproduction))),
            *rest,
            Section("Command", (_command_table(reproduction),)),
        ),
        (reproduction.preset.note, *notes),
        reproduction.provenance.command,
    )


def _study_sections(reproduction: Reproduction) -> tuple[tuple[Section, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the sections of the page of the study, the titles of its first sections, and its notes.

    If the store is gone, as it may be for a reproduction read from a file, there is only a note with the reason.
    """
    try:
        page = store_page(reproduction.study.store)
    except StudyError as missing:
        return (), (), (f"The other results of the study cannot be shown: {missing}",)
    return (
        page.sections,
        tuple(section.title for section in opening_of(reproduction.study.results).sections),
        page.notes,
    )


def _verdict(reproduction: Reproduction) -> Iterator[str]:
    """Yield the conclusion; it names only the figure farthest outside its tolerance, since the table has the others."""
    outside = [comparison for comparison in reproduction.comparisons if comparison.inside is False]
    omitted = {
        comparison.sentence for comparison in sorted(outside, key=lambda comparison: -abs(comparison.difference))[1:]
    }
    for sentence in reproduction.conclusion():
        if sentence not in omitted:
            yield (
                f"Largest difference: {sentence}"
                if any(sentence == comparison.sentence for comparison in outside) and omitted
                else sentence
            )


def _picture_blocks(reproduction: Reproduction) -> Iterator[Block]:
    """Yield the pictures of the reproduction, except phase charts and effects, which the page shows elsewhere."""
    for picture in reproduction.pictures:
        for part, points in zip(picture.parts, picture.paper, strict=True):
            if not isinstance(part, PhaseChart | EffectTable):
                yield from charts(Picture(picture.name, (part,), (points,)).figures())
    if reproduction.comparisons and reproduction.preset.reference is not None:
        yield comparison_table(reproduction.comparisons, reproduction.preset.reference.source)


def _claims(reproduction: Reproduction) -> Iterator[Block]:
    if reproduction.bars:
        yield bar_table(reproduction.bars)
    if reproduction.findings:
        rows = [(finding.says, finding.counts, finding.summary) for finding in reproduction.findings]
        yield table(CLAIMS, ("claim", "verdict", "evidence"), rows, names=3)
    for finding in reproduction.findings:
        yield from finding.charts()


def _command_table(reproduction: Reproduction) -> Table:
    runs_noun = reproduction.study.spec.runs_noun
    provenance = provenance_lines(reproduction.provenance, reproduction.seconds, runs_noun)
    lines = (line.partition(": ") for line in provenance)
    return table(
        "How to reproduce these numbers", ("", ""), [(name, text.strip("`")) for name, _, text in lines], names=2
    )
