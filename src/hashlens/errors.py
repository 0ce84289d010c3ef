"""Every error that hashlens raises on purpose.

::

    HashlensError
    ├── DataError            the examples: source, labels, ids, shapes
    ├── ModelError           the network: architecture, weights, the input it takes
    │   └── CaptureError     its gates: none, hidden, non-finite, of varying size
    ├── CodesError           codes: of different models, or a corrupt or newer folder
    ├── MeasureError         a measure that the codes do not support
    ├── IndexFault           an index: empty, corrupt, repeated ids, an invalid k or radius
    ├── AuditError           an audit that codes, labels or probabilities do not support
    ├── ExplainError         an explanation that the model, the input or the method does not support
    ├── StudyError           a study: its spec, its store, its results
    ├── TEDError             invalid labels or explanations, or an estimator that cannot learn them
    ├── TuningError          tuning: a trace, a stopping rule, an objective, the space
    ├── KernelError          kernels of infinite width: a layer without a limit, inputs, a singular matrix
    ├── ReportError          a file or folder that has no report
    ├── OutputError          a file or folder that cannot be written
    ├── DeviceError          a device that is not available
    └── MissingExtraError    an optional dependency that is not installed
    CodesWarning         (a warning) codes lack some gates, or include padding
    TEDWarning           (a warning) some labels have no explanations to learn
    KernelWarning        (a warning) a kernel is nearly singular in the precision of its solver

Each message is one line with the problem, the place, the expected and the received value, and a solution. All of them
are mistakes that the caller can correct: the command line prints the line and exits with status 2.
"""

import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from math import inf

from hashlens.passwords import masked


class HashlensError(Exception):
    """Base of every error that hashlens raises on purpose. No message holds the password of a URL."""

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(str(message)))


class DataError(HashlensError):
    """The examples cannot be read or do not fit the request."""


class ModelError(HashlensError):
    """The network cannot be built, loaded or run."""


class CaptureError(ModelError):
    """The gates of a network cannot be read."""


class CodesError(HashlensError):
    """Codes are corrupt, of another schema, or of another model."""


class CodesWarning(UserWarning):
    """Codes are read, but not of every gate, or of padding too."""


class MeasureError(HashlensError):
    """A measure was asked for something that the codes or labels cannot give."""


class IndexFault(HashlensError):
    """An index is empty, corrupt or half-written, or was asked for something that its rows cannot give."""


class AuditError(HashlensError):
    """An audit was asked for something that the codes, labels or probabilities cannot give."""


class ExplainError(HashlensError):
    """An explanation was asked for something that the model, the input or the method cannot give."""


class StudyError(HashlensError):
    """The spec of a study is wrong, or its store is of another study, locked or corrupt."""


class TEDError(HashlensError, ValueError):
    """Labels and explanations cannot be taught as they are, or the estimator cannot take them."""


class TEDWarning(UserWarning):
    """Explanations are taught, but not for every label."""


class TuningError(HashlensError):
    """A trace, a rule that stops tuning, an objective or a space of hyperparameters is not what tuning takes."""


class KernelError(HashlensError, ValueError):
    """A network has no limit of infinite width, inputs do not fit it, or a kernel cannot be solved."""


class KernelWarning(UserWarning):
    """A kernel is near singular for the precision that it is solved in."""


class ReportError(HashlensError):
    """A file or folder is nothing that a report can be made of."""


class OutputError(HashlensError):
    """A file or folder cannot be written."""


class DeviceError(HashlensError):
    """The device asked for is not there."""


class MissingExtraError(HashlensError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'hashlens[{extra}]'")


def warn(text: str) -> None:
    """Warn of codes that are not of every gate, at the line of the caller's own that led here."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "hashlens":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, CodesWarning, stacklevel=level)


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint that names the nearest match, or everything known when nothing is near: numbers, then names.

    >>> nearest("reset18", ["resnet18", "vgg16"])
    "did you mean 'resnet18'?"
    >>> nearest("zzz", ["resnet18", "vgg16"])
    'known: resnet18, vgg16'
    >>> nearest(7, [5, 100, 20])
    'known: 5, 20, 100'
    """
    names = sorted(map(str, known), key=_in_order)
    close = get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(names)


def _in_order(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return inf, name
