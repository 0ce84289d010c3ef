"""Class labels: which values are labels, which mean a missing label, and one numbering for several sources."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import DataError, HashlensError

Labels = npt.NDArray[np.int64]
ClassNames = tuple[str, ...] | None

NO_LABEL = -1
"""The value that means a missing label. None and NaN are converted to it."""
SIGNS = (-1, 1)
"""The only case in which -1 is a class: labels without class names whose only values are -1 and 1."""

_TOO_LARGE = 2**63
VALUES = 20
"""Floating-point labels are regression targets if they have more distinct values than this, and than n / 4."""
_FLOATS = "floating-point numbers"
_CUT = "cut values into classes (numpy.digitize), or leave the labels out"
_WAY_OUT = "labels are class numbers 0, 1, ... or class names, one for each example; -1, None and NaN mean no label"
_log = logging.getLogger("hashlens")


def class_labels(labels: Any, name: str, *, all_labels: bool = True) -> tuple[Labels, ClassNames]:
    """Return labels as class numbers, and the class names if there are any.

    Parameters
    ----------
    labels : tensor, array or sequence
        ``(n,)`` or ``(n, 1)``: integers, booleans, floats without a fraction, or strings. Strings are numbered in
        sorted order. -1, None and NaN mean that an example has no label.
    name : str
        Name of the source, for messages.
    all_labels : bool
        Whether these are all labels of the source. Then labels that are only -1 and 1 are two classes, and many
        different floating-point numbers are refused as the targets of a regression.

    Returns
    -------
    labels : numpy.ndarray
        int64 ``(n,)``, -1 where there is no label.
    class_names : tuple of str, or None
        The strings in sorted order; ``("-1", "1")`` for these two classes; None for other numbers.

    Raises
    ------
    DataError
        If the labels are of any other kind, or one is below -1.
    """
    values, is_float = _numbers_or_names(labels, name)
    if values.dtype.kind == "U":
        _require_names(values, name)
        return _number(values)
    if values.dtype.kind == "b":
        return values.astype(np.int64), None
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name}: labels have dtype {values.dtype}; {_WAY_OUT}")
    with np.errstate(invalid="ignore"):  # infinity % 1 is NaN, which counts as a fraction below
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), np.bool_)
        fractions = values % 1 != 0 if values.dtype.kind == "f" else False
        invalid = np.flatnonzero(~missing & ((values < NO_LABEL) | (values >= _TOO_LARGE) | fractions))
    if len(invalid):
        odd = values[invalid[0]]
        value = f"the values of a regression are not classes: {_CUT}; " if math.isfinite(odd) and odd % 1 else ""
        raise DataError(f"{name}: the label of row {invalid[0]} is {odd}; {value}{_WAY_OUT}")
    if all_labels and is_float:
        refuse_regression_targets(values[~missing], name)
    labels = np.where(missing, NO_LABEL, values).astype(np.int64) if missing.any() else values.astype(np.int64)
    if not all_labels:
        return labels, None
    # Missing labels are left out here: if all other labels are -1 and 1, they are two classes.
    renumbered_labels, names = signs_as_classes(labels[~missing], None, name)
    labels[~missing] = renumbered_labels
    return labels, names


def float_labels(labels: Any, name: str) -> npt.NDArray[np.float64] | None:
    """Return the labels that are not missing, float64 ``(k,)``, if they are floating-point numbers; otherwise None."""
    values, is_float = _numbers_or_names(labels, name)
    return values[~np.isnan(values)].astype(np.float64) if is_float else None


def _numbers_or_names(labels: Any, name: str) -> tuple[npt.NDArray[Any], bool]:
    """Return labels as numbers, or as strings in which ``""`` means a missing label; and whether some are floats.

    Integers with ``None`` among them do not count as floats, although NumPy converts them to floats.
    """
    if isinstance(labels, np.ma.MaskedArray):  # masked labels are missing labels
        labels = labels.tolist(None)
    try:
        values = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    except ValueError as error:
        raise DataError(f"{name}: labels are lists of different lengths; {_WAY_OUT}") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{name}: labels have shape {values.shape}; {_WAY_OUT}")
    if values.dtype.kind == "S":  # HDF5 and C store strings as bytes
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: labels are bytes that are not UTF-8 text; {_WAY_OUT}") from error
    if values.dtype.kind not in "OUT":
        return values, values.dtype.kind == "f"
    items = [None if is_missing(value) else value for value in values.tolist()]
    if any(isinstance(value, str) for value in items):
        if not all(value is None or isinstance(value, str) for value in items):
            raise DataError(f"{name}: labels are names and numbers mixed; {_WAY_OUT}")
        return np.array(["" if value is None else value for value in items], dtype=np.str_), False
    try:
        is_float = any(isinstance(value, float) for value in items)
        return np.array([np.nan if value is None else value for value in items]), is_float
    except ValueError as error:
        raise DataError(f"{name}: labels have dtype {values.dtype}; {_WAY_OUT}") from error


def is_missing(value: Any) -> bool:
    """Return whether a label is None, NaN, or a missing value of pandas (``pd.NA``, ``pd.NaT``)."""
    return (
        value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
    )


def refuse_regression_targets(
    values: npt.NDArray[Any], name: str, kind: str = _FLOATS, *, seen: int | None = None, rows: int = 0
) -> None:
    """Raise DataError if so many numbers are distinct that they must be the targets of a regression.

    Parameters
    ----------
    values : numpy.ndarray
        The numbers, or the distinct ones among them.
    name, kind : str
        Name of the source, and what the numbers are, for messages.
    seen : int, optional
        Number of labels whose values these are; by default the number of values.
    rows : int
        Least number of labels in the source.
    """
    seen = len(values) if seen is None else seen
    if (different := len(np.unique(values))) > max(VALUES, max(seen, rows) / 4):
        raise DataError(
            f"{name}: {seen:,} labels are {different:,} different {kind}, as the values of a regression are: "
            f"{_CUT}; if they are classes, give them as integers"
        )


def _require_names(names: npt.NDArray[Any], name: str) -> None:
    """Raise DataError if the strings are regression targets written as text, as in a CSV file."""
    try:
        values = names[names != ""].astype(np.float64)
    except ValueError:
        return
    if (values % 1 != 0).any():
        refuse_regression_targets(values, name, "numbers with fractions")


def _number(values: npt.NDArray[Any]) -> tuple[Labels, ClassNames]:
    labelled = values != ""
    labels = np.full(len(values), NO_LABEL, np.int64)
    class_names, labels[labelled] = np.unique(values[labelled], return_inverse=True)
    return labels, tuple(class_names.tolist())


def has_label(labels: Labels) -> npt.NDArray[np.bool_]:
    """Return which labels are known, bool ``(n,)``: all but -1.

    Whether -1 and 1 are two classes is decided once, on all labels of a source, by :func:`signs_as_classes`. It is
    never decided on some of the rows: by chance, these might have no other labels.

    >>> has_label(np.array([0, -1, 1])).tolist()
    [True, False, True]
    """
    return np.asarray(labels != NO_LABEL)


def are_signs(labels: Labels, class_names: Sequence[str] | None = None) -> bool:
    """Return whether labels are the two classes -1 and 1."""
    if class_names is not None or len(labels) == 0 or labels.min() != SIGNS[0] or labels.max() != SIGNS[1]:
        return False
    return bool(np.isin(labels, SIGNS).all())


def signs_as_classes(labels: Labels, class_names: ClassNames, name: str) -> tuple[Labels, ClassNames]:
    """Return all labels of a source; if they are the classes -1 and 1, as 0 and 1 with the names "-1" and "1"."""
    if not are_signs(labels, class_names):
        return labels, class_names
    _log.warning("%s: the labels are -1 and 1 only, so -1 is read as a class and not as a missing label", name)
    return (labels > 0).astype(np.int64), tuple(map(str, SIGNS))


def class_name(class_names: Sequence[str] | None, label: int) -> str:
    """Return the name of a class, its number if it has no name, or "no label" for -1.

    >>> class_name(("cat", "dog"), 1), class_name(None, 7), class_name(("cat", "dog"), -1)
    ('dog', '7', 'no label')
    """
    if class_names is not None and 0 <= label < len(class_names):
        return class_names[label]
    return "no label" if label == NO_LABEL else str(label)


def fitting_names(labels: Labels | None, class_names: ClassNames) -> ClassNames:
    """Return the class names of a data set; None if there is a class without a name, since they do not fit then."""
    beyond = class_names is not None and labels is not None and len(labels) > 0 and labels.max() >= len(class_names)
    return None if beyond else class_names


def one_numbering(
    parts: Sequence[tuple[Labels | None, ClassNames]], sources: Sequence[str], error: type[HashlensError] = DataError
) -> tuple[list[Labels | None], ClassNames, str]:
    """Return the labels of several sources in one numbering: a number means the same class in all of them.

    The numbering is that of the first source with class names. Classes that this source lacks are appended. So the
    class numbers that a network learnt from the first source do not change.

    Parameters
    ----------
    parts : sequence of pairs
        The labels of each source, int64 ``(n,)`` or None, and its class names or None.
    sources : sequence of str
        Name of each source, for messages.
    error : type
        Type of the exception to raise.

    Returns
    -------
    labels : list of numpy.ndarray or None
        Labels of each source in the common numbering.
    class_names : tuple of str, or None
        Names of all classes; None if no source has names.
    note : str
        Note on labels that are compared by number. Empty if all sources have class names, or if none has.

    Raises
    ------
    HashlensError
        If a source without class names has a number that does not fit the names of the others; or if two classes of one
        source have the same name and must be compared by name.
    """
    labels, names = [part[0] for part in parts], [part[1] for part in parts]
    name_lists = [class_names for class_names in names if class_names is not None]
    if not name_lists:
        return labels, None, ""
    note = _number_note(parts, sources, error)
    if all(class_names == name_lists[0] for class_names in name_lists):
        return labels, name_lists[0], note
    for source, class_names in zip(sources, names, strict=True):
        if class_names is not None and len(set(class_names)) < len(class_names):
            twice = next(name for i, name in enumerate(class_names) if name in class_names[:i])
            raise error(
                f"{source}: two classes are called {twice!r}, so its classes cannot be compared by name with "
                "others; give both sets of examples the same class names"
            )
    union = tuple(dict.fromkeys(name for class_names in name_lists for name in class_names))
    index = {name: i for i, name in enumerate(union)}
    renumbered_labels = [
        part
        if part is None or own_names is None
        else renumber(part, np.array([index[name] for name in own_names], np.int64))
        for part, own_names in zip(labels, names, strict=True)
    ]
    return renumbered_labels, union, note


def renumber(labels: Labels, numbers: Labels) -> Labels:
    """Return labels in which class i is ``numbers[i]``; missing labels stay missing.

    Raises
    ------
    DataError
        If a label has no entry in `numbers`.
    """
    if len(labels) and labels.max() >= len(numbers):
        raise DataError(
            f"a label is {labels.max()}, and there are names of {len(numbers)} classes: give a name to each"
        )
    renumbered_labels = labels.copy()
    labelled = labels != NO_LABEL
    renumbered_labels[labelled] = numbers[labels[labelled]]
    return renumbered_labels


def _number_note(
    parts: Sequence[tuple[Labels | None, ClassNames]], sources: Sequence[str], error: type[HashlensError]
) -> str:
    """Return a note on sources without class names, which are compared by number; raise if the numbers do not fit."""
    named, names = next((source, part[1]) for source, part in zip(sources, parts, strict=True) if part[1] is not None)
    assert names is not None
    unnamed = [
        (source, labels)
        for source, (labels, own_names) in zip(sources, parts, strict=True)
        if own_names is None and labels is not None and (labels != NO_LABEL).any()
    ]
    for source, labels in unnamed:
        if labels.max() >= len(names) or labels.min() < NO_LABEL or are_signs(labels):
            odd = int(labels.max() if labels.max() >= len(names) else labels.min())
            raise error(
                f"{source} has labels without class names, such as {odd}, and {named} has {len(names)} named classes "
                f"({names[0]!r}, ...): give both class names, or both numbers"
            )
    numbers = sorted({label for _, labels in unnamed for label in labels.tolist()} - {NO_LABEL})
    if names == tuple(map(str, SIGNS)) and 0 in numbers:
        raise error(
            f"{named} has labels -1 and 1 only, which are two classes, and {unnamed[0][0]} has a class 0: if -1 is no "
            "label, give None or NaN in its place, or class names; if it is a class, give both the same numbers"
        )
    for number in numbers:
        if str(number) in names and names[number] != str(number):
            raise error(
                f"{unnamed[0][0]} has labels without class names, such as {number}, and class {number} of {named} is "
                f"called {names[number]!r}, another {str(number)!r}: give both class names, or both numbers"
            )
    # A class 7 that is called '7' is the same by number and by name.
    if all(names[number] == str(number) for number in numbers):
        return ""
    return (
        f"the labels of {', '.join(source for source, _ in unnamed)} have no class names: they are compared by number "
        f"with those of {named}, where 0 is {names[0]!r}; labels that are names are compared by name"
    )


def unseen_classes(train: Labels | None, test: Labels | None, names: Sequence[str] | None = None) -> str | None:
    """Return a warning about test examples whose class does not occur in train; None if there are none.

    Parameters
    ----------
    train, test : numpy.ndarray, optional
        int64 ``(n,)``: labels; None if they are not known.
    names : sequence of str, optional
        Names of classes 0, 1, ...

    >>> unseen_classes(np.array([0, 1]), np.array([0, 2, 2, 3]))
    '3 of 4 test examples are of classes that train has no example of (2, 3): a model trained on it misclassifies them'
    """
    if train is None or test is None:
        return None
    unseen = ~np.isin(test, train) & has_label(test)
    if not unseen.any():
        return None
    class_names = names or ()
    classes = [
        class_names[number] if 0 <= number < len(class_names) else str(number)
        for number in np.unique(test[unseen]).tolist()
    ]
    listed = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
    return (
        f"{int(unseen.sum()):,} of {len(test):,} test examples are of classes that train has no example of "
        f"({listed}): a model trained on it misclassifies them"
    )
