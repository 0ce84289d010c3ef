"""Common interface of the approximate kinds of index."""

from pathlib import Path
from typing import Any, Protocol

from hashlens.arguments import require_whole
from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault, nearest
from hashlens.index.exact import Distances, Numbers
from hashlens.index.rows import Rows


class Searcher(Protocol):
    """Interface of a structure that finds most of the nearest rows without comparing all of them.

    Attributes
    ----------
    parameter : str
        Name of the search parameter, as in FAISS, which sets how much of the structure a search visits.
    value : int
        Default value of the search parameter; `most` is its largest useful value.
    """

    parameter: str
    value: int

    @property
    def most(self) -> int:
        """Largest useful value of the search parameter."""
        ...

    def add(self, packed: Packed) -> None:
        """Append rows, uint8 ``(k, row_bytes)``."""
        ...

    def search(self, queries: Packed, k: int, value: int) -> tuple[Distances, Numbers]:
        """Return distances and row numbers, ``(m, k)`` each; row -1 if fewer than k rows were found."""
        ...

    def write(self, folder: Path, rows: Rows) -> None:
        """Write the structure to a folder, without `rows`."""
        ...

    def options(self) -> dict[str, int]:
        """Return the options of the structure."""
        ...


def checked_options(kind: str, arguments: dict[str, Any], allowed: dict[str, int]) -> dict[str, int | None]:
    """Return all options of a kind of index, with the user's values; None for defaults that depend on the rows.

    Parameters
    ----------
    kind : str
        Kind of index.
    arguments : dict
        Options of the user.
    allowed : dict
        Known options, each with its smallest valid value.
    """
    for name, value in arguments.items():
        if name not in allowed:
            hint = nearest(name, allowed) if allowed else "it takes none"
            raise IndexFault(f"an index of kind {kind!r} has no option {name!r}: {hint}")
        if value is not None:
            require_whole(IndexFault, name, value, allowed[name])
    return {name: None if arguments.get(name) is None else int(arguments[name]) for name in allowed}
