"""Novel items: new examples in the order of their novelty."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.files import write_columns
from hashlens.result import Result
from hashlens.tables import Table, number, table

Scores = npt.NDArray[np.float64]
SHOWN = 10


@dataclass(frozen=True, eq=False)
class NovelItems(Result):
    """n new examples, the most novel first.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(n,)``.
    rows : numpy.ndarray
        int64 ``(n,)``: where each stands in what was scored.
    scores : numpy.ndarray
        float64 ``(n,)``, descending: the distance to the k-th nearest training code, in units of the distance that is
        typical of training examples; 1 is ordinary.
    p_values : numpy.ndarray
        float64 ``(n,)``: how likely an example of the known kind scores as high.
    threshold : float
        The score above which an example is called novel.
    false_alarm_rate : float
        Share of known examples that the threshold was set to let above it, at most.
    calibration : str
        What the threshold was set on.
    """

    ids: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    scores: Scores
    p_values: Scores
    threshold: float
    false_alarm_rate: float
    calibration: str

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def novel(self) -> int:
        """How many examples are called novel: the first ones."""
        return int((self.scores > self.threshold).sum())

    @property
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """What is known of every example, by name, in the order of the ranks."""
        return {
            "rank": np.arange(1, len(self) + 1),
            "id": self.ids,
            "row": self.rows,
            "score": self.scores,
            "p_value": self.p_values,
            "novel": self.scores > self.threshold,
        }

    def to_csv(self, path: str | Path, overwrite: bool = True) -> Path:
        """Write a line for each example, most novel first, with `columns`; return the path."""
        return write_columns(path, self.columns, overwrite=overwrite)

    def __rich__(self) -> Table:
        title = f"{self.novel:,} of {len(self):,} examples novel"
        note = (
            f"Novel: a score above {self.threshold:.4g}, which at most {self.false_alarm_rate:.3g} of known examples "
            f"reach; set on {self.calibration}."
        )
        rows = [
            (str(rank), str(identity), number(score), number(p), "yes" if score > self.threshold else "no")
            for rank, (identity, score, p) in enumerate(
                zip(self.ids[:SHOWN], self.scores[:SHOWN].tolist(), self.p_values[:SHOWN].tolist(), strict=True), 1
            )
        ]
        return table(title, ("rank", "id", "score", "p", "novel"), rows, note, names=2)
