"""The first part of the page of a study, before curves and effects."""

from dataclasses import dataclass

from hashlens.report.page import Section


@dataclass(frozen=True)
class Opening:
    """The first part of a page; the experiment provides it.

    Attributes
    ----------
    sections : tuple of Section
        Charts that only this experiment has.
    verdict, reason : str
        The conclusion from the charts in one line, and the reason for it.
    notes : tuple of str
        Limitations of the charts.
    """

    sections: tuple[Section, ...] = ()
    verdict: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
