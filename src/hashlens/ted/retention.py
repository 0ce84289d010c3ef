"""Retention: a synthetic table of employees who leave by one of 25 known rules."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, require_whole
from hashlens.errors import TEDError
from hashlens.seeds import numpy_generator
from hashlens.ted.taught import TaughtTable

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
"""Upper end of a range of months without an upper bound."""


def _rule(**conditions: int | Interval) -> dict[str, Interval]:
    """Return the range of each feature in a rule; a single number is a range of one value."""
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
"""Rules by which employees leave: for each, inclusive ranges of features."""

MERGED: dict[int, tuple[tuple[int, ...], ...]] = {
    26: tuple((number,) for number in range(26)),
    17: (
        (0,), (1, 2, 3), (4, 5), (6,), (7,), (8, 9), (10, 11), (12,), (13,), (14,), (15, 16), (17, 18), (19, 20),
        (21, 22), (23,), (24,), (25,),
    ),
    7: ((0,), tuple(range(1, 10)), tuple(range(10, 15)), (15, 16), tuple(range(17, 23)), (23, 24), (25,)),
}  # fmt: skip
"""Groups of rules that share an explanation, by the number of explanations; the last explanation means staying.

With 17 explanations, adjacent rules that differ in a single column share one. With 7, rules of the same kind share one:
a high rating and a low salary; a long time in a position; new in the company; a low but rising rating; potential and a
rising rating; about ten to fifteen years in the company; none of these.
"""


def describe_rule(number: int) -> str:
    """Return a rule in words.

    >>> describe_rule(0)
    'organization 1, rating 3, salary 1'
    >>> describe_rule(23)
    'organization 1, rating slope 2, salary 2, tenure 120 to 179'
    """
    if number == len(RULES):
        return "no reason to leave"
    return ", ".join(_condition(name, *between) for name, between in RULES[number].items())


def _condition(name: str, low: int, high: int) -> str:
    if low == high:
        return f"{name} {low}"
    return f"{name} {low} or more" if high == EVER else f"{name} {low} to {high}"


def features(n: int, seed: int) -> dict[str, Column]:
    """Return the columns of `n` employees by name; all are independent, except for the months in a position."""
    generator = numpy_generator(seed, "retention")
    columns: dict[str, Column] = {}
    for name, levels in LEVELS.items():
        columns[name] = generator.choice(np.array([level for level, _ in levels]), n, p=[share for _, share in levels])
    for name, spans in MONTHS.items():
        span = generator.choice(len(spans), n, p=[share for *_, share in spans])
        first, end = (np.array([span_[bound] for span_ in spans])[span] for bound in (0, 1))
        columns[name] = generator.integers(first, end)
    columns["position tenure"] = np.minimum(columns["position tenure"], columns["tenure"])
    return columns


def matching_rules(columns: dict[str, Column]) -> Column:
    """Return the rule of each row, int64 ``(n,)``; ``len(RULES)`` if none holds.

    If several rules hold, it is the one with the most conditions, and among these the first.
    """
    n = len(next(iter(columns.values())))
    reasons, conditions = np.full(n, len(RULES)), np.zeros(n, np.int64)
    for number, rule in enumerate(RULES):
        holds = np.logical_and.reduce(
            [(columns[name] >= low) & (columns[name] <= high) for name, (low, high) in rule.items()]
        )
        better = holds & (len(rule) > conditions)
        reasons[better], conditions[better] = number, len(rule)
    return reasons


def retention(n: int = 10_000, seed: int = 0, *, explanations: int = 26, **options: Any) -> TaughtTable:
    """Return a synthetic table of employees, with known decisions to leave and explanations.

    The features, rules and shares are those of the published generator; the rows differ, because the random numbers do.
    All features are independent, except that the months in a position are at most the months in the company. If several
    rules hold, the explanation is the rule with the most features, or the first of these.

    Parameters
    ----------
    n : int
        Number of rows.
    seed : int
        Seed; the same seed gives the same table.
    explanations : {26, 17, 7}
        Number of explanations, including the one for staying; ``MERGED`` lists the rules that share one.
    **options
        ``noise``, ``noise_kind``, ``annotators``, ``missing``, ``missing_kind``: noise and missing explanations in the
        training explanations, as in :meth:`TaughtTable.corrupt_explanations`.

    Returns
    -------
    TaughtTable
        The table, with columns as in ``FEATURES``: levels are numbers (low 1, middle 2, high 3; no 0, yes 1), tenures
        are in months. Label 1 means leaving.

    Raises
    ------
    TEDError
        If an argument is invalid.

    References
    ----------
    Hind, Wei, Campbell, Codella, Dhurandhar, Mojsilovic, Ramamurthy, Varshney (2019): TED: teaching AI to explain its
    decisions. AIES.
    """
    require_whole(TEDError, "n", n)
    require_whole(TEDError, "seed", seed, least=0)
    if explanations not in MERGED:
        known = ", ".join(map(str, MERGED))
        raise TEDError(f"explanations must be one of {known}, received {excerpt(explanations)}")
    columns = features(n, seed)
    rules = matching_rules(columns)
    groups = MERGED[explanations]
    explanation_of_rule = np.empty(len(RULES) + 1, np.int64)
    for place, group in enumerate(groups):
        explanation_of_rule[list(group)] = place
    table = TaughtTable(
        columns=FEATURES,
        rows=np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float32),
        labels=(rules < len(RULES)).astype(np.int64),
        explanations=explanation_of_rule[rules],
        reasons=tuple(_describe_group(group) for group in groups),
    )
    return table.corrupt_explanations(seed, **options)


def _describe_group(group: Sequence[int]) -> str:
    return "; or ".join(map(describe_rule, group))
