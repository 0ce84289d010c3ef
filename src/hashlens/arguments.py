"""Arguments: what a wrong one meets at the border, one line in place of a traceback from the inside."""

from numbers import Integral, Real
from typing import Any

from hashlens.errors import HashlensError


def is_whole(value: Any) -> bool:
    """Return whether `value` is a whole number, of Python or NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether `value` is a real number, of Python or NumPy; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def require_whole(error: type[HashlensError], name: str, value: Any, least: int = 1) -> None:
    """Raise `error` unless `value`, the argument `name`, is a whole number of `least` or more.

    >>> require_whole(HashlensError, "threads", "2")
    Traceback (most recent call last):
    ...
    hashlens.errors.HashlensError: threads must be a whole number, 1 or more, received '2'
    """
    if not is_whole(value) or value < least:
        raise error(f"{name} must be a whole number, {least} or more, received {shortly(value)}")


def shortly(value: object) -> str:
    """Return what was received as one short line."""
    return f"{' '.join(repr(value).split()):.60}"
