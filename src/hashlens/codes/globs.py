"""Choice of the layers of a code by globs over their names."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def is_selected(name: str, patterns: Sequence[str] | None) -> bool:
    """Return whether a layer name matches some glob and no ``!glob``.

    >>> is_selected("hidden.0.relu", ["hidden.*", "!*.1.*"]), is_selected("head", ["!hidden.*"])
    (True, True)
    """
    if patterns is None:
        return True
    included = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return any(fnmatchcase(name, glob) for glob in included) and not any(fnmatchcase(name, glob) for glob in excluded)


def is_requested(name: str, patterns: Sequence[str] | None) -> bool:
    """Return whether some glob other than ``*`` matches a layer name: whether the layer is requested explicitly.

    >>> is_requested("head.relu", None), is_requested("head.relu", ["!hidden.*"]), is_requested("head.relu", ["head.*"])
    (False, False, True)
    """
    return any(pattern.strip("*") and fnmatchcase(name, pattern) for pattern in patterns or ())
