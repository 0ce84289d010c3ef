"""Confusions of explanations."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hashlens.tables import Table, number, table

SHOWN_CONFUSIONS = 30


@dataclass(frozen=True)
class Confusion:
    """Confusion of two explanations.

    Attributes
    ----------
    label : str
        Label of the rows.
    first, second : str
        The right and the predicted explanation, or the likeliest and the second likeliest explanation.
    rows : int
        Number of rows.
    """

    label: str
    first: str
    second: str
    rows: int


def most_confused(first: Iterable[str], second: Iterable[str], labels: Iterable[str]) -> tuple[Confusion, ...]:
    """Return the confusions of explanations, the most frequent first."""
    counted = Counter(zip(labels, first, second, strict=True))
    ranked = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Confusion(*names, rows) for names, rows in ranked[:SHOWN_CONFUSIONS])


def confusion_table(confusions: Iterable[Confusion], first: str, second: str) -> Table:
    """Return confusions as a table; `first` and `second` are the headings of the explanations."""
    rows = [(confusion.label, confusion.first, confusion.second, number(confusion.rows)) for confusion in confusions]
    return table("Explanations that are confused", ("label", first, second, "rows"), rows, names=3)
