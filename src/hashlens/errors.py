"""Every error that hashlens raises on purpose.

::

    HashlensError
    ├── DataError            the examples: source, labels, ids, shapes
    ├── ModelError           the network: architecture, weights, the input it takes
    │   └── CaptureError     its gates: none, hidden, non-finite, of varying size
    ├── CodesError           codes: of different models, or a corrupt or newer folder
    ├── MeasureError         a measure that the codes do not support
    ├── IndexFault           an index of codes: empty, corrupt, repeated ids, an invalid k or radius
    ├── AuditError           an audit that codes, labels or probabilities do not support
    ├── ExplainError         an explanation that the model, the input or the method does not support
    ├── StudyError           a study: its file, its store, its results
    ├── TEDError             taught explanations (TED): invalid labels or reasons, or an unsuitable estimator
    ├── TuningError          tuning: recorded trials, a stopping rule, an objective, the space of hyperparameters
    ├── KernelError          kernels of infinite width: a layer without a limit, inputs, a singular matrix
    ├── ReportError          a file or folder that has no report
    ├── OutputError          a file or folder that cannot be written
    ├── DeviceError          a device that is not available
    └── MissingExtraError    an optional dependency that is not installed
    CodesWarning         (a warning) codes lack some gates, or include padding
    TEDWarning           (a warning) some labels have no reasons to learn
    KernelWarning        (a warning) a kernel is nearly singular in the precision of its solver

Each message is one line with the problem, the place, the expected and the received value, and a solution. All of them
are mistakes that the caller can correct: the command line prints the line and exits with status 2.
"""

import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from math import inf

from hashlens.passwords import mask_passwords


class HashlensError(Exception):
    """Base class of every error that hashlens raises on purpose. Messages never contain the password of a URL."""

    def __init__(self, message: str = "") -> None:
        super().__init__(mask_passwords(str(message)))


class DataError(HashlensError):
    """The examples cannot be read or do not fit the request."""


class ModelError(HashlensError):
    """The network cannot be built, loaded or run."""


class CaptureError(ModelError):
    """The gates of a network cannot be read."""


class CodesError(HashlensError):
    """Codes are corrupt, or of another schema or model."""


class CodesWarning(UserWarning):
    """Codes were read, but they lack some gates, or include padding."""


class MeasureError(HashlensError):
    """A measure cannot be computed from the codes or labels."""


class IndexFault(HashlensError):
    """An index is empty, corrupt or partly written, or its rows do not allow the request."""


class AuditError(HashlensError):
    """The codes, labels or probabilities do not allow the requested audit."""


class ExplainError(HashlensError):
    """The model, the input or the method does not allow the requested explanation."""


class StudyError(HashlensError):
    """The spec of a study is wrong, or its store is locked, corrupt or of another study."""


class TEDError(HashlensError, ValueError):
    """TED cannot learn these labels and explanations, or the estimator is unsuitable."""


class TEDWarning(UserWarning):
    """TED learns explanations, but not for every label."""


class TuningError(HashlensError):
    """A trace, a stopping rule, an objective or a space of hyperparameters is invalid."""


class KernelError(HashlensError, ValueError):
    """A network has no infinite-width limit, inputs do not fit it, or a kernel system cannot be solved."""


class KernelWarning(UserWarning):
    """A kernel is almost singular in the precision used."""


class ReportError(HashlensError):
    """No report can be made of a file or folder."""


class OutputError(HashlensError):
    """A file or folder cannot be written."""


class DeviceError(HashlensError):
    """The requested device does not exist."""


class MissingExtraError(HashlensError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'hashlens[{extra}]'")


def warn(text: str) -> None:
    """Issue a CodesWarning that points to the line of the caller's code, outside hashlens."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "hashlens":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, CodesWarning, stacklevel=level)


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint with the closest match, or with all known values if none is close: numbers first, then names.

    >>> nearest("reset18", ["resnet18", "vgg16"])
    "did you mean 'resnet18'?"
    >>> nearest("zzz", ["resnet18", "vgg16"])
    'known: resnet18, vgg16'
    >>> nearest(7, [5, 100, 20])
    'known: 5, 20, 100'
    """
    names = sorted(map(str, known), key=_numbers_first)
    close = get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(names)


def _numbers_first(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return inf, name
