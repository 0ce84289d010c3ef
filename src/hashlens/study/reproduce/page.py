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


def reproduction_page(done: Reproduction) -> Page:
    """Return the page of a reproduction."""
    sections, titles, notes = _found(done)
    opening = tuple(section for section in sections if section.title in titles)
    rest = tuple(section for section in sections if section.title not in titles)
    drawn = Section("Beside the paper" if done.comparisons else "Figures", tuple(_beside(done)))
    first = (drawn, *opening)
    verdict, *reasons = _verdict(done)
    return Page(
        f"{done.preset.title} ({done.size})",
        done.preset.shows,
        verdict,
        " ".join(reasons),
        (
            *(first if done.comparisons else first[::-1]),
            Section("Claims", tuple(_claims(done))),
            *rest,
            Section("Command", (_call(done),)),
        ),
        (done.preset.note, *notes),
        done.provenance.command,
    )


def _found(done: Reproduction) -> tuple[tuple[Section, ...], tuple[str, ...], tuple[str, ...]]:
    """Return what the page of the study shows, titles of what comes first there, and its notes.

    Of one read back whose store is gone, only why.
    """
    try:
        page = store_page(done.study.store)
    except StudyError as missing:
        return (), (), (f"All that the study found beside this cannot be shown: {missing}",)
    return page.sections, tuple(section.title for section in opening_of(done.study.results).sections), page.notes


def _verdict(done: Reproduction) -> Iterator[str]:
    """Yield the conclusion, of all figures outside their band only the furthest: the table has the others."""
    outside = [one for one in done.comparisons if one.inside is False]
    left_out = {one.sentence for one in sorted(outside, key=lambda one: -abs(one.difference))[1:]}
    for said in done.conclusion():
        if said not in left_out:
            yield f"Furthest off: {said}" if any(said == one.sentence for one in outside) and left_out else said


def _beside(done: Reproduction) -> Iterator[Block]:
    """Yield what the reproduction draws, but the phase chart and the effects, which the page shows otherwise."""
    for one in done.pictures:
        for part, points in zip(one.parts, one.paper, strict=True):
            if not isinstance(part, PhaseChart | EffectTable):
                yield from charts(Picture(one.name, (part,), (points,)).figures())
    if done.comparisons and done.preset.reference is not None:
        yield comparison_table(done.comparisons, done.preset.reference.source)


def _claims(done: Reproduction) -> Iterator[Block]:
    if done.findings:
        rows = [(at.says, at.counts, at.shown) for at in done.findings]
        yield table(CLAIMS, ("claim", "verdict", "what decides it"), rows, names=3)
    for at in done.findings:
        yield from at.charts()


def _call(done: Reproduction) -> Table:
    lines = (line.partition(": ") for line in provenance_lines(done.provenance, done.seconds))
    return table(
        "What gives these numbers again", ("", ""), [(name, said.strip("`")) for name, _, said in lines], names=2
    )
