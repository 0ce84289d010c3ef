"""Predictions of a TED model: how sure the explanations are, which of them compete, and rows to look at."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hashlens.report.figures import Bars, Figure
from hashlens.report.page import Page, Section, charts
from hashlens.result import Result
from hashlens.tables import Table, number, table
from hashlens.ted.confusions import Confusion, confusion_table, most_confused

SHOWN_ROWS = 20
"""Rows to look at."""


@dataclass(frozen=True)
class LabelPredictions:
    """What was predicted of one label.

    Attributes
    ----------
    label : str
        The label predicted.
    rows : int
        How often.
    sure : float
        Of how many of these the explanation is sure.
    """

    label: str
    rows: int
    sure: float


@dataclass(frozen=True)
class UnsureRow:
    """A row whose explanation is not sure.

    Attributes
    ----------
    row : int
        Its place, from 0.
    label : str
        The label predicted.
    first, second : str
        Its likeliest explanation, and the one that comes next.
    first_probability, second_probability : float
        Of both, if the label is that.
    """

    row: int
    label: str
    first: str
    first_probability: float
    second: str
    second_probability: float


@dataclass(frozen=True)
class TEDPredictions(Result):
    """How sure a model's explanations are.

    Attributes
    ----------
    rows : int
        How many were predicted.
    sure_from : float
        The probability, given the label, from which an explanation is called sure.
    sure : float
        The share that is.
    labels : tuple of LabelPredictions
        By label.
    rivals : tuple of Confusion
        Of rows that are not sure, the two likeliest explanations, the most frequent first.
    to_look_at : tuple of UnsureRow
        The least sure rows first.
    """

    rows: int
    sure_from: float
    sure: float
    labels: tuple[LabelPredictions, ...]
    rivals: tuple[Confusion, ...]
    to_look_at: tuple[UnsureRow, ...]

    def __rich__(self) -> Table:
        rows = [(at.label, number(at.rows), f"{at.sure:.1%}") for at in self.labels]
        note = (
            f"{self.sure:.1%} of {self.rows:,} explanations are sure: the model gives them {self.sure_from:.0%} or "
            "more, given the label. That is its own word; score_ted tells how often it is right."
        )
        return table("TED: predictions", ("label", "rows", "sure"), rows, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return the share of sure explanations by label."""
        shares = tuple(at.sure for at in self.labels)
        return (Bars("Sure explanations", "share of rows", tuple(at.label for at in self.labels), (("sure", shares),)),)

    def page(self) -> Page:
        """Return what is sure, explanations that compete, and the least sure rows."""
        columns = ("row", "label", "likeliest", "probability", "next", "probability")
        unsure = [
            (str(at.row), at.label, at.first, f"{at.first_probability:.3f}", at.second, f"{at.second_probability:.3f}")
            for at in self.to_look_at
        ]
        looked = [table("The least sure explanations", columns, unsure)] if unsure else []
        confused = [confusion_table(self.rivals, "likeliest", "next")] if self.rivals else []
        return Page(
            "TED predictions", "", f"{self.sure:.1%} of the explanations are sure", "",
            (
                Section("Sure explanations", (*charts(self.figures()), self.__rich__())),
                Section("Explanations that compete", tuple(confused)),
                Section("Rows to look at", tuple(looked)),
            ),
        )  # fmt: skip


def predictions_of(top: Any, sure_from: float = 0.8) -> TEDPredictions:
    """Return how sure explanations are.

    Parameters
    ----------
    top : TopExplanations
        The two likeliest of each row, or more.
    sure_from : float
        The probability from which one is called sure.
    """
    shares = top.probabilities
    sure = shares[:, 0] >= sure_from
    unsure = np.flatnonzero(~sure)
    least = unsure[np.argsort(shares[unsure, 0], kind="stable")[:SHOWN_ROWS]]
    said = [["none" if value is None else str(value) for value in row[:2]] for row in top.explanations.tolist()]
    return TEDPredictions(
        rows=len(top),
        sure_from=float(sure_from),
        sure=float(sure.mean()),
        labels=tuple(
            LabelPredictions(str(label), int((top.labels == label).sum()), float(sure[top.labels == label].mean()))
            for label in np.unique(top.labels)
        ),
        rivals=most_confused(
            [said[row][0] for row in unsure], [said[row][1] for row in unsure], [str(top.labels[row]) for row in unsure]
        ),
        to_look_at=tuple(
            UnsureRow(int(row), str(top.labels[row]), said[row][0], float(shares[row, 0]), said[row][1],
                      float(shares[row, 1]))
            for row in least
        ),
    )  # fmt: skip
