"""Labels as classes: check them, leave out rows without a label, and group rows by class."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hashlens.codes.codes import Codes
from hashlens.codes.numbering import codes_with_one_numbering
from hashlens.data.labels import (
    ClassNames,
    are_signs,
    class_labels,
    fitting_names,
    float_labels,
    has_label,
    one_numbering,
    refuse_regression_targets,
)
from hashlens.errors import DataError, HashlensError, MeasureError

Labels = npt.NDArray[np.int64]

_log = logging.getLogger("hashlens")


def checked_labels(labels: npt.ArrayLike | None, rows: int, purpose: str) -> Labels:
    """Return `labels` as int64 ``(rows,)``, -1 where there is none; names are numbered in sorted order.

    Raises
    ------
    MeasureError
        If there are no labels, not one for each row, or they are not classes.
    """
    return _read(labels, rows, purpose)[0]


def _read(labels: npt.ArrayLike | None, rows: int, purpose: str) -> tuple[Labels, ClassNames]:
    if labels is None:
        raise MeasureError(f"{purpose} needs labels, but these rows have none: give labels= or encode labelled data")
    try:
        shape = np.shape(labels)
    except ValueError as error:
        raise MeasureError(f"{purpose} needs one label for each of {rows:,} rows, received a ragged list") from error
    if shape != (rows,):
        raise MeasureError(f"{purpose} needs one label for each of {rows:,} rows, received shape {shape}")
    if rows == 0:
        raise MeasureError(f"{purpose} needs at least one row, received none")
    try:
        result = class_labels(labels, purpose, all_labels=False)
        if (values := float_labels(labels, purpose)) is not None:
            refuse_regression_targets(values, purpose)
        return result
    except DataError as error:
        raise MeasureError(str(error)) from error


def labels_of(codes: Codes, labels: npt.ArrayLike | None, purpose: str) -> tuple[Labels, ClassNames]:
    """Return `labels`, or those of the codes; class names are converted to the class numbers of the codes.

    Raises
    ------
    MeasureError
        In the cases of :func:`checked_labels`.
    """
    numbers, read = _read(codes.labels if labels is None else labels, len(codes), purpose)
    if labels is None:
        return numbers, codes.class_names
    if read is None:
        return numbers, fitting_names(numbers, codes.class_names)
    named, names = _by_name([(None, codes.class_names), (numbers, read)])
    assert named is not None
    return named, names


def labelled_rows(labels: npt.ArrayLike | None, rows: int, purpose: str) -> tuple[Labels, Labels | slice]:
    """Return the known labels, int64 ``(k,)``, and the rows that have one; a slice if all have.

    Raises
    ------
    MeasureError
        In the cases of :func:`checked_labels`, and if no row has a label.
    """
    numbers, kept, _ = named_rows(labels, rows, purpose)
    return numbers, kept


def labelled_row_pairs(
    reference: tuple[npt.ArrayLike | None, int], queries: tuple[npt.ArrayLike | None, int], purpose: str
) -> tuple[tuple[Labels, Labels | slice], tuple[Labels, Labels | slice]]:
    """Return the known labels of two sets of vectors, matched by name if both have names.

    Parameters
    ----------
    reference, queries : tuple
        Labels and number of rows of each set.
    purpose : str
        The computation that needs labels, for messages.

    Returns
    -------
    tuple of pairs
        For each set, its labels in the numbering of `reference`, and the rows that have one; a slice if all have.

    Raises
    ------
    MeasureError
        In the cases of :func:`labelled_rows`, and if class numbers of one set do not fit the names of the other.
    """
    parts = [_read(labels, rows, purpose) for labels, rows in (reference, queries)]
    result, names, note = one_numbering(parts, ["labels of train", "labels of test"], MeasureError)
    if note:
        _log.warning("%s: %s", purpose, note)
    numbers = [part for part in result if part is not None]
    kept = _labelled_selection(numbers, names, purpose, True)
    return (numbers[0][kept[0]], kept[0]), (numbers[1][kept[1]], kept[1])


def named_rows(
    labels: npt.ArrayLike | None, rows: int, purpose: str, class_names: ClassNames = None
) -> tuple[Labels, Labels | slice, ClassNames]:
    """Return the known labels as numbers, the rows that have one, and the class names.

    Labels that are names are numbered by `class_names`; further names are numbered after them.

    Raises
    ------
    MeasureError
        In the cases of :func:`labelled_rows`, and if class numbers do not fit the names.
    """
    parts = [(None, class_names), _read(labels, rows, purpose)]
    # Class numbers already index the names.
    numbers, names = parts[1] if parts[1][1] is None else _by_name(parts)
    assert numbers is not None
    names = names or fitting_names(numbers, class_names)
    rows_kept = _labelled_selection([numbers], names, purpose, True)[0]
    return numbers[rows_kept], rows_kept, names


def _by_name(parts: list[tuple[Labels | None, ClassNames]]) -> tuple[Labels | None, ClassNames]:
    result, names, _ = one_numbering(parts, ["the classes", "labels="], MeasureError)
    return result[1], names


def labelled_codes(codes: Codes, labels: npt.ArrayLike | None, purpose: str) -> tuple[Codes, Labels, Labels | slice]:
    """Return the codes that have a label, the labels, and their row numbers; a slice if all have.

    Parameters
    ----------
    codes : Codes
        n rows.
    labels : array, optional
        ``(n,)``: labels to use instead of those of the codes.
    purpose : str
        The computation that needs labels, for messages.

    Raises
    ------
    MeasureError
        In the cases of :func:`checked_labels`, and if no row has a label.
    """
    codes = _with_labels(codes, labels, purpose)
    assert codes.labels is not None
    rows = _labelled_selection([codes.labels], codes.class_names, purpose, labels is not None)[0]
    labelled = codes[rows]
    assert labelled.labels is not None
    return labelled, labelled.labels, rows


@dataclass(frozen=True, eq=False)
class LabelledPair:
    """Labelled rows of two sources, in one numbering of the classes.

    Attributes
    ----------
    reference, queries : Codes
        Codes that are searched, such as training codes; and queries, such as test codes.
    reference_labels, query_labels : numpy.ndarray
        Labels of these rows.
    reference_rows, query_rows : numpy.ndarray or slice
        Row numbers of these rows in the original codes.
    left_out : tuple of int
        Number of rows of each source without a label.
    note : str
        A note on the numbering of classes; empty where there is nothing to note.
    """

    reference: Codes
    queries: Codes
    reference_labels: Labels
    query_labels: Labels
    reference_rows: Labels | slice
    query_rows: Labels | slice
    left_out: tuple[int, int]
    note: str

    @property
    def class_names(self) -> ClassNames:
        """Names of classes 0, 1, ..."""
        return self.reference.class_names

    @property
    def rows_of_queries(self) -> Labels | None:
        """Row numbers of the queries in the original codes, int64; None for all."""
        return None if isinstance(self.query_rows, slice) else self.query_rows

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the comparison, as sentences."""
        sentences = (self.note, unlabelled_rows_note(*self.left_out))
        return tuple(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences if sentence)

    def log(self) -> None:
        """Log the note, for functions whose result has no notes."""
        if self.note:
            _log.warning("%s", self.note)


def labelled_pair(
    reference: Codes,
    queries: Codes,
    purpose: str,
    labels: npt.ArrayLike | None = None,
    query_labels: npt.ArrayLike | None = None,
    error: type[HashlensError] = MeasureError,
    reference_purpose: str = "",
) -> LabelledPair:
    """Return the labelled rows of two sources, classes matched by name and numbered as in `reference`.

    Raises
    ------
    HashlensError
        Of the type `error`, if class numbers of one source do not fit the names of the other.
    MeasureError
        In the cases of :func:`checked_labels`, and if no row of a source has a label.
    """
    sources_with_labels = [
        _with_labels(reference, labels, reference_purpose or purpose),
        _with_labels(queries, query_labels, purpose),
    ]
    sources = [
        part.provenance.data or name
        for part, name in zip(sources_with_labels, ("the first", "the second"), strict=True)
    ]
    renumbered, note = codes_with_one_numbering(sources_with_labels, sources, error)
    arrays = labels is not None or query_labels is not None
    rows = _labelled_selection(
        [part.labels for part in renumbered if part.labels is not None], renumbered[0].class_names, purpose, arrays
    )
    labelled = [part[chosen] for part, chosen in zip(renumbered, rows, strict=True)]
    left_out = (len(reference) - len(labelled[0]), len(queries) - len(labelled[1]))
    assert labelled[0].labels is not None
    assert labelled[1].labels is not None
    return LabelledPair(
        labelled[0], labelled[1], labelled[0].labels, labelled[1].labels, rows[0], rows[1], left_out, note
    )


def unlabelled_rows_note(train: int, test: int) -> str:
    """Return a note on rows without a label; empty if all have one."""
    parts = [f"{count:,} of {name}" for name, count in (("train", train), ("test", test)) if count]
    return f"rows without a label are left out: {' and '.join(parts)}" if parts else ""


def _with_labels(codes: Codes, labels: npt.ArrayLike | None, purpose: str) -> Codes:
    numbers, names = labels_of(codes, labels, purpose)
    same = numbers is codes.labels and names == codes.class_names
    return codes if same else replace(codes, labels=numbers, class_names=names)


def _labelled_selection(
    parts: list[Labels], class_names: ClassNames, purpose: str, arrays: bool
) -> list[Labels | slice]:
    """Return the rows of each part that have a label; a slice if all have.

    Labels passed as arrays may be the classes -1 and 1, where -1 does not mean "no label"; this is decided from all
    parts together. Labels of codes are never such.
    """
    masks = [has_label(part) for part in parts]
    if arrays and are_signs(np.concatenate(parts), class_names):
        _log.warning("%s: the labels are -1 and 1 only, so -1 is read as a class and not as a missing label", purpose)
        masks = [np.ones(len(part), np.bool_) for part in parts]
    for mask in masks:
        if not mask.any():
            raise MeasureError(
                f"{purpose} needs labels, but none of the {len(mask):,} rows has one (-1, None and NaN mean no label)"
            )
    return [slice(None) if mask.all() else np.flatnonzero(mask) for mask in masks]


@dataclass(frozen=True, eq=False)
class Classes:
    """Rows grouped by class.

    Attributes
    ----------
    names : numpy.ndarray
        int64 ``(c,)``: the labels that occur, ascending.
    of_rows : numpy.ndarray
        int64 ``(n,)``: class of each row, as an index into `names`.
    order : numpy.ndarray
        int64 ``(n,)``: rows sorted by class; within a class in their original order.
    starts : numpy.ndarray
        int64 ``(c + 1,)``: class i is ``order[starts[i]:starts[i + 1]]``.
    """

    names: Labels
    of_rows: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labels: Labels, purpose: str) -> "Classes":
        """Group rows by their label.

        Raises
        ------
        MeasureError
            If there are fewer than two classes.
        """
        names, of_rows, counts = np.unique(labels, return_inverse=True, return_counts=True)
        if len(names) < 2:
            raise MeasureError(
                f"{purpose} needs at least two classes, and all {len(labels):,} rows are of class "
                f"{names[0]}: give data with more classes"
            )
        order = np.argsort(of_rows, kind="stable")
        return cls(names, of_rows, order, np.concatenate([[0], np.cumsum(counts)]))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of rows of each class, int64 ``(c,)``."""
        return np.diff(self.starts)

    def slices(self) -> Iterator[slice]:
        """Yield, for each class, its slice of `order`."""
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(stop))
