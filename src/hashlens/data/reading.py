"""Errors while reading data, converted to one line that names the source."""

from collections.abc import Iterator
from contextlib import contextmanager

from hashlens.errors import DataError


@contextmanager
def reading(source: str, *errors: type[Exception], hint: str = "") -> Iterator[None]:
    """Convert `errors` of the body to a DataError with `source`, the first line of the message, and a hint.

    Raises
    ------
    DataError
        If the body raises one of `errors`.
    """
    try:
        yield
    except errors as error:
        first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{source} cannot be read: {first_line}" + (f"; {hint}" if hint else "")) from error
