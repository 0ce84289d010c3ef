"""What the approximate kinds of an index have in common."""

from pathlib import Path
from typing import Any, Protocol

from hashlens.arguments import require_whole
from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault, nearest
from hashlens.index.exact import Distances, Numbers
from hashlens.index.rows import Rows


class Searcher(Protocol):
    """A structure that finds most of the nearest rows without looking at all of them.

    Attributes
    ----------
    parameter : str
        Name of the search parameter, as in FAISS: how much of the structure a search looks at.
    value : int
        Of the search parameter, where a search names none; `most` finds all that can be found.
    """

    parameter: str
    value: int

    @property
    def most(self) -> int:
        """The value of the search parameter beyond which nothing more is found."""
        ...

    def add(self, packed: Packed) -> None:
        """Add rows, uint8 ``(k, row_bytes)``, below those there."""
        ...

    def search(self, queries: Packed, k: int, value: int) -> tuple[Distances, Numbers]:
        """Return distances and row numbers, ``(m, k)`` each; row -1 where fewer than k were found."""
        ...

    def write(self, folder: Path, rows: Rows) -> None:
        """Write everything that is not in `rows` to a folder."""
        ...

    def options(self) -> dict[str, int]:
        """Return what the structure was made with."""
        ...


def checked_options(kind: str, arguments: dict[str, Any], allowed: dict[str, int]) -> dict[str, int | None]:
    """Return the options of a kind of index with those given, None for what depends on the rows.

    Parameters
    ----------
    kind : str
        Its name.
    arguments : dict
        By the user.
    allowed : dict
        The options that there are, each with the least value that it may have.
    """
    for name, value in arguments.items():
        if name not in allowed:
            hint = nearest(name, allowed) if allowed else "it takes none"
            raise IndexFault(f"an index of kind {kind!r} has no option {name!r}: {hint}")
        if value is not None:
            require_whole(IndexFault, name, value, allowed[name])
    return {name: None if arguments.get(name) is None else int(arguments[name]) for name in allowed}
