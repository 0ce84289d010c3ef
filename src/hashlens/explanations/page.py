"""The page of an explanation."""

from dataclasses import replace
from typing import TYPE_CHECKING

from hashlens.report.blocks import blocks
from hashlens.report.page import Page
from hashlens.report.plain_page import plain_page

if TYPE_CHECKING:
    from hashlens.explanations.explanation import Explanation

KINDS = {
    "image": ("image", "images"),
    "signal": ("signal", "signals"),
    "spectrogram": ("spectrogram", "spectrograms"),
    "table": ("row of a table", "rows of a table"),
    "text": ("text", "texts"),
}


def explanation_page(explanation: "Explanation") -> Page:
    """Return the page of an explanation, titled with its method and the explained class; a rule is the verdict."""
    shown = replace(explanation, notes=())
    page = plain_page("Explanation", blocks(shown.__rich__()), shown.figures())
    texts = [text for text in (page.verdict, page.reason, *page.notes) if text]
    verdict = texts.pop(0) if explanation.rule else ""
    n, method = len(explanation), explanation.method.replace("_", " ").capitalize()
    classes = {explanation.class_name(row) for row in range(len(explanation.target))}
    one, many = KINDS[explanation.kind]
    return replace(
        page,
        title=f"{method}: {classes.pop()}" if len(classes) == 1 else method,
        subtitle=f"1 {one}" if n == 1 else f"{n:,} {many}",
        verdict=verdict,
        # A page without a verdict does not show a reason.
        reason="; ".join(texts) if verdict else "",
        notes=explanation.notes if verdict else (*texts, *explanation.notes),
    )
