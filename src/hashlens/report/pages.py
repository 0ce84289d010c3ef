"""The page of any result: its own where it has one, otherwise its figures and its tables."""

import re
from importlib import import_module
from pathlib import Path

from hashlens.report.blocks import blocks
from hashlens.report.page import Block, Chart, Page, Prose, Section, write_page
from hashlens.result import Result

OWN = {
    "Measurement": "hashlens.report.measurement:measurement_page",
    "Audit": "hashlens.report.audit:audit_page",
    "Results": "hashlens.report.study_page:study_page",
    "Explanation": "hashlens.report.explanation_page:explanation_page",
    "PhaseChart": "hashlens.report.study_page:chart_page",
    "PhaseSlices": "hashlens.report.study_page:slices_page",
    "PhaseSensitivity": "hashlens.report.study_page:sensitivity_page",
    "Curve": "hashlens.report.study_page:curve_page",
    "EffectTable": "hashlens.report.study_page:effects_page",
    "Reproduction": "hashlens.report.reproduction_page:reproduction_page",
    "Plane": "hashlens.report.plane_page:plane_page",
    "PlaneTable": "hashlens.report.plane_page:plane_table_page",
    "SavedPlane": "hashlens.report.plane_page:saved_plane_page",
}
"""Results with a page of their own, and the functions that build them: names, so that a page imports one of them."""


def page_of(result: Result) -> Page:
    """Return the page of a result."""
    for kind in type(result).__mro__:
        if kind.__name__ in OWN:
            module, name = OWN[kind.__name__].split(":")
            page: Page = getattr(import_module(module), name)(result)
            return page
    return plain_page(result)


def plain_page(result: Result) -> Page:
    """Return the page of a result that has none of its own."""
    shown = blocks(result.__rich__())
    pictures = tuple(map(Chart, result.figures()))
    titled = [block for block in shown if not isinstance(block, Prose)]
    told = [block.text for block in shown if isinstance(block, Prose)]
    title = spaced(type(result).__name__)
    sections: list[Section] = []
    if pictures:
        sections.append(Section("Pictures", pictures))
    if titled:
        sections.append(Section("Numbers", tuple[Block, ...](titled)))
    return Page(title, "", told[0] if told else "", " ".join(told[1:2]), tuple(sections), tuple(told[2:]))


def spaced(name: str) -> str:
    """Return the name of a class as words.

    >>> spaced("LabelIssues")
    'Label issues'
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return " ".join(words).capitalize()


def write_result(result: Result, path: str | Path) -> Path:
    """Write the page of a result; see :func:`hashlens.report.page.write_page`."""
    return write_page(page_of(result), path)
