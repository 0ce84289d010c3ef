"""Novel items: new examples in the order of their novelty."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hashlens.audit.figures import BINS, shares
from hashlens.ranked import EXAMPLE, Column, Ranked
from hashlens.report.figures import Figure, Histogram, Rule
from hashlens.tables import Table

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NovelItems(Ranked):
    """n new examples, the most novel first.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(n,)``: identifiers of the examples.
    rows : numpy.ndarray
        int64 ``(n,)``: row of each example in the scored data.
    scores : numpy.ndarray
        float64 ``(n,)``, descending: distance to the k-th nearest training code, divided by the median of that distance
        among training examples; 1 is ordinary.
    p_values : numpy.ndarray
        float64 ``(n,)``: probability that a known example scores as high or higher.
    threshold : float
        Score above which an example is called novel.
    false_alarm_rate : float
        Largest share of known examples that may score above the threshold.
    calibration : str
        Examples that the threshold was set on, in words.
    alarms : float or None
        Share of these examples that score above the threshold: at most `false_alarm_rate`, and less if scores tie. None
        in results of older versions.
    by_class : bool
        Whether examples were compared with the training codes of their predicted class, or with all.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("score", "scores", float),
        Column("p_value", "p_values", float, "p", cell=lambda found, at: f"{found.p_values[at]:.2g}"),
        Column("novel", lambda found: found.scores > found.threshold, bool),
    )

    ids: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    scores: Scores
    p_values: Scores
    threshold: float
    false_alarm_rate: float
    calibration: str
    alarms: float | None = None
    by_class: bool = True

    @property
    def novel(self) -> int:
        """Number of examples called novel: the first ones of the ranking."""
        return int((self.scores > self.threshold).sum())

    @property
    def expected(self) -> float:
        """Number of examples expected above the threshold if none were novel."""
        rate = self.false_alarm_rate if self.alarms is None else self.alarms
        return len(self) * rate if np.isfinite(self.threshold) else 0.0

    @property
    def chance(self) -> str:
        """Number expected if none were novel, in words."""
        return f"about {self.expected:,.0f} expected if all examples are of known kinds"

    def __rich__(self) -> Table:
        title = f"{self.novel:,} of {len(self):,} examples novel; {self.chance}"
        note = (
            f"Novel: a score above {self.threshold:.4g}, which at most {self.false_alarm_rate:.3g} of known "
            f"examples reach; the threshold was set on {self.calibration}."
        )
        return self.table(title, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return a histogram of the scores with the threshold."""
        finite = self.scores[np.isfinite(self.scores)]
        if len(finite) == 0:
            return ()
        mark = self.threshold if np.isfinite(self.threshold) else None
        edges = np.linspace(0, 1.02 * max(float(finite.max()), mark or 0.0, 1e-9), BINS + 1)
        groups = (("examples", shares(finite, edges)),)
        rules = () if mark is None else (Rule("x", mark, "novel above"),)
        return (
            Histogram("Novelty scores", "score; 1 is ordinary", tuple(edges.tolist()), groups, "share of examples",
                      rules=rules),
        )  # fmt: skip
