"""What goes wrong while reading becomes one line that says where."""

from collections.abc import Iterator
from contextlib import contextmanager

from hashlens.errors import DataError


@contextmanager
def reading(source: str, *errors: type[Exception], hint: str = "") -> Iterator[None]:
    """Turn `errors` of the body into a DataError: `source`, the first line of what was said, and the way out.

    Raises
    ------
    DataError
        In place of one of `errors`.
    """
    try:
        yield
    except errors as error:
        first_line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{source} cannot be read: {first_line}" + (f"; {hint}" if hint else "")) from error
