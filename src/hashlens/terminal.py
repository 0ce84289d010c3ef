"""The terminal: names that are printed there are text, whatever they hold."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from hashlens.visible import visible


class Terminal(Console):
    """A console on which brackets are no markup, colons no emoji, and escapes in names are written out.

    Parameters
    ----------
    **how
        What ``rich.console.Console`` takes.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is written: the styles are ours, the text is anybody's."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(visible(part.text), part.style)


def printed(shown: RenderableType) -> str:
    """Return what a terminal of 100 columns without colours shows."""
    terminal = Terminal(width=100, color_system=None, force_terminal=False)
    with terminal.capture() as capture:
        terminal.print(shown)
    return capture.get()
