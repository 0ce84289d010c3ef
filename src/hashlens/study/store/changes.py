"""What changed between two specs, in words."""

import json
from collections.abc import Mapping
from typing import Any

from hashlens.study.spec.spec import DEFAULT

NOT_COMPARED = ("name", "description", "data", "keep")
_ABSENT = "(nothing)"


def compared(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a spec that numbers depend on: all but its name and description, and where things are."""
    fields = {"experiment": DEFAULT, **spec}  # stores of version 1 name none
    return {name: value for name, value in fields.items() if name not in NOT_COMPARED}


def changes(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> list[str]:
    """Return a line for every field that differs, named by its dotted path.

    A field that is absent, as in a store of before it was known, is as one that is null.

    >>> changes({"axes": {"width": [10, 20]}, "seed": 0}, {"axes": {"width": [10]}, "k": 9, "seed": 0})
    ['axes.width: [10, 20] -> [10]', 'k: (nothing) -> 9']
    """
    earlier_leaves, later_leaves = _leaves(earlier), _leaves(later)
    return [
        f"{path}: {_short(earlier_leaves.get(path, _ABSENT))} -> {_short(later_leaves.get(path, _ABSENT))}"
        for path in dict.fromkeys([*earlier_leaves, *later_leaves])
        if earlier_leaves.get(path, "null") != later_leaves.get(path, "null")
    ]


def first_few(lines: list[str], limit: int = 3) -> str:
    """Return the first lines in one, and how many more there are.

    >>> first_few(["a", "b", "c"], 2)
    'a; b; and 1 more'
    """
    rest = [f"and {len(lines) - limit} more"] if len(lines) > limit else []
    return "; ".join([*lines[:limit], *rest])


def _short(text: str) -> str:
    # Lists differ at their ends as often as at their beginnings.
    return text if len(text) <= 100 else f"{text[:45]} ... {text[-50:]}"


def _leaves(value: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Return what `value` holds as JSON, by dotted path; an empty mapping is a leaf too."""
    leaves: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            leaves |= _leaves(item, f"{path}{name}.")
        else:
            leaves[f"{path}{name}"] = json.dumps(item)
    return leaves
