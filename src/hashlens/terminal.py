"""A console that prints names as plain text, whatever characters they contain."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hashlens.visible import escape_unsafe


class Terminal(Console):
    """A console that does not interpret brackets as markup or colons as emoji, and prints control characters escaped.

    Parameters
    ----------
    **options
        Arguments of ``rich.console.Console``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments to print, with the control characters of their text escaped."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(escape_unsafe(part.text), part.style)


def terminal_text(shown: RenderableType) -> str:
    """Return the text that a terminal of 100 columns without colours shows."""
    terminal = Terminal(width=100, color_system=None, force_terminal=False)
    with terminal.capture() as capture:
        terminal.print(shown)
    return capture.get()
