"""Examples that a command names by their ids."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING

from hashlens.errors import DataError, nearest

if TYPE_CHECKING:
    from hashlens.data.examples import Batch, Examples


def positions(examples: "Examples", wanted: Sequence[str]) -> list[int]:
    """Return the positions of the examples with these ids.

    Raises
    ------
    DataError
        If there is no example of an id.
    """
    ids = examples.ids
    places = {str(identity): place for place, identity in reversed(list(enumerate(ids.tolist())))}
    for identity in wanted:
        if identity not in places:
            if ids.dtype.kind in "iu":
                known = f"ids go from {ids.min()} to {ids.max()}"
            else:
                known = nearest(identity, get_close_matches(identity, places, n=1) or list(places)[:3])
            raise DataError(f"{examples.name} has no example {identity!r}: {known}")
    return [places[identity] for identity in wanted]


def batches_of(examples: "Examples", wanted: Sequence[str]) -> Iterator["Batch"]:
    """Yield the examples with these ids one by one, without reading others."""
    return chain.from_iterable(
        examples.narrow(position, position + 1).batches(1) for position in positions(examples, wanted)
    )
