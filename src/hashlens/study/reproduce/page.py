"""The page of a reproduction: ours beside the paper's first, where it is known, then all that the study found."""

from collections.abc import Iterator

from hashlens.errors import StudyError
from hashlens.report.page import Block, Page, Section, charts
from hashlens.study.charts.effects import EffectTable
from hashlens.study.networks.regimes.phase import PhaseChart
from hashlens.study.page.page import opening_of, store_page
from hashlens.study.reproduce.comparison import comparison_table
from hashlens.study.reproduce.picture import Picture
from hashlens.study.reproduce.reproduction import CLAIMS, Reproduction, provenance_lines
from hashlens.tables import Table, table


def reproduction_page(reproduction: Reproduction) -> Page:
    """Return the page of a reproduction."""
    sections, titles, notes = _study_sections(reproduction)
    opening = tuple(section for section in sections if section.title in titles)
    rest = tuple(section for section in sections if section.title not in titles)
    drawn = Section("Beside the paper" if reproduction.comparisons else "Figures", tuple(_picture_blocks(reproduction)))
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
            Section("Command", (_call(reproduction),)),
        ),
        (reproduction.preset.note, *notes),
        reproduction.provenance.command,
    )


def _study_sections(reproduction: Reproduction) -> tuple[tuple[Section, ...], tuple[str, ...], tuple[str, ...]]:
    """Return what the page of the study shows, titles of what comes first there, and its notes.

    Of one read back whose store is gone, only why.
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
    """Yield the conclusion, of all figures outside their band only the furthest: the table has the others."""
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
    """Yield what the reproduction draws, but the phase chart and the effects, which the page shows otherwise."""
    for picture in reproduction.pictures:
        for part, points in zip(picture.parts, picture.paper, strict=True):
            if not isinstance(part, PhaseChart | EffectTable):
                yield from charts(Picture(picture.name, (part,), (points,)).figures())
    if reproduction.comparisons and reproduction.preset.reference is not None:
        yield comparison_table(reproduction.comparisons, reproduction.preset.reference.source)


def _claims(reproduction: Reproduction) -> Iterator[Block]:
    if reproduction.findings:
        rows = [(finding.says, finding.counts, finding.summary) for finding in reproduction.findings]
        yield table(CLAIMS, ("claim", "verdict", "evidence"), rows, names=3)
    for finding in reproduction.findings:
        yield from finding.charts()


def _call(reproduction: Reproduction) -> Table:
    lines = (line.partition(": ") for line in provenance_lines(reproduction.provenance, reproduction.seconds))
    return table(
        "How to reproduce these numbers", ("", ""), [(name, said.strip("`")) for name, _, said in lines], names=2
    )
