"""Names of the layers of gates."""

from hashlens.codes.gates import ACTIVATION_MODULES
from hashlens.codes.running_module import RunningModule, qualified_name

ACTIVATION_NAMES = frozenset(qualified_name(kind) for kind in ACTIVATION_MODULES)
"""Qualified class names of the modules that must run a gate whenever they are called."""


def layer_name(running: RunningModule, operator: str, used: set[str]) -> str:
    """Return the name of a gate's layer, and add it to `used`.

    It is the path of the running activation module, or the path of another module followed by the operator. From the
    second call on it ends in ``#1``, ``#2``, ...

    Parameters
    ----------
    running : RunningModule
        Record of the module that is running.
    operator : str
        Name of the gate's operator.
    used : set of str
        Names of the gates that ran before in the same pass.
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
    """Return the layer name of the first call of a gate.

    >>> first_call("act#2"), first_call("act")
    ('act', 'act')
    """
    base, mark, call = name.rpartition("#")
    return base if mark and call.isdigit() else name
