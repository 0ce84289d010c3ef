"""Checks of arguments: they give a one-line error instead of a traceback from inside the library."""

import inspect
import math
from collections.abc import Callable
from dataclasses import MISSING, fields
from numbers import Integral, Real
from typing import Any

from hashlens.errors import HashlensError


def is_whole(value: Any) -> bool:
    """Return whether `value` is an integer of Python or NumPy; True and False do not count."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether `value` is a real number of Python or NumPy; True and False do not count."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Return whether `value` is a real number, neither infinite nor NaN."""
    return is_number(value) and math.isfinite(value)


def require_whole(error: type[HashlensError], name: str, value: Any, least: int = 1) -> None:
    """Raise `error` unless `value`, the value of argument `name`, is an integer of at least `least`.

    >>> require_whole(HashlensError, "threads", "2")
    Traceback (most recent call last):
    ...
    hashlens.errors.HashlensError: threads must be a whole number, 1 or more, received '2'
    """
    if not is_whole(value) or value < least:
        raise error(f"{name} must be a whole number, {least} or more, received {excerpt(value)}")


def excerpt(value: object) -> str:
    """Return the representation of a value in one line of at most 60 characters, for messages."""
    return f"{' '.join(repr(value).split()):.60}"


def call_source(function: Callable[..., Any], **values: Any) -> str:
    """Return a call as Python source, for a record; arguments with their default value are left out.

    Values without a short literal, such as networks and arrays, are written as the name of their argument. Arguments
    of ``**options`` come before the other keyword arguments.

    >>> call_source(require_whole, error=HashlensError, name="k", value=3, least=1)
    "hashlens.require_whole(error, 'k', 3)"
    """
    plain, options, named = list[str](), list[str](), list[str]()
    for name, argument in inspect.signature(function).parameters.items():
        value = values[name]
        if argument.kind is argument.VAR_KEYWORD:
            options += [f"{option}={_argument_text(option, option_value)}" for option, option_value in value.items()]
        elif value is argument.default or (_is_literal(value) and value == argument.default):
            continue
        elif argument.kind is argument.KEYWORD_ONLY:
            named.append(f"{name}={_argument_text(name, value)}")
        else:
            plain.append(_argument_text(name, value))
    return f"hashlens.{function.__name__}({', '.join((*plain, *options, *named))})"


def _argument_text(name: str, value: object) -> str:
    return repr(value) if _is_literal(value) else name


def constructor_source(value: Any) -> str:
    """Return the constructor call of a dataclass as Python source; fields with their default value are left out."""
    arguments = []
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if field.init and (default is MISSING or getattr(value, field.name) != default):
            arguments.append(f"{field.name}={getattr(value, field.name)!r}")
    return f"{type(value).__name__}({', '.join(arguments)})"


def _is_literal(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_literal, value))
    return value is None or isinstance(value, str | int | float)
