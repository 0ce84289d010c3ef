"""Display of names as plain text in matplotlib: it would read some as formulas and hide others."""

from typing import TYPE_CHECKING, Any

from hashlens.visible import escape_unsafe

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def legend_name(name: str) -> str:
    """Return a name for a legend; a legend hides names that begin with an underscore, so these get a hair space."""
    return f"\u200a{name}" if name.startswith("_") else name


def show_text_literally(canvas: "Canvas") -> None:
    """Show all text of a picture literally: no formulas between dollar signs, no control characters.

    Tick labels that matplotlib makes itself stay unchanged, because its powers of ten are formulas.
    """
    from matplotlib.text import Text

    numbers: set[Text] = set()
    for axes in canvas.axes:
        if not axes.axison:  # it has no tick labels, and making some takes long
            continue
        for axis in (axes.xaxis, axes.yaxis):
            numbers |= _numbers(axis)
    for text in canvas.findobj(Text):
        assert isinstance(text, Text)
        if text not in numbers:
            text.set_parse_math(False)
            text.set_text(escape_unsafe(text.get_text()))


def _numbers(axis: Any) -> set[Any]:
    """Return the tick labels that are numbers, and escape those that are names."""
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    major, numbers = axis.get_major_formatter(), {*axis.get_minorticklabels(), axis.get_offset_text()}
    labels = axis.get_majorticklabels()
    if isinstance(major, ScalarFormatter | LogFormatter):
        return numbers | set(labels)
    if any(label.get_text() != escape_unsafe(label.get_text()) for label in labels):
        axis.set_major_formatter(lambda value, place: escape_unsafe(major(value, place)))
    return numbers
