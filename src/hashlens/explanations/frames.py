"""Data frames: put the columns of a background in the order of those of the explained examples."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hashlens.arguments import excerpt
from hashlens.data.frames import are_numbered
from hashlens.errors import ExplainError


def order_of(background_labels: Sequence[Any], labels: Sequence[Any]) -> list[int] | None:
    """Return the indices that put the columns of a background in the order of `x`; None if they are in order already.

    Raises
    ------
    ExplainError
        If both have column labels and these differ, or if repeated labels are in another order.
    """
    if not background_labels or not labels or list(background_labels) == list(labels):
        return None
    if Counter(background_labels) == Counter(labels) and len(set(labels)) == len(labels):
        return [list(background_labels).index(label) for label in labels]
    if are_numbered(background_labels) or are_numbered(labels):
        return None
    raise ExplainError(
        f"background has the columns {excerpt(list(background_labels))}, x has {excerpt(list(labels))}: give the same"
    )
