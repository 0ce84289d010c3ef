"""Explanations that are taken for one another."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hashlens.tables import Table, number, table

SHOWN_CONFUSIONS = 30


@dataclass(frozen=True)
class Confusion:
    """One explanation in place of another.

    Attributes
    ----------
    label : str
        Of the rows.
    first, second : str
        The right explanation and the one predicted; or the likeliest and the one that comes next.
    rows : int
        How often.
    """

    label: str
    first: str
    second: str
    rows: int


def most_confused(first: Iterable[str], second: Iterable[str], labels: Iterable[str]) -> tuple[Confusion, ...]:
    """Return which explanations stand in place of which, the most frequent first."""
    counted = Counter(zip(labels, first, second, strict=True))
    ranked = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Confusion(*names, rows) for names, rows in ranked[:SHOWN_CONFUSIONS])


def confusion_table(confusions: Iterable[Confusion], first: str, second: str) -> Table:
    """Return confusions as a table; `first` and `second` head the explanations."""
    rows = [(at.label, at.first, at.second, number(at.rows)) for at in confusions]
    return table("Explanations that are confused", ("label", first, second, "rows"), rows, names=3)
