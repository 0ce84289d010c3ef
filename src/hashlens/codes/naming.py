"""Naming: what the layer of a gate is called."""

from hashlens.codes.gates import ACTIVATION_MODULES
from hashlens.codes.running_module import RunningModule, qualified_name

ACTIVATION_NAMES = frozenset(qualified_name(kind) for kind in ACTIVATION_MODULES)
"""Qualified class names of the modules that must yield a gate whenever they run."""


def layer_name(running: RunningModule, operator: str, used: set[str]) -> str:
    """Return the name of a gate's layer, and add it to those taken.

    It is the path of the activation module that runs, or the path of another module with the operator behind it; from
    the second call on with ``#1``, ``#2``, ...

    Parameters
    ----------
    running : RunningModule
        Knows which module runs.
    operator : str
        The gate's operator.
    used : set of str
        Names of the gates that the same pass has met before.
    """
    path, kind = running.current
    base = path if path and kind in ACTIVATION_NAMES else f"{path}.{operator}".lstrip(".")
    name, calls = base, 0
    while name in used:
        calls += 1
        name = f"{base}#{calls}"
    used.add(name)
    return name


def first_call(name: str) -> str:
    """Return the name that the first call of a layer's gate has.

    >>> first_call("act#2"), first_call("act")
    ('act', 'act')
    """
    base, mark, call = name.rpartition("#")
    return base if mark and call.isdigit() else name
