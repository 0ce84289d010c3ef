"""What the fields of any study file may hold; each type says in words what it allows and what it received."""

import json
import sys
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

from hashlens.arguments import is_number, is_whole
from hashlens.errors import nearest

T = TypeVar("T")
MOST = 2**31 - 1
"""The largest count, which every database of a study holds."""


def shown(value: Any) -> str:
    """Return a value as a study file writes it, in one short line."""
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole(minimum: int, maximum: int | None = MOST) -> BeforeValidator:
    """Return what lets whole numbers pass, from a minimum on."""

    def check(value: Any) -> int:
        if not is_whole(value) or value < minimum:
            raise ValueError(f"must be a whole number, {minimum} or more, received {shown(value)}")
        if maximum is not None and value > maximum:
            raise ValueError(f"must be at most {maximum}, received {shown(value)}")
        return int(value)

    return BeforeValidator(check)


def numbered(allowed: str, fits: Callable[[float], bool]) -> BeforeValidator:
    """Return what lets numbers pass that fit; `allowed` says in words which."""

    def check(value: Any) -> float:
        # Compared as it is: a whole number may be too large for a float.
        if not is_number(value) or not abs(value) <= sys.float_info.max or not fits(value):
            raise ValueError(f"must be a number, {allowed}, received {shown(value)}")
        # Minus zero becomes zero: they are one value and must not be two cells.
        return float(value) + 0.0

    return BeforeValidator(check)


def named(kind: str, names: Collection[str]) -> BeforeValidator:
    """Return what lets known names pass; `kind` says of what."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"unknown {kind} {shown(value)}; {nearest(value, names)}")
        return value

    return BeforeValidator(check)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, received {shown(value)}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"must be text that UTF-8 can write, received {shown(value)!a}")
    return value


def _listed(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple | range):
        raise ValueError(f"must be a list, received {shown(values)}: write [{shown(values)}]")
    if not values:
        raise ValueError("is empty, received []: list at least one value, or leave it out")
    return tuple(values)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{shown(value)} is listed twice, received {shown(values)}: list each value once")
    return values


Text = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, whole(1)]
CountFromZero = Annotated[int, whole(0)]
Seed = Annotated[int, whole(0, None)]
Listed = Annotated[tuple[T, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
