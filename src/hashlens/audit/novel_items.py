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

    @property
    def novel(self) -> int:
        """How many examples are called novel: the first ones."""
        return int((self.scores > self.threshold).sum())

    @property
    def expected(self) -> float:
        """How many would be called novel if all of them were of the known kind."""
        return len(self) * self.false_alarm_rate if np.isfinite(self.threshold) else 0.0

    @property
    def chance(self) -> str:
        """How many to expect if none is of another kind, in words."""
        about = "held-out" in self.calibration or "fewer" in self.calibration
        return f"{'about' if about else 'at least'} {self.expected:,.0f} expected if all are of the known kind"

    def __rich__(self) -> Table:
        title = f"{self.novel:,} of {len(self):,} examples novel; {self.chance}"
        note = (
            f"Novel: a score above {self.threshold:.4g}, which at most {self.false_alarm_rate:.3g} of known examples "
            f"reach; set on {self.calibration}."
        )
        return self.table(title, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return how the scores lie, and where novelty begins."""
        finite = self.scores[np.isfinite(self.scores)]
        if len(finite) == 0:
            return ()
        mark = self.threshold if np.isfinite(self.threshold) else None
        edges = np.linspace(0, 1.02 * max(float(finite.max()), mark or 0.0, 1e-9), BINS + 1)
        found = (("examples", shares(finite, edges)),)
        rules = () if mark is None else (Rule("x", mark, "novel above"),)
        return (
            Histogram("Novelty scores", "score; 1 is ordinary", tuple(edges.tolist()), found, "share of examples",
                      rules=rules),
        )  # fmt: skip
