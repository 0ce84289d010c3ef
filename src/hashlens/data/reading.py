"""What goes wrong while reading becomes one line that says where."""

from collections.abc import Iterator
from contextlib import contextmanager

from hashlens.errors import DataError


@contextmanager
def reading(where: str, *errors: type[Exception], way_out: str = "") -> Iterator[None]:
    """Turn `errors` of the body into a DataError: `where`, the first line of what was said, and the way out.

    Raises
    ------
    DataError
        In place of one of `errors`.
    """
    try:
        yield
    except errors as error:
        first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{where} cannot be read: {first_line}" + (f"; {way_out}" if way_out else "")) from error
