"""Examples that a command names by their ids."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING

from hashlens.errors import DataError, nearest

if TYPE_CHECKING:
    from hashlens.data.examples import Batch, Examples


def positions(examples: "Examples", wanted: Sequence[str]) -> list[int]:
    """Return the positions of the examples with the given ids.

    Raises
    ------
    DataError
        If there is no example of an id.
    """
    ids = examples.ids
    places = {str(one): place for place, one in reversed(list(enumerate(ids.tolist())))}
    for one in wanted:
        if one not in places:
            if ids.dtype.kind in "iu":
                known = f"ids go from {ids.min()} to {ids.max()}"
            else:
                known = nearest(one, get_close_matches(one, places, n=1) or list(places)[:3])
            raise DataError(f"{examples.name} has no example {one!r}: {known}")
    return [places[one] for one in wanted]


def chosen(examples: "Examples", wanted: Sequence[str]) -> Iterator["Batch"]:
    """Yield the examples with the given ids one by one, reading no others."""
    return chain.from_iterable(
        examples.narrow(position, position + 1).batches(1) for position in positions(examples, wanted)
    )
