"""Blind spots: misclassified test examples whose nearest training codes are of the predicted class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.codes.codes import Codes, require_same_code
from hashlens.data.labels import class_name
from hashlens.errors import AuditError
from hashlens.measures.classes import Labels, checked_labels, labelled_pair
from hashlens.measures.knn import nearest_codes
from hashlens.ranked import EXAMPLE, SHOWN, Column, Ranked
from hashlens.report.figures import Bars, Figure
from hashlens.tables import Table, number, table

PAIRS = 10
"""Pairs of classes in a figure."""


@dataclass(frozen=True, eq=False)
class BlindSpots(Ranked):
    """m misclassified test examples, those whose codes look most like the predicted class first.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(m,)``: identifiers of the examples.
    rows : numpy.ndarray
        int64 ``(m,)``: row of each example in the test set.
    labels, predicted : numpy.ndarray
        int64 ``(m,)``: label and predicted class of each example.
    agreement : numpy.ndarray
        float64 ``(m,)``, descending: share of the k nearest training codes that have the predicted class. At 1 the
        code cannot tell the example from that class.
    k : int
        Number of neighbours.
    examples : int
        Number of labelled test examples.
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("label", "labels", int, identifies_row=True, classes=True),
        Column("predicted", dtype=int, identifies_row=True, classes=True),
        Column("agreement", dtype=float),
    )

    ids: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    labels: Labels
    predicted: Labels
    agreement: npt.NDArray[np.float64]
    k: int
    examples: int
    class_names: tuple[str, ...] = ()

    @property
    def blind(self) -> int:
        """Number of examples whose neighbours all have the predicted class: the first ones of the ranking."""
        return int((self.agreement == 1).sum())

    @property
    def pairs(self) -> list[tuple[int, int, int, int]]:
        """Label, predicted class, number of mistakes, and number of blind ones; most mistakes first."""
        names, pair, counts = np.unique(
            np.stack([self.labels, self.predicted]), axis=1, return_inverse=True, return_counts=True
        )
        blind = np.bincount(pair.ravel(), self.agreement == 1, minlength=len(counts)).astype(int)
        order = np.argsort(-counts, kind="stable")
        return [(int(names[0, i]), int(names[1, i]), int(counts[i]), int(blind[i])) for i in order]

    def __rich__(self) -> Table:
        note = (
            f"Blind spot: all {self.k} nearest training codes have the predicted class, so this layer gives "
            "no sign of the mistake. The label is wrong, or the training data lack such examples."
        )
        title = f"Blind spots: {self.blind:,} of {len(self):,} mistakes on {self.examples:,} test examples"
        return self.pairs_table(title, note)

    def pairs_table(self, title: str, note: str = "", limit: int = SHOWN) -> Table:
        """Return the most frequent confusions of classes as a table."""
        rows = [
            (
                class_name(self.class_names, label),
                class_name(self.class_names, predicted),
                number(mistakes),
                number(blind),
            )
            for label, predicted, mistakes, blind in self.pairs[:limit]
        ]
        return table(title, ("label", "predicted", "mistakes", "blind"), rows, note, names=2)

    def figures(self, class_names: Sequence[str] = ()) -> tuple[Figure, ...]:
        """Return a figure of the most frequent confusions of classes."""
        pairs = self.pairs[:PAIRS]
        if not pairs:
            return ()
        names = tuple(
            f"{class_name(class_names, label)} → {class_name(class_names, predicted)}"
            for label, predicted, _, _ in pairs
        )
        groups = (
            ("mistakes", tuple(float(mistakes) for _, _, mistakes, _ in pairs)),
            ("blind", tuple(float(blind) for _, _, _, blind in pairs)),
        )
        return (
            Bars("Label → prediction, most frequent first", "test examples", names, groups, number_format="{:.0f}"),
        )


def blind_spots(train: Codes, test: Codes, predicted: npt.ArrayLike, k: int = 20) -> BlindSpots:
    """Rank the mistakes of a network by the share of nearest training codes that have the predicted class.

    Parameters
    ----------
    train, test : Codes
        n and m labelled rows of the same bits. Rows without a label are left out; classes are numbered as in train.
    predicted : array of int
        ``(m,)``: the predicted classes of the test examples, numbered as in train.
    k : int
        Number of nearest training codes, at most n.

    Raises
    ------
    AuditError
        If k is not between 1 and n.
    MeasureError
        If there are no labels, or not one prediction for each test example.
    CodesError
        If train and test are not the same bits of the same network.
    """
    require_same_code(train, test)
    require_whole(AuditError, "k", k)
    pair = labelled_pair(train, test, "blind spots", error=AuditError)
    pair.log()
    if k > len(pair.reference):
        raise AuditError(f"k={k} neighbours are more than the {len(pair.reference):,} training codes: lower k")
    labels, classes = pair.query_labels, checked_labels(predicted, len(test), "blind spots")[pair.query_rows]
    wrong = np.flatnonzero(classes != labels)
    _, neighbours = nearest_codes(pair.queries[wrong], pair.reference, k)
    agreement = (pair.reference_labels[neighbours] == classes[wrong, None]).mean(axis=1)
    order = np.argsort(-agreement, kind="stable")
    wrong = wrong[order]
    rows = np.arange(len(test))[pair.query_rows][wrong]
    return BlindSpots(
        test.ids[rows], rows, labels[wrong], classes[wrong], agreement[order], k, len(labels), pair.class_names or ()
    )
