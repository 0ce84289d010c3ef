"""Retention: a made table of employees, who leaves, and by which of 25 rules."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.errors import DataError
from hashlens.seeds import numpy_generator

Column = npt.NDArray[np.int64]
FEATURES = (
    "position", "organization", "potential", "rating", "rating slope", "salary", "tenure", "position tenure",
)  # fmt: skip
LOW, MIDDLE, HIGH = 1, 2, 3
NO, YES = 0, 1
LEVELS: dict[str, tuple[tuple[int, float], ...]] = {
    "position": ((4, 0.05), (3, 0.20), (2, 0.30), (1, 0.45)),
    "organization": ((3, 0.3), (2, 0.3), (1, 0.4)),
    "potential": ((YES, 0.5), (NO, 0.5)),
    "rating": ((HIGH, 0.15), (MIDDLE, 0.80), (LOW, 0.05)),
    "rating slope": ((HIGH, 0.15), (MIDDLE, 0.80), (LOW, 0.05)),
    "salary": ((HIGH, 0.10), (MIDDLE, 0.70), (LOW, 0.20)),
}
MONTHS: dict[str, tuple[tuple[int, int, float], ...]] = {
    "tenure": ((0, 25, 0.3), (25, 61, 0.3), (61, 361, 0.4)),
    "position tenure": ((0, 13, 0.7), (13, 25, 0.2), (25, 361, 0.1)),
}
Interval = tuple[int, int]
EVER = 1000


def _rule(**conditions: int | Interval) -> dict[str, Interval]:
    """Return lowest and highest value of each feature that a rule names; one number stands for itself."""
    return {
        name.replace("_", " "): (value, value) if isinstance(value, int) else value
        for name, value in conditions.items()
    }


RULES: tuple[dict[str, Interval], ...] = (
    _rule(organization=1, rating=HIGH, salary=LOW),
    *(_rule(organization=1, position=position, position_tenure=(15, EVER)) for position in (1, 2, 3)),
    *(_rule(organization=2, position=position, position_tenure=(20, EVER)) for position in (1, 2)),
    _rule(organization=2, position=3, position_tenure=(30, EVER)),
    _rule(organization=3, position=1, position_tenure=(20, EVER)),
    *(_rule(organization=3, position=position, position_tenure=(30, EVER)) for position in (2, 3)),
    *(_rule(organization=1, position=position, tenure=(0, 11)) for position in (1, 2)),
    _rule(organization=1, position=3, tenure=(0, 29)),
    _rule(organization=2, position=1, tenure=(0, 23)),
    _rule(organization=2, position=2, tenure=(0, 29)),
    *(_rule(organization=organization, rating=LOW, rating_slope=HIGH) for organization in (1, 2)),
    *(_rule(potential=YES, rating=rating, rating_slope=HIGH, salary=LOW) for rating in (MIDDLE, HIGH)),
    *(
        _rule(potential=YES, rating_slope=HIGH, salary=MIDDLE, organization=organization, rating=rating)
        for rating in (MIDDLE, HIGH)
        for organization in (1, 2)
    ),
    _rule(organization=1, rating_slope=MIDDLE, salary=MIDDLE, tenure=(120, 179)),
    _rule(organization=2, potential=YES, salary=MIDDLE, tenure=(130, 189)),
)
"""Why someone leaves: rule by rule, the values that features must lie between, both ends included."""


@dataclass(frozen=True, eq=False)
class RetentionTable:
    """Employees, one a row.

    Attributes
    ----------
    rows : numpy.ndarray
        float32 ``(n, 8)``, columns as in ``FEATURES``: levels are numbers (low 1, middle 2, high 3; no 0, yes 1),
        tenures months.
    leaves : numpy.ndarray
        int64 ``(n,)``: 1 for those who leave.
    reasons : numpy.ndarray
        int64 ``(n,)``: the rule, a place in ``RULES``; ``len(RULES)`` for those who stay.
    """

    rows: npt.NDArray[np.float32]
    leaves: Column
    reasons: Column

    def __len__(self) -> int:
        return len(self.rows)


def retention_table(n: int = 10_000, seed: int = 0) -> RetentionTable:
    """Return the made table of Hind et al., where who leaves and why is known.

    All features are independent but for the months in a position, which are no more than those in the firm. Of all
    rules that hold, the one that names most features is the reason, and the first of those.

    Parameters
    ----------
    n : int
        Rows.
    seed : int
        The same gives the same table.

    Raises
    ------
    DataError
        If an argument is not a whole number.

    References
    ----------
    Hind, Wei, Campbell, Codella, Dhurandhar, Mojsilovic, Ramamurthy, Varshney (2019): TED: teaching AI to explain its
    decisions. AIES.
    """
    require_whole(DataError, "n", n)
    require_whole(DataError, "seed", seed, least=0)
    generator = numpy_generator(seed, "retention")
    columns: dict[str, Column] = {}
    for name, levels in LEVELS.items():
        columns[name] = generator.choice(np.array([level for level, _ in levels]), n, p=[share for _, share in levels])
    for name, spans in MONTHS.items():
        span = generator.choice(len(spans), n, p=[share for *_, share in spans])
        first, end = (np.array([at[place] for at in spans])[span] for place in (0, 1))
        columns[name] = generator.integers(first, end)
    columns["position tenure"] = np.minimum(columns["position tenure"], columns["tenure"])
    reasons, named = np.full(n, len(RULES)), np.zeros(n, np.int64)
    for number, rule in enumerate(RULES):
        holds = np.logical_and.reduce(
            [(columns[name] >= low) & (columns[name] <= high) for name, (low, high) in rule.items()]
        )
        better = holds & (len(rule) > named)
        reasons[better], named[better] = number, len(rule)
    rows = np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float32)
    return RetentionTable(rows, (reasons < len(RULES)).astype(np.int64), reasons)
