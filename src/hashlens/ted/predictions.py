"""Predictions of a TED model: its confidence, competing explanations, and rows to inspect."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hashlens.plain import written_as
from hashlens.report.figures import Bars, Figure
from hashlens.report.page import Page, Section, charts
from hashlens.result import Result
from hashlens.tables import Table, number, table
from hashlens.ted.confusions import Confusion, confusion_table, most_confused

SHOWN_ROWS = 20
"""Number of rows to inspect."""


@dataclass(frozen=True)
class LabelPredictions:
    """Rows that are predicted to have one label.

    Attributes
    ----------
    label : str
        The predicted label.
    rows : int
        Number of these rows.
    sure : float
        Share of these rows on which the model is sure.
    """

    label: str
    rows: int
    sure: float


@dataclass(frozen=True)
class UnsureRow:
    """A row of which the model is not sure.

    Attributes
    ----------
    row : int
        Row number, from 0.
    label : str
        The predicted label.
    first, second : str
        The two likeliest explanations of that label.
    first_probability, second_probability : float
        P(Y, E): the probability of the label together with each explanation.
    """

    row: int
    label: str
    first: str
    first_probability: float
    second: str
    second_probability: float


@dataclass(frozen=True)
class TEDPredictions(Result):
    """Summary of how sure a model is of its labels and explanations.

    Attributes
    ----------
    rows : int
        Number of predicted rows.
    sure_from : float
        Smallest probability P(Y, E) of label and explanation together at which the model is sure of a row.
    sure : float
        Share of rows of which the model is sure.
    labels : tuple of LabelPredictions
        The predictions of each label.
    rivals : tuple of Confusion
        The two likeliest explanations of rows of which the model is not sure, the most frequent first.
    rows_to_check : tuple of UnsureRow
        Rows with the least probable pair, the least probable first.
    """

    rows: int
    sure_from: float
    sure: float
    labels: tuple[LabelPredictions, ...]
    rivals: tuple[Confusion, ...]
    rows_to_check: tuple[UnsureRow, ...] = field(metadata=written_as("to_look_at"))

    def __rich__(self) -> Table:
        rows = [(label.label, number(label.rows), f"{label.sure:.1%}") for label in self.labels]
        note = (
            f"The model is sure of {self.sure:.1%} of {self.rows:,} rows: it gives their label and explanation "
            f"together {self.sure_from:.0%} or more. score_ted measures how often that is right."
        )
        return table("TED: predictions", ("label", "rows", "sure"), rows, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of the share of sure rows by label."""
        shares = tuple(label.sure for label in self.labels)
        return (Bars("Sure rows", "share of rows", tuple(label.label for label in self.labels), (("sure", shares),)),)

    def page(self) -> Page:
        """Return the page: the share of sure rows, competing explanations, and the least sure rows."""
        columns = ("row", "label", "likeliest", "probability", "next", "probability")
        unsure = [
            (
                str(example.row),
                example.label,
                example.first,
                f"{example.first_probability:.3f}",
                example.second,
                f"{example.second_probability:.3f}",
            )
            for example in self.rows_to_check
        ]
        least_sure = [table("The least sure rows", columns, unsure)] if unsure else []
        competing = [confusion_table(self.rivals, "likeliest", "next")] if self.rivals else []
        return Page(
            "TED predictions", "", f"The model is sure of {self.sure:.1%} of the rows", "",
            (
                Section("Sure rows", (*charts(self.figures()), self.__rich__())),
                Section("Explanations that compete", tuple(competing)),
                Section("Rows to check", tuple(least_sure)),
            ),
        )  # fmt: skip


def predictions_of(top: Any, sure_from: float = 0.8) -> TEDPredictions:
    """Return how sure a model is of its predictions.

    Parameters
    ----------
    top : TopExplanations
        The two likeliest explanations of each row, or more.
    sure_from : float
        Smallest probability of label and explanation together at which the model is sure of a row.
    """
    probabilities = top.pair_probabilities
    sure = probabilities[:, 0] >= sure_from
    unsure = np.flatnonzero(~sure)
    least = unsure[np.argsort(probabilities[unsure, 0], kind="stable")[:SHOWN_ROWS]]
    names = [["none" if value is None else str(value) for value in row[:2]] for row in top.explanations.tolist()]
    return TEDPredictions(
        rows=len(top),
        sure_from=float(sure_from),
        sure=float(sure.mean()),
        labels=tuple(
            LabelPredictions(str(label), int((top.labels == label).sum()), float(sure[top.labels == label].mean()))
            for label in np.unique(top.labels)
        ),
        rivals=most_confused(
            [names[row][0] for row in unsure],
            [names[row][1] for row in unsure],
            [str(top.labels[row]) for row in unsure],
        ),
        rows_to_check=tuple(
            UnsureRow(int(row), str(top.labels[row]), names[row][0], float(probabilities[row, 0]), names[row][1],
                      float(probabilities[row, 1]))
            for row in least
        ),
    )  # fmt: skip
