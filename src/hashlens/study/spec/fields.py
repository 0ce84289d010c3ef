"""Validators of the fields of study files; each error says what is allowed and what was received."""

import json
import sys
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

from hashlens.arguments import is_number, is_whole
from hashlens.errors import nearest

T = TypeVar("T")
MAX_INTEGER = 2**31 - 1
"""The largest count; it fits an integer column of every supported database."""


def value_text(value: Any) -> str:
    """Return a value as one short line, in the notation of study files."""
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole_number(minimum: int, maximum: int | None = MAX_INTEGER) -> BeforeValidator:
    """Return a validator of integers from `minimum` to `maximum`."""

    def check(value: Any) -> int:
        if not is_whole(value) or value < minimum:
            raise ValueError(f"must be a whole number, {minimum} or more, received {value_text(value)}")
        if maximum is not None and value > maximum:
            raise ValueError(f"must be at most {maximum}, received {value_text(value)}")
        return int(value)

    return BeforeValidator(check)


def number_in_range(allowed: str, fits: Callable[[float], bool]) -> BeforeValidator:
    """Return a validator of numbers for which `fits` is true; `allowed` describes these numbers in messages."""

    def check(value: Any) -> float:
        # The value is compared without conversion, because an integer may be too large for a float.
        if not is_number(value) or not abs(value) <= sys.float_info.max or not fits(value):
            raise ValueError(f"must be a number, {allowed}, received {value_text(value)}")
        # Minus zero becomes zero, because both are the same level of a factor.
        return float(value) + 0.0

    return BeforeValidator(check)


def known_name(kind: str, names: Collection[str]) -> BeforeValidator:
    """Return a validator of known names; `kind` is the word for such a name in messages."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"unknown {kind} {value_text(value)}; {nearest(value, names)}")
        return value

    return BeforeValidator(check)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, received {value_text(value)}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"must be text that UTF-8 can write, received {value_text(value)!a}")
    return value


def _as_list(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple | range):
        raise ValueError(f"must be a list, received {value_text(values)}: write [{value_text(values)}]")
    if not values:
        raise ValueError("is empty, received []: list at least one value, or leave it out")
    return tuple(values)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(
                f"{value_text(value)} is listed twice, received {value_text(values)}: list each value once"
            )
    return values


Text = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, whole_number(1)]
CountFromZero = Annotated[int, whole_number(0)]
Seed = Annotated[int, whole_number(0, None)]
Listed = Annotated[tuple[T, ...], BeforeValidator(_as_list), AfterValidator(_distinct)]
