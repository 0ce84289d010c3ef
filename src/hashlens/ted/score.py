"""The score of a TED model: accuracies of label, explanation and both, and the mistakes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number
from hashlens.errors import TEDError
from hashlens.intervals import clopper_pearson
from hashlens.plain import written_as
from hashlens.report.figures import Figure, Intervals
from hashlens.report.page import Block, Page, Section, charts
from hashlens.result import Result
from hashlens.tables import Table, number, table
from hashlens.ted.confusions import Confusion, confusion_table, most_confused
from hashlens.ted.explanations import NONE, find_codes
from hashlens.ted.reliability import Reliability

SHOWN_ROWS = 20
"""Number of rows to inspect."""


@dataclass(frozen=True)
class Accuracy:
    """An accuracy with its interval.

    Attributes
    ----------
    value : float
        Weighted share of right predictions.
    low, high : float
        Bounds of its exact (Clopper-Pearson) interval. For weighted rows the number of rows is the effective sample
        size (Kish).
    rows : int
        Number of rows.
    """

    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


@dataclass(frozen=True)
class WrongRow:
    """A row with a wrong explanation of which the model was sure.

    Attributes
    ----------
    row : int
        Row number, from 0.
    label, explanation : str
        Right label and explanation.
    predicted_label, predicted_explanation : str
        Predicted label and explanation.
    probability : float or None
        P(Y, E) of the predicted pair; None if the estimator has no probabilities.
    """

    row: int
    label: str
    explanation: str
    predicted_label: str
    predicted_explanation: str
    probability: float | None


@dataclass(frozen=True)
class TEDScore(Result):
    """Score of a model's labels and explanations.

    Attributes
    ----------
    label, explanation, pair : Accuracy
        Accuracy of the label Y, of the explanation E, and of both together YE. The last two count only rows that have
        an explanation; they are None if no row has one.
    confidence : float
        Confidence level of the intervals.
    decision : {"marginal", "pair"}
        Whether labels are predicted by the sum over their explanations, or from the pair that the estimator predicts.
    sure_from : float
        Smallest probability P(Y, E) of label and explanation together at which the model is sure of a row.
    sure : float or None
        Share of rows of which the model is sure; None if the estimator has no probabilities.
    right_if_sure, right_if_unsure : float or None
        Shares of explained rows with right label and right explanation, among those of which the model is sure and
        among the others; None if there are no such rows.
    reliability : Reliability or None
        Share of right pairs by their probability, over the explained rows; None without probabilities or explanations.
    confusions : tuple of Confusion
        Confusions of explanations, the most frequent first.
    rows_to_check : tuple of WrongRow
        Rows with wrong explanations, those with the highest probability first.
    """

    label: Accuracy
    explanation: Accuracy | None
    pair: Accuracy | None
    confidence: float
    decision: str
    sure_from: float
    sure: float | None
    right_if_sure: float | None
    right_if_unsure: float | None
    reliability: Reliability | None
    confusions: tuple[Confusion, ...]
    rows_to_check: tuple[WrongRow, ...] = field(metadata=written_as("to_look_at"))

    @property
    def accuracies(self) -> dict[str, Accuracy]:
        """The accuracies that are known, by name."""
        named = {"label (Y)": self.label, "explanation (E)": self.explanation, "both (YE)": self.pair}
        return {name: accuracy for name, accuracy in named.items() if accuracy is not None}

    def __rich__(self) -> Table:
        rows = [
            (name, number(accuracy.value, 3), f"{accuracy.low:.3f}–{accuracy.high:.3f}", number(accuracy.rows))
            for name, accuracy in self.accuracies.items()
        ]
        return table(
            "TED: right answers", ("", "accuracy", f"{self.confidence:.0%} interval", "rows"), rows, self._note
        )

    @property
    def _note(self) -> str:
        decision_note = {
            "marginal": "The predicted label has the largest probability, summed over its explanations; the "
            "predicted explanation is the likeliest one of this label.",
            "pair": "The estimator gives no probabilities: label and explanation are those of the pair it predicts.",
        }[self.decision]
        if self.sure is None:
            return decision_note
        parts = [f"The model is sure of {self.sure:.1%} of the rows: it gives their pair {self.sure_from:.0%} or more."]
        for share, rows_text in ((self.right_if_sure, "these rows"), (self.right_if_unsure, "the other rows")):
            if share is not None:
                parts.append(f"{share:.1%} of {rows_text} get the right label and explanation.")
        return " ".join((decision_note, *parts))

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of the accuracies with their intervals, and the reliability diagram."""
        by_name = self.accuracies
        accuracies = Intervals(
            "Right answers", "accuracy", tuple(by_name), tuple(accuracy.value for accuracy in by_name.values()),
            tuple((accuracy.low, accuracy.high) for accuracy in by_name.values()),
        )  # fmt: skip
        return (accuracies,) if self.reliability is None else (accuracies, self.reliability.figure())

    def page(self) -> Page:
        """Return the page: accuracies, confused explanations, and wrong rows of which the model was sure."""
        verdict = "" if self.pair is None else f"{self.pair.value:.1%} of the rows have the right label and explanation"
        wrong = [
            (str(example.row), example.label, example.explanation, example.predicted_label,
             example.predicted_explanation, number(example.probability, 3))
            for example in self.rows_to_check
        ]  # fmt: skip
        columns = ("row", "label", "explanation", "predicted label", "predicted explanation", "probability")
        wrong_rows = [table("Wrong explanations, most confident first", columns, wrong, names=1)] if wrong else []
        confusions = [confusion_table(self.confusions, "right", "predicted")] if self.confusions else []
        accuracies, *diagram = charts(self.figures())
        reliability: list[Block] = [] if self.reliability is None else [*diagram, self.reliability.table()]
        return Page(
            "TED score", "", verdict, "",
            (
                Section("Right answers", (accuracies, self.__rich__())),
                *([Section("How far to trust the probabilities", tuple(reliability))] if reliability else []),
                Section("Explanations that are confused", tuple(confusions)),
                Section("Rows to check", tuple(wrong_rows)),
            ),
        )  # fmt: skip


def score_model(
    model: Any, X: Any, y: npt.NDArray[Any], E: Any, sample_weight: Any, confidence: float, sure: float
) -> TEDScore:
    """Return the score of a fitted model; arguments as in :meth:`TEDClassifier.score_ted`."""
    for name, value in (("confidence", confidence), ("sure", sure)):
        if not is_number(value) or not 0 < value < 1:
            raise TEDError(f"{name} must be a share between 0 and 1, received {excerpt(value)}")
    known_explanations = model.explanations_.tolist()
    right, explained = find_codes(E, known_explanations, len(y), model.marker)
    labels, predicted, probabilities = _predictions(model, X)
    places = {value: place for place, value in enumerate(known_explanations)}
    codes = np.array([NONE if value is None else places[value] for value in predicted.tolist()], np.int64)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    label_is_right, explanation_is_right = labels == y, (codes == right) & (right != NONE)
    pair_is_right = label_is_right & explanation_is_right
    is_sure = None if probabilities is None else probabilities >= sure
    right_names = _right_names(E, right, explained, list(map(str, known_explanations)))
    wrong_rows = [
        WrongRow(
            int(row),
            str(y[row]),
            right_names[row],
            str(labels[row]),
            "none" if predicted[row] is None else str(predicted[row]),
            None if probabilities is None else float(probabilities[row]),
        )
        for row in np.flatnonzero(explained & ~explanation_is_right)
    ]
    return TEDScore(
        label=_accuracy(label_is_right, weights, confidence),
        explanation=_accuracy(explanation_is_right[explained], weights[explained], confidence)
        if explained.any()
        else None,
        pair=_accuracy(pair_is_right[explained], weights[explained], confidence) if explained.any() else None,
        confidence=float(confidence),
        decision=model.decision_,
        sure_from=float(sure),
        sure=None if is_sure is None else float(np.average(is_sure, weights=weights)),
        right_if_sure=None if is_sure is None else _share(pair_is_right, explained & is_sure),
        right_if_unsure=None if is_sure is None else _share(pair_is_right, explained & ~is_sure),
        reliability=Reliability.of(probabilities[explained], pair_is_right[explained])
        if probabilities is not None and explained.any()
        else None,
        confusions=most_confused(
            [wrong.explanation for wrong in wrong_rows],
            [wrong.predicted_explanation for wrong in wrong_rows],
            [wrong.label for wrong in wrong_rows],
        ),
        rows_to_check=tuple(sorted(wrong_rows, key=lambda wrong: -(wrong.probability or 0.0))[:SHOWN_ROWS]),
    )


def _predictions(
    model: Any, X: Any
) -> tuple[npt.NDArray[Any], npt.NDArray[np.object_], npt.NDArray[np.float64] | None]:
    """Return label, explanation (or None) and P(Y, E) of each row, ``(n,)`` each; None without probabilities."""
    if model.decision_ == "marginal":
        top = model.predict_explanation(X, top_k=1)
        return top.labels, top.explanations[:, 0], top.pair_probabilities[:, 0]
    return *model.predict_explain(X), None


def _accuracy(right: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64], confidence: float) -> Accuracy:
    value = float(np.average(right, weights=weights))
    effective_rows = weights.sum() ** 2 / (weights**2).sum()
    # Sums of weights have rounding errors, and beta quantiles do not accept numbers below 0.
    low, high = clopper_pearson(min(round(value * effective_rows, 9), effective_rows), effective_rows, confidence)
    return Accuracy(value, low, high, len(right))


def _share(right: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float | None:
    return float(right[among].mean()) if among.any() else None


def _right_names(E: Any, right: npt.NDArray[np.int64], explained: npt.NDArray[np.bool_], names: list[str]) -> list[str]:
    """Return the right explanation of each row as text, including those that were not in the training data."""
    listed = [None] * len(right) if E is None else E.tolist() if hasattr(E, "tolist") else list(E)
    return [
        names[place] if place != NONE else str(value) if has else "none"
        for place, has, value in zip(right, explained, listed, strict=True)
    ]
