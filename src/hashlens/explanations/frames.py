"""Data frames beside each other: the columns of a background in the order of those that are explained."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hashlens.arguments import shortly
from hashlens.data.frames import are_numbered
from hashlens.errors import ExplainError


def order_of(theirs: Sequence[Any], labels: Sequence[Any]) -> list[int] | None:
    """Return where the columns of a background stand that those of `x` are; None where they stand as they are.

    Raises
    ------
    ExplainError
        If both have labels, and not the same ones, or some twice in another order.
    """
    if not theirs or not labels or list(theirs) == list(labels):
        return None
    if Counter(theirs) == Counter(labels) and len(set(labels)) == len(labels):
        return [list(theirs).index(label) for label in labels]
    if are_numbered(theirs) or are_numbered(labels):
        return None
    raise ExplainError(
        f"background has the columns {shortly(list(theirs))}, x has {shortly(list(labels))}: give the same"
    )
