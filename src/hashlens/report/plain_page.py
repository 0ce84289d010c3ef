"""The default page of a result: its figures and its tables."""

import re
from collections.abc import Sequence

from hashlens.report.figures import Figure
from hashlens.report.page import Block, Page, Prose, Section, charts


def plain_page(kind: str, shown: Sequence[Block], figures: Sequence[Figure]) -> Page:
    """Return a page with figures first, then tables; the first paragraph is its verdict.

    Parameters
    ----------
    kind : str
        Class name of the result; the title is this name as words.
    shown : sequence of Block
        The terminal output of the result, as blocks.
    figures : sequence of Figure
        Figures of the result.
    """
    titled = tuple(block for block in shown if not isinstance(block, Prose))
    prose = [block.text for block in shown if isinstance(block, Prose)]
    sections: list[Section] = []
    if figures:
        sections.append(Section("Pictures", charts(figures)))
    if titled:
        sections.append(Section("Numbers", titled))
    return Page(
        class_words(kind), "", prose[0] if prose else "", " ".join(prose[1:2]), tuple(sections), tuple(prose[2:])
    )


def class_words(name: str) -> str:
    """Return a class name as separate words.

    >>> class_words("LabelIssues")
    'Label issues'
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return " ".join(words).capitalize()
