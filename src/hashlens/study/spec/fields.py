"""What the fields of a study file may hold; each type says in words what it allows and what it received."""

import json
import sys
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from hashlens.arguments import is_number, is_whole
from hashlens.data.noise import KINDS
from hashlens.errors import nearest
from hashlens.measures.logistic import METHODS
from hashlens.nets.build import ARCHITECTURES, INITS
from hashlens.study.spec.measures import MEASURES
from hashlens.training.recipe import OPTIMIZERS, RECIPES
from hashlens.training.schedules import SCHEDULES

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


def _whole(minimum: int, most: int | None = MOST) -> BeforeValidator:
    def check(value: Any) -> int:
        if not is_whole(value) or value < minimum:
            raise ValueError(f"must be a whole number, {minimum} or more, received {shown(value)}")
        if most is not None and value > most:
            raise ValueError(f"must be at most {most}, received {shown(value)}")
        return int(value)

    return BeforeValidator(check)


def _number(allowed: str, fits: Callable[[float], bool]) -> BeforeValidator:
    def check(value: Any) -> float:
        # Compared as it is: a whole number may be too large for a float.
        if not is_number(value) or not abs(value) <= sys.float_info.max or not fits(value):
            raise ValueError(f"must be a number, {allowed}, received {shown(value)}")
        # Minus zero becomes zero: they are one value and must not be two cells.
        return float(value) + 0.0

    return BeforeValidator(check)


def _name(kind: str, known: Collection[str]) -> BeforeValidator:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"unknown {kind} {shown(value)}; {nearest(value, known)}")
        return value

    return BeforeValidator(check)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, received {shown(value)}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"must be text that UTF-8 can write, received {shown(value)!a}")
    return value


def _flag(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"must be true, false, or null for the recipe's, received {shown(value)}")
    return value


def _patience(value: Any) -> int | str | None:
    if value is None or value == "recipe":
        return value  # type: ignore[no-any-return]
    if not is_whole(value) or value < 1:
        raise ValueError(
            "must be 'recipe', null for no early stopping, or a whole number of epochs, 1 or more, "
            f"received {shown(value)}"
        )
    return int(value)


def _listed(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple | range):
        raise ValueError(f"must be a list, received {shown(values)}: write [{shown(values)}]")
    if not values:
        raise ValueError("is empty, received []: list at least one value, or leave it out")
    return tuple(values)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"{shown(value)} is listed twice, received {shown(values)}: list each value once")
    return values


Text = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, _whole(1)]
CountFromZero = Annotated[int, _whole(0)]
Seed = Annotated[int, _whole(0, None)]
Share = Annotated[float, _number("0 to 1", lambda value: 0 <= value <= 1)]
Penalty = Annotated[float, _number("0 or more", lambda value: value >= 0)]
Positive = Annotated[float, _number("more than 0", lambda value: value > 0)]
DropProbability = Annotated[float, _number("0 or more and less than 1", lambda value: 0 <= value < 1)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Patience = Annotated[int | Literal["recipe"] | None, PlainValidator(_patience)]
Architecture = Annotated[str, _name("architecture", ARCHITECTURES)]
RecipeName = Annotated[str, _name("recipe", RECIPES)]
Optimizer = Annotated[str, _name("optimizer", OPTIMIZERS)]
Schedule = Annotated[str, _name("schedule", SCHEDULES)]
Init = Annotated[str, _name("init", INITS)]
RandomInputs = Annotated[str, _name("random inputs", ("none", *KINDS))]
MeasureName = Annotated[str, _name("measure", MEASURES)]
Logistic = Annotated[str, _name("logistic regression", METHODS)]
Listed = Annotated[tuple[T, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
