"""Conversion of values to JSON types and back, by the types that their classes declare.

Objects become dicts; tuples and arrays become lists. JSON has neither infinity nor NaN, so infinities are written as
``"Infinity"`` and ``"-Infinity"``, and NaN as null, or as ``"NaN"`` if the value may also be None. An array whose dtype
or shape cannot be inferred from its list is written as ``{"dtype": ..., "shape": ..., "values": ...}``.

A class may define its own conversion (``to_dict`` and ``from_dict``, or ``to_plain`` and ``from_plain`` if it is not
written as a dict); results do. Fields with ``metadata=UNWRITTEN`` are not written, and have their default when read.
Fields with ``metadata=written_as(key)`` have another name in files.
"""

import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import inf, isnan, nan
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from cattrs import BaseValidationError, Converter, StructureHandlerNotFoundError, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, mapping_structure_factory, override

from hashlens.arguments import excerpt
from hashlens.errors import ReportError

UNWRITTEN = {"written": False}
"""Metadata of a field that cannot be written as JSON, such as a network or examples."""
NUMBERS = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
"""The numbers that JSON lacks, by the strings that represent them."""
JSON_NAMES = {dict: "an object", list: "a list", str: "text"}
"""What a type of Python is called in messages about JSON."""
TAGGED = {"dtype", "shape", "values"}
"""Keys of an array that is written with its dtype and shape."""
NATURAL = ("int64", "float64", "bool")
"""The dtypes that NumPy infers from a list of numbers."""
_converter = Converter(unstruct_collection_overrides={tuple: list})
_tuples = _converter.get_structure_hook(tuple)


class Misfit(ValueError):
    """A value does not have the declared type."""


def written_as(key: str) -> dict[str, str]:
    """Return the metadata of a field that is called `key` in files, because it had that name when they were written."""
    return {"key": key}


def to_plain(value: Any) -> Any:
    """Return `value` in JSON types: dicts, lists, strings, Python numbers, None."""
    return _plain(value, None)


def fields_to_plain(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass in JSON types, without calling its own ``to_dict``."""
    kind: Any = type(value)
    return _writer(kind)(value)


def from_plain(kind: Any, value: Any, where: str = "") -> Any:
    """Convert `value` to type `kind`: the inverse of :func:`to_plain`.

    Missing fields get their default, or are empty.

    Parameters
    ----------
    kind : type
        A type, or an annotation.
    value : object
        A value in JSON types, as the module `json` returns it.
    where : str
        Name of the value in error messages.

    Raises
    ------
    ReportError
        If the value cannot be converted; the message gives the path to the part that does not fit.
    """
    return _convert(where, _converter.structure, value, kind)


def fields_from_plain(kind: type, body: Any, where: str = "") -> Any:
    """Return a dataclass with these fields, without calling its own ``from_dict``; errors as :func:`from_plain`."""
    return _convert(where, _reader(kind), body, kind)


def _convert(where: str, read: Callable[[Any, Any], Any], value: Any, kind: Any) -> Any:
    try:
        return read(value, kind)
    except (BaseValidationError, ValueError, ReportError, StructureHandlerNotFoundError) as error:
        problem, _, path = transform_error(error, where, _problem_text)[0].rpartition(" @ ")
        place = re.sub(r"\['([^']*)'\]", r".\1", path)
        line = place + problem if problem.startswith(".") else f"{place or 'it'} {problem}"
        raise ReportError(line.lstrip(".")) from error


def _problem_text(error: BaseException, kind: Any) -> str:
    if isinstance(error, KeyError):
        return "is missing"
    if isinstance(error, StructureHandlerNotFoundError):
        return f"is a {getattr(error.type_, '__name__', error.type_)}, which JSON does not keep"
    text = " ".join(str(error).split())
    # An error of this module begins with a path, others with what is required.
    return f".{text}" if isinstance(error, ReportError) else text if isinstance(error, Misfit) else f"is wrong: {text}"


# Writing


def _plain(value: Any, not_a_number: str | None) -> Any:
    """Return any value in JSON types; `not_a_number` represents NaN."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return _number(value, not_a_number)
    if isinstance(value, dict):
        return {str(key): _plain(item, not_a_number) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, not_a_number) for item in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return _converter.unstructure(value)


def _number(value: Any, not_a_number: str | None) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float) or -inf < value < inf:
        return value
    return not_a_number if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _array_writer(kind: Any) -> Callable[[Any], Any]:
    """Return the function that writes arrays of an annotation: only values, if dtype and shape can be inferred."""
    declared = _dtype(kind)

    def write(array: Any) -> Any:
        if not isinstance(array, np.ndarray):
            return _plain(array, None)
        finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
        values = array_values(array)
        if array.dtype.kind == "O":
            return _plain(values, None)
        if array.ndim and (_is_natural(array) and finite if declared is None else _is_declared(array, declared)):
            return values
        name = "str" if array.dtype.kind == "U" else array.dtype.name
        return {"dtype": name, "shape": list(array.shape), "values": values}

    return write


def _is_declared(array: Any, declared: Any) -> bool:
    """Return whether dtype and shape of an array can be inferred from its annotation and its list."""
    same = bool(array.dtype == declared) or array.dtype.kind == declared.kind == "U"
    return same and bool(array.size or array.ndim == 1)


def _is_natural(array: Any) -> bool:
    """Return whether dtype and shape of an array can be inferred from its list alone."""
    if not array.size:
        return bool(array.ndim == 1 and array.dtype.name == "float64")
    return bool(array.dtype.kind == "U" or array.dtype.name in NATURAL)


def array_values(array: Any) -> Any:
    """Return the values of an array as nested lists of JSON types."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    values = array.astype(object)
    values[np.isnan(array)] = None
    values[array == inf], values[array == -inf] = "Infinity", "-Infinity"
    return values.tolist()


@cache
def _writer(kind: Any) -> Callable[[Any], dict[str, Any]]:
    return make_dict_unstructure_fn(kind, _converter, **_overrides(kind))


# Reading


def _float(value: Any, _: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            _misfit("a number", value)
    if value is None:
        return nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _misfit("a number", value)
    return float(value)


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        fits = isinstance(value, kind) and (kind is not int or not isinstance(value, bool))
        return value if fits else _misfit(f"a value of type {kind.__name__}", value)

    return read


def _anything(value: Any, _: Any = None) -> Any:
    if isinstance(value, list):
        return [_anything(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == TAGGED:
            return _array(value, None)
        return {key: _anything(item) for key, item in value.items()}
    return NUMBERS.get(value, value) if isinstance(value, str) else value


def _union(kind: Any) -> Callable[[Any, Any], Any]:
    kinds = [member for member in get_args(kind) if member is not type(None)]
    allows_none = len(kinds) < len(get_args(kind))
    named = {member.__name__: member for member in kinds if _has("from_dict")(member) or _is_record(member)}

    def read(value: Any, _: Any) -> Any:
        if isinstance(value, dict) and value.get("kind") in named:
            return _converter.structure(value, named[value["kind"]])
        if value is None and allows_none:
            return None
        if float in kinds and isinstance(value, str) and value in NUMBERS:
            return NUMBERS[value]
        for member in kinds[:-1]:
            try:
                return _converter.structure(value, member)
            except (BaseValidationError, ValueError, ReportError):
                continue
        return _converter.structure(value, kinds[-1])

    return read


def _literal(kind: Any) -> Callable[[Any, Any], Any]:
    known = get_args(kind)
    return lambda value, _: value if value in known else _misfit(f"one of {', '.join(map(repr, known))}", value)


def _tuple(value: Any, kind: Any) -> Any:
    _expect(list, value)
    kinds = get_args(kind)
    if get_origin(kind) is Sequence:
        return _tuples(value, types.GenericAlias(tuple, (*kinds, ...)))
    if kinds and kinds[-1] is not Ellipsis and len(kinds) != len(value):
        raise Misfit(f"must have {len(kinds)} items, it has {len(value)}")
    return _tuples(value, kind)


def _mapping(kind: Any) -> Callable[[Any, Any], Any]:
    read = mapping_structure_factory(kind, _converter, structure_to=dict) if get_args(kind) else _anything
    return lambda value, _: read(_expect(dict, value), kind)


def _array(value: Any, kind: Any) -> Any:
    dtype, shape = _dtype(kind), None
    if isinstance(value, dict) and value.keys() == TAGGED:
        dtype, shape, value = value["dtype"], value["shape"], value["values"]
    if isinstance(value, np.ndarray):
        return value if dtype is None else value.astype(dtype)
    try:
        array = np.array(value if shape == [] else _expect(list, value), dtype)
        if array.dtype == object:  # null among numbers
            array = np.array(value, np.float64)
        return array if shape is None else array.reshape(shape)
    except (TypeError, ValueError) as error:
        if isinstance(error, Misfit):
            raise
        raise Misfit(f"is not an array of {'values' if dtype is None else np.dtype(dtype).name}: {error}") from error


@cache
def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    fill = make_dict_structure_fn(kind, _converter, **_overrides(kind))
    structure = get_origin(kind) or kind
    hints = get_type_hints(structure)
    needed = [field_ for field_ in fields(structure) if field_.default is MISSING and field_.default_factory is MISSING]
    defaults = {field_.metadata.get("key", field_.name): _empty(hints[field_.name]) for field_ in needed}
    empty = {key: default for key, default in defaults.items() if default is not MISSING}
    return lambda body, _: fill({**empty, **_expect(dict, body)}, kind)


def _overrides(kind: Any) -> Any:
    """Return cattrs overrides for the fields that files leave out, or that have another name in files."""
    overrides = {}
    for field_ in fields(get_origin(kind) or kind):
        if not field_.metadata.get("written", True):
            overrides[field_.name] = override(omit=True)
        elif "key" in field_.metadata:
            overrides[field_.name] = override(rename=field_.metadata["key"])
    return overrides


def _empty(kind: Any) -> Any:
    """Return the value, in JSON types, of a field that a dict leaves out; MISSING if the field is required."""
    structure, kinds = get_origin(kind) or kind, get_args(kind)
    if structure in (Union, types.UnionType) and type(None) in kinds:
        return None
    if structure is np.ndarray or (structure is tuple and (not kinds or kinds[-1] is Ellipsis)):
        return []
    return {} if structure is dict else MISSING


def _dtype(kind: Any) -> Any:
    """Return the dtype in an annotation, or None."""
    arguments = get_args(kind)
    dtype = next(iter(get_args(arguments[1])), Any) if len(arguments) > 1 else Any
    return np.dtype(dtype) if isinstance(dtype, type) and issubclass(dtype, np.generic) else None


def _expect(kind: Any, value: Any) -> Any:
    return value if isinstance(value, kind) else _misfit(JSON_NAMES[kind], value)


def _misfit(expected: str, value: Any) -> NoReturn:
    raise Misfit(f"must be {expected}, received {excerpt(value)}")


def _sequence(kind: Any) -> Callable[[Any], list[Any]]:
    write = _converter.get_unstructure_hook(get_args(kind)[0])
    return lambda value: [write(item) for item in value]


def _tensor(value: Any, _: Any) -> Any:
    import torch

    array = _array(value, None)
    return torch.from_numpy(array) if array.dtype.kind in "bif" else _misfit("an array of numbers", value)


# The converter of each kind of type; the last that matches is used.


def _is(*structures: Any) -> Callable[[Any], bool]:
    return lambda kind: (get_origin(kind) or kind) in structures


def _is_any(kind: Any) -> bool:
    return kind is Any or kind is object or isinstance(kind, TypeVar)


def _is_optional_number(kind: Any) -> bool:
    return _is(Union, types.UnionType)(kind) and {float, type(None)} <= set(get_args(kind))


def _is_mapping(kind: Any) -> bool:
    structure = get_origin(kind) or kind
    return isinstance(structure, type) and issubclass(structure, Mapping)


def _is_record(kind: Any) -> bool:
    structure = get_origin(kind) or kind
    return isinstance(structure, type) and is_dataclass(structure)


def _is_tensor(kind: Any) -> bool:
    return getattr(kind, "__module__", "") == "torch" and kind.__name__ == "Tensor"


def _has(name: str) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and hasattr(kind, name)


for _kind in (int, str, bool):
    _converter.register_structure_hook(_kind, _exactly(_kind))
    _converter.register_unstructure_hook(_kind, _scalar)
_converter.register_structure_hook(float, _float)
_converter.register_unstructure_hook(float, lambda value: _number(value, None))
_converter.register_structure_hook(Path, lambda value, _: Path(_expect(str, value)))
_converter.register_unstructure_hook_func(_has("as_posix"), str)
_converter.register_structure_hook_func(_is_any, _anything)
_converter.register_unstructure_hook_func(_is_any, lambda value: _plain(value, "NaN"))
_converter.register_structure_hook_factory(_is(Union, types.UnionType), _union)
_converter.register_unstructure_hook_func(_is_optional_number, lambda value: _number(value, "NaN"))
_converter.register_structure_hook_factory(_is(Literal), _literal)
_converter.register_structure_hook_func(_is(tuple), _tuple)
_converter.register_structure_hook_factory(_is_mapping, _mapping)
_converter.register_structure_hook_func(_is(np.ndarray), _array)
_converter.register_unstructure_hook_factory(_is(np.ndarray), _array_writer)
_converter.register_structure_hook_func(_is(Sequence), _tuple)
_converter.register_unstructure_hook_factory(_is(Sequence), _sequence)
_converter.register_structure_hook_func(_is_tensor, _tensor)
_converter.register_unstructure_hook_func(_is_tensor, lambda value: _array_writer(None)(value.detach().cpu().numpy()))
_converter.register_structure_hook_factory(_is_record, lambda kind: _reader(kind))
_converter.register_unstructure_hook_factory(_is_record, lambda kind: _writer(kind))
_converter.register_structure_hook_func(_has("from_dict"), lambda value, kind: kind.from_dict(_expect(dict, value)))
_converter.register_unstructure_hook_func(_has("to_dict"), lambda value: value.to_dict())
_converter.register_structure_hook_func(_has("from_plain"), lambda value, kind: kind.from_plain(value))
_converter.register_unstructure_hook_func(_has("to_plain"), lambda value: value.to_plain())
