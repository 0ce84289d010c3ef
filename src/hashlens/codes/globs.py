"""Choice of the layers of a code by globs over their names."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def selected(name: str, patterns: Sequence[str] | None) -> bool:
    """Return whether a layer name matches some glob and no ``!glob``.

    >>> selected("hidden.0.relu", ["hidden.*", "!*.1.*"]), selected("head", ["!hidden.*"])
    (True, True)
    """
    if patterns is None:
        return True
    included = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return any(fnmatchcase(name, glob) for glob in included) and not any(fnmatchcase(name, glob) for glob in excluded)


def named(name: str, patterns: Sequence[str] | None) -> bool:
    """Return whether some glob other than ``*`` matches a layer name: whether the layer is requested explicitly.

    >>> named("head.relu", None), named("head.relu", ["!hidden.*"]), named("head.relu", ["head.*"])
    (False, False, True)
    """
    return any(pattern.strip("*") and fnmatchcase(name, pattern) for pattern in patterns or ())
