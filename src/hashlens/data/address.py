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
    """A source string, taken apart.

    Attributes
    ----------
    text : str
        The string itself.
    scheme : str
        What kind of source: ``"parquet"``.
    place : str
        Where it is: a path, a name; empty when the scheme alone says it.
    split : str or None
        ``"train"``, ``"test"``, ...
    start, stop : int or None
        The rows asked for, as in a Python slice.
    options : tuple of pair of str
        Name and value of each, as they are written.
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
        """The string without split and rows."""
        options = "&".join(f"{name}={value}" for name, value in self.options)
        return self.scheme + (f":{self.place}" if self.place else "") + (f"?{options}" if options else "")

    def choose(self, splits: Iterable[str]) -> str:
        """Return the split asked for, which may be left out only where there is just one.

        Raises
        ------
        DataError
            When it is none of `splits`, or left out: guessing would let a test set pass for a training set.
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
            When nothing is there.
        """
        path = Path(self.place).expanduser()
        if path.exists():
            return path
        existing = path.parent
        while not existing.exists():
            existing = existing.parent
        raise DataError(f"{self.text}: no file or folder {str(path)!r}; what exists of this path is {str(existing)!r}")


def parse(text: str) -> Address:
    """Take a source string apart.

    Raises
    ------
    DataError
        When it does not have the form ``scheme:place?option=value#split[start:stop]``.

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
