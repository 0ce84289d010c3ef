"""YAML with the line of every field, for error messages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from hashlens.errors import StudyError

FieldPath = tuple[str | int, ...]
_AS_TEXT = {f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "value")}
# Ten lines of nested YAML aliases can expand to more values than fit in memory.
_MAX_VALUES = 100_000
_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")


def dotted_path(path: FieldPath) -> str:
    """Return a path in dotted notation.

    >>> dotted_path(("axes", "width", 1))
    'axes.width[1]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


@dataclass(frozen=True, eq=False)
class Source:
    """The file and lines of a spec, for error messages. All sources are equal, so that specs compare by content.

    Attributes
    ----------
    name : str
        Name of the file.
    lines : dict of path to int
        Line of each field, from 1; empty for a spec made in Python.
    """

    name: str = "study"
    lines: dict[FieldPath, int] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source)

    def __hash__(self) -> int:
        return hash(Source)

    def line(self, path: FieldPath) -> int | None:
        """Return the line of a field, or of the innermost section around it that has a line."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def error(self, *problems: tuple[FieldPath, str]) -> StudyError:
        """Return an error with the problem that comes first in the file, and the number of other problems."""
        path, text = min(problems, key=lambda problem: self.line(problem[0]) or 0)
        line = self.line(path)
        location = self.name if line is None else f"{self.name} line {line}"
        rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return StudyError(": ".join(part for part in (location, dotted_path(path), text) if part) + rest)


def read_yaml(text: str, name: str) -> tuple[dict[str, Any], Source]:
    """Return the fields of a YAML mapping, and the line of each.

    Numbers such as ``1e-3`` are read as numbers (YAML 1.1 reads them as text), and dates as text.

    Raises
    ------
    StudyError
        If the text is not YAML, is empty, is not a mapping, or has a field twice.
    """
    source = Source(name)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise StudyError(f"{name}: the file is empty; expected fields such as axes: {{width: [10, 20]}}")
        source.lines.update({(): root.start_mark.line + 1})
        fields = _value(root, (), source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        location = name if mark is None else f"{name} line {mark.line + 1}"
        raise StudyError(
            f"{location}: not YAML: {_one_line(error.problem or error.context or 'unreadable')}"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise StudyError(f"{name}: not YAML: {_one_line(error)}") from error
    except RecursionError as error:
        raise StudyError(f"{name}: not a study: it nests too deeply") from error
    if not isinstance(fields, dict):
        raise source.error(((), f"a study is a mapping of fields such as 'axes: ...', received {fields!r:.60}"))
    return fields, source


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


def _value(node: yaml.Node, path: FieldPath, source: Source) -> Any:
    """Return the value of a node, and record the lines of the fields inside it."""
    if len(source.lines) > _MAX_VALUES:
        raise StudyError(
            f"{source.name}: not a study: it holds more than {_MAX_VALUES:,} values; look for aliases of aliases"
        )
    if isinstance(node, yaml.MappingNode):
        return dict(_fields(node, path, source))
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            source.lines[*path, i] = item.start_mark.line + 1
        return [_value(item, (*path, i), source) for i, item in enumerate(node.value)]
    if node.tag in _AS_TEXT:
        return node.value
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    if plain and node.tag == "tag:yaml.org,2002:str" and _EXPONENT.fullmatch(node.value):
        return float(node.value)
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, KeyError) as error:
        location, kind = f"{source.name} line {node.start_mark.line + 1}", node.tag.rpartition(":")[2]
        raise StudyError(
            f"{location}: {dotted_path(path)}: cannot be read as {kind}, received {node.value!r:.60}"
        ) from error


def _fields(node: yaml.MappingNode, path: FieldPath, source: Source) -> Iterator[tuple[str, Any]]:
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            line = key_node.start_mark.line + 1
            raise StudyError(
                f"{source.name} line {line}: merge keys are not taken, received '<<': write the fields out"
            )
        key, line = _value(key_node, path, source), key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise StudyError(f"{source.name} line {line}: the name of a field must be text, received {key!r:.60}")
        field_path = (*path, key)
        if field_path in source.lines:
            first = source.lines[field_path]
            raise StudyError(
                f"{source.name} line {line}: {dotted_path(field_path)}: given twice, first on line {first}"
            )
        source.lines[field_path] = line
        yield key, _value(value_node, field_path, source)
