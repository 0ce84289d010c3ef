"""Readable differences between two specs."""

import json
from collections.abc import Mapping
from typing import Any

from hashlens.study.spec.spec import DEFAULT

NOT_COMPARED = ("name", "description", "data", "keep")
_ABSENT = "(nothing)"


def comparable_fields(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a spec that affect results: all but `NOT_COMPARED`."""
    fields = {"experiment": DEFAULT, **spec}  # specs in stores of version 1 have no field experiment
    return {name: value for name, value in fields.items() if name not in NOT_COMPARED}


def changes(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> list[str]:
    """Return a line for every field that differs, with its dotted path.

    An absent field counts as null, because older stores lack newer fields.

    >>> changes({"axes": {"width": [10, 20]}, "seed": 0}, {"axes": {"width": [10]}, "k": 9, "seed": 0})
    ['axes.width: [10, 20] -> [10]', 'k: (nothing) -> 9']
    """
    earlier_leaves, later_leaves = _leaves(earlier), _leaves(later)
    return [
        f"{path}: {_short(earlier_leaves.get(path, _ABSENT))} -> {_short(later_leaves.get(path, _ABSENT))}"
        for path in dict.fromkeys([*earlier_leaves, *later_leaves])
        if earlier_leaves.get(path, "null") != later_leaves.get(path, "null")
    ]


def join_first(lines: list[str], limit: int = 3) -> str:
    """Join the first lines, and add the number of the remaining ones.

    >>> join_first(["a", "b", "c"], 2)
    'a; b; and 1 more'
    """
    rest = [f"and {len(lines) - limit} more"] if len(lines) > limit else []
    return "; ".join([*lines[:limit], *rest])


def _short(text: str) -> str:
    # Both ends are kept, because lists often differ only at their end.
    return text if len(text) <= 100 else f"{text[:45]} ... {text[-50:]}"


def _leaves(value: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Return the leaves of a nested mapping as JSON, by dotted path; an empty mapping counts as a leaf."""
    leaves: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            leaves |= _leaves(item, f"{path}{name}.")
        else:
            leaves[f"{path}{name}"] = json.dumps(item)
    return leaves
