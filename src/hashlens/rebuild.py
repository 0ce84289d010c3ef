"""Values from what JSON keeps of them, by the types that a result declares."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from math import nan
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from hashlens.arguments import shortly
from hashlens.errors import ReportError

UNIONS = (Union, types.UnionType)
WORDS = ((dict, "an object"), (list, "a list"), (str, "text"))


def rebuilt(kind: Any, value: Any, where: str = "") -> Any:
    """Return `value` as something of type `kind`: the opposite of :func:`hashlens.result.plain`.

    What JSON cannot say comes back as not a number: infinity too. Fields that are missing are empty, or have their
    default.

    Parameters
    ----------
    kind : type
        A type, or what stands in an annotation.
    value : object
        As the module `json` returns it.
    where : str
        What it is called in errors.

    Raises
    ------
    ReportError
        If it cannot be of this type.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return value
    if origin in UNIONS:
        return _one_of(arguments, value, where)
    if origin is Literal:
        return value if value in arguments else _unlike(f"one of {', '.join(map(repr, arguments))}", value, where)
    structure = kind if origin is None else origin
    if is_dataclass(structure) and isinstance(structure, type):
        return _record(structure, arguments, value, where)
    if structure is np.ndarray:
        return _array(arguments, value, where)
    if structure is tuple:
        return _tuple(arguments, value, where)
    if isinstance(structure, type) and issubclass(structure, Mapping):
        of = arguments[1] if arguments else Any
        entries = _expect(dict, value, where).items()
        return {key: rebuilt(of, item, f"{where}.{key}") for key, item in entries}
    if structure is Path:
        return Path(_expect(str, value, where))
    return _scalar(structure, value, where)


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float:
        if isinstance(value, str):
            try:
                return float(value)  # a norm may be "inf"
            except ValueError:
                return _unlike("a number", value, where)
        return nan if value is None else float(_expect((int, float), value, where))
    if kind in (int, str, bool, type(None)):
        good = isinstance(value, kind) and (kind is not int or not isinstance(value, bool))
        return value if good else _unlike(f"a value of type {kind.__name__}", value, where)
    raise ReportError(f"{where} is a {getattr(kind, '__name__', kind)}, which JSON does not keep")


def _record(kind: type, arguments: Sequence[Any], value: Any, where: str) -> Any:
    body = _expect(dict, value, where)
    hints = _hints(kind)
    filled = {}
    for field in fields(kind):
        name = f"{where}.{field.name}".lstrip(".")
        # The only generic one is a Split, of one type.
        hint = arguments[0] if arguments and isinstance(hints[field.name], TypeVar) else hints[field.name]
        if field.name in body:
            filled[field.name] = rebuilt(hint, body[field.name], name)
        elif not _has_default(field):
            filled[field.name] = _empty(hint, name)
    return kind(**filled)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _has_default(field: "Field[Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _empty(kind: Any, where: str) -> Any:
    """Return what stands for a field that a dict leaves out."""
    structure = get_origin(kind) or kind
    if structure in UNIONS and type(None) in get_args(kind):
        return None
    if structure in (tuple, dict):
        return structure()
    if structure is np.ndarray:
        return _array(get_args(kind), [], where)
    raise ReportError(f"{where} is missing")


def _one_of(kinds: Sequence[Any], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    left = [kind for kind in kinds if kind is not type(None)]
    for kind in left[:-1]:
        try:
            return rebuilt(kind, value, where)
        except ReportError:
            continue
    return rebuilt(left[-1], value, where)


def _tuple(kinds: Sequence[Any], value: Any, where: str) -> tuple[Any, ...]:
    items = _expect(list, value, where)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = [kinds[0]] * len(items)
    elif not kinds:
        kinds = [Any] * len(items)
    if len(kinds) != len(items):
        raise ReportError(f"{where} must have {len(kinds)} items, it has {len(items)}")
    return tuple(
        rebuilt(kind, item, f"{where}[{at}]") for at, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _array(arguments: Sequence[Any], value: Any, where: str) -> Any:
    dtype = next(iter(get_args(arguments[1])), Any) if len(arguments) > 1 else Any
    try:
        return np.array(_expect(list, value, where), None if dtype is Any or isinstance(dtype, TypeVar) else dtype)
    except (TypeError, ValueError) as error:
        raise ReportError(f"{where} is no array of {getattr(dtype, '__name__', 'values')}: {error}") from error


def _expect(kind: type | tuple[type, ...], value: Any, where: str) -> Any:
    named = next((word for of, word in WORDS if of is kind), "a number")
    good = isinstance(value, kind) and not isinstance(value, bool)
    return value if good else _unlike(named, value, where)


def _unlike(expected: str, value: Any, where: str) -> Any:
    raise ReportError(f"{where or 'it'} must be {expected}, received {shortly(value)}")
