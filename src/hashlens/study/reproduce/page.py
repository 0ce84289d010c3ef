"""The page of a reproduction: ours beside the paper's first, where it is known, then all that the study found."""

from collections.abc import Iterator

from hashlens.errors import StudyError
from hashlens.report.page import Block, Page, Section, charts
from hashlens.study.charts.effects import EffectTable
from hashlens.study.charts.phase import PhaseChart
from hashlens.study.page.page import store_page
from hashlens.study.reproduce.comparison import comparison_table
from hashlens.study.reproduce.picture import Picture
from hashlens.study.reproduce.reproduction import CLAIMS, Reproduction, provenance_lines
from hashlens.tables import Table, table


def reproduction_page(done: Reproduction) -> Page:
    """Return the page of a reproduction."""
    sections, notes = _found(done)
    regimes = tuple(section for section in sections if section.title == "Regimes")
    rest = tuple(section for section in sections if section.title != "Regimes")
    drawn = Section("Beside the paper" if done.comparisons else "What was drawn", tuple(_beside(done)))
    first = (drawn, *regimes)
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
            Section("This call", (_call(done),)),
        ),
        (done.preset.note, *notes),
        done.provenance.command,
    )


def _found(done: Reproduction) -> tuple[tuple[Section, ...], tuple[str, ...]]:
    """Return what the page of the study shows, and its notes; of one read back whose store is gone, only why."""
    try:
        page = store_page(done.study.store)
    except StudyError as missing:
        return (), (f"All that the study found beside this cannot be shown: {missing}",)
    return page.sections, page.notes


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
        yield table(CLAIMS, ("claim", "here", "what decides it"), rows, names=3)
    for at in done.findings:
        yield from at.charts()


def _call(done: Reproduction) -> Table:
    lines = (line.partition(": ") for line in provenance_lines(done.provenance, done.seconds))
    return table(
        "What gives these numbers again", ("", ""), [(name, said.strip("`")) for name, _, said in lines], names=2
    )
