"""The string that names a source: ``scheme:place?option=value#split[start:stop]``."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hashlens.errors import DataError, nearest

_ADDRESS = re.compile(
    r"(?P<scheme>[^:?#\[\]]+)(:(?P<place>.*?))?(\?(?P<options>\w+=\w*(&\w+=\w*)*))?(#(?P<split>[^#/\[\]]+))?"
    r"(\[(?P<rows>[^\[\]]*)\])?",
    re.DOTALL,
)
_ROWS = re.compile(r"(?P<start>-?\d+)?:(?P<stop>-?\d+)?")


@dataclass(frozen=True)
class Address:
    """A parsed source string.

    Attributes
    ----------
    text : str
        The string itself.
    scheme : str
        Kind of source, such as ``"parquet"``.
    place : str
        Path or name of the source; empty if the scheme alone identifies it.
    split : str or None
        Name of the split: ``"train"``, ``"test"``, ...
    start, stop : int or None
        Requested rows, as in a Python slice.
    options : tuple of pair of str
        Name and value of each option, as written.
    """

    text: str
    scheme: str
    place: str = ""
    split: str | None = None
    start: int | None = None
    stop: int | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def whole(self) -> str:
        """Source string without split and rows."""
        options = "&".join(f"{name}={value}" for name, value in self.options)
        return self.scheme + (f":{self.place}" if self.place else "") + (f"?{options}" if options else "")

    def choose(self, splits: Iterable[str]) -> str:
        """Return the requested split, which may be left out only if there is a single one.

        Raises
        ------
        DataError
            If it is not one of `splits`, or is left out: a guess might take a test set for a training set.
        """
        names = sorted(splits)
        if self.split in names:
            return str(self.split)
        if self.split is not None:
            raise DataError(f"{self.text}: there is no split {self.split!r}; {nearest(self.split, names)}")
        if len(names) == 1:
            return names[0]
        raise DataError(f"{self.text}: say which split: " + " or ".join(f"{self.whole}#{split}" for split in names))

    def path(self) -> Path:
        """Return the place as a path.

        Raises
        ------
        DataError
            If the path does not exist.
        """
        path = Path(self.place).expanduser()
        if path.exists():
            return path
        existing = path.parent
        while not existing.exists():
            existing = existing.parent
        raise DataError(f"{self.text}: no file or folder {str(path)!r}; what exists of this path is {str(existing)!r}")


def parse(text: str) -> Address:
    """Parse a source string.

    Raises
    ------
    DataError
        If it does not have the form ``scheme:place?option=value#split[start:stop]``.

    Examples
    --------
    >>> parse("parquet:data/mnist#train[:48000]")
    Address(text='parquet:data/mnist#train[:48000]', scheme='parquet', place='data/mnist', split='train', start=None, \
stop=48000, options=())
    """
    match = _ADDRESS.fullmatch(text)
    rows = _ROWS.fullmatch(match["rows"] or ":") if match else None
    if not match or not rows:
        raise DataError(
            f"{text!r} does not name a source; expected scheme:place#split[start:stop], as in digits[:1000]"
        )
    start, stop = (None if end is None else int(end) for end in rows.group("start", "stop"))
    pairs = (option.partition("=") for option in (match["options"] or "").split("&") if option)
    options = tuple((name, value) for name, _, value in pairs)
    return Address(text, match["scheme"], match["place"] or "", match["split"], start, stop, options)
