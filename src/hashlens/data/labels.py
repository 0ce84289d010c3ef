"""Class labels from whatever they are kept in."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.examples import Examples
from hashlens.errors import DataError

Labels = npt.NDArray[np.int64]
_TOO_LARGE = 2**63
_WAY_OUT = "labels are class numbers 0, 1, ... or class names, one for each example"


def class_labels(given: Any, name: str) -> tuple[Labels, tuple[str, ...] | None]:
    """Return labels as class numbers, with the names of the classes where labels are strings.

    Parameters
    ----------
    given : tensor, array or sequence
        ``(n,)`` or ``(n, 1)``: integers, booleans, floats without a fraction, or strings, which are numbered in sorted
        order.
    name : str
        The source, for the message.

    Returns
    -------
    labels : numpy.ndarray
        int64 ``(n,)``.
    class_names : tuple of str, or None

    Raises
    ------
    DataError
        When they are anything else, or negative.
    """
    try:
        values = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    except ValueError as error:
        raise DataError(f"{name}: labels are lists of different lengths; {_WAY_OUT}") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{name}: labels have shape {values.shape}; {_WAY_OUT}")
    if values.dtype.kind in "OUT" and all(isinstance(value, str) for value in values):
        class_names, codes = np.unique(values.astype(str), return_inverse=True)
        return codes.astype(np.int64), tuple(class_names.tolist())
    if values.dtype.kind == "b":
        return values.astype(np.int64), None
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name}: labels have dtype {values.dtype}; {_WAY_OUT}")
    with np.errstate(invalid="ignore"):  # infinity has no remainder, which is what we want to hear
        fractions = values % 1 != 0 if values.dtype.kind == "f" else False
        wrong = np.flatnonzero((values < 0) | (values >= _TOO_LARGE) | fractions)
    if len(wrong):
        raise DataError(f"{name}: the label of row {wrong[0]} is {values[wrong[0]]}; {_WAY_OUT}")
    return values.astype(np.int64), None


def require_same_classes(train: Examples, test: Examples) -> None:
    """Raise DataError if a class number means one name on train and another on test.

    Names are numbered source by source, so a class that is missing from one shifts all that follow.
    """
    ours, theirs = train.class_names, test.class_names
    if ours is None or theirs is None or ours == theirs:
        return
    pairs = enumerate(zip_longest(ours, theirs, fillvalue="no class"))
    number, here, there = next((i, a, b) for i, (a, b) in pairs if a != b)
    raise DataError(
        f"{train.name} and {test.name} do not have the same classes: class {number} is {here!r} in one and {there!r} "
        "in the other; give labels as numbers, or both the same classes (an empty sub-folder of images counts)"
    )


def unseen_classes(train: Labels | None, test: Labels | None, names: Sequence[str] | None = None) -> str | None:
    """Return what to know of test examples whose class no train example has; None where there are none.

    Parameters
    ----------
    train, test : numpy.ndarray, optional
        int64 ``(n,)``; None where labels are not known.
    names : sequence of str, optional
        Of class 0, 1, ...

    >>> unseen_classes(np.array([0, 1]), np.array([0, 2, 2, 3]))
    '3 of 4 test examples are of classes that train has no example of (2, 3): what learns from train gets them wrong'
    """
    if train is None or test is None:
        return None
    unseen = ~np.isin(test, train)
    if not unseen.any():
        return None
    known = names or ()
    classes = [known[at] if at < len(known) else str(at) for at in np.unique(test[unseen]).tolist()]
    listed = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
    return (
        f"{int(unseen.sum()):,} of {len(test):,} test examples are of classes that train has no example of ({listed}): "
        "what learns from train gets them wrong"
    )
