"""What the page of a study opens with, before curves and effects."""

from dataclasses import dataclass

from hashlens.report.page import Section


@dataclass(frozen=True)
class Opening:
    """What an experiment shows first of a study of its own.

    Attributes
    ----------
    sections : tuple of Section
        Charts of its own kind.
    verdict, reason : str
        What they say, in one line, and why.
    notes : tuple of str
        What limits them.
    """

    sections: tuple[Section, ...] = ()
    verdict: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
