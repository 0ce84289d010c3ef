"""Labels as classes: checked once, then rows class by class."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.errors import MeasureError

Labels = npt.NDArray[np.int64]


def checked_labels(labels: npt.ArrayLike | None, rows: int, purpose: str) -> Labels:
    """Return `labels` as int64 ``(rows,)``.

    Raises
    ------
    MeasureError
        If there are none, or not one for each row.
    """
    if labels is None:
        raise MeasureError(f"{purpose} needs labels and these rows have none: give labels= or encode labelled data")
    try:
        checked = np.asarray(labels)
    except ValueError as error:
        raise MeasureError(f"{purpose} needs one label for each of {rows:,} rows, received a ragged list") from error
    if checked.shape != (rows,):
        raise MeasureError(f"{purpose} needs one label for each of {rows:,} rows, received shape {checked.shape}")
    if rows == 0:
        raise MeasureError(f"{purpose} needs at least one row, received none")
    if checked.dtype.kind not in "iub" and not (checked.dtype.kind == "f" and (checked % 1 == 0).all()):
        raise MeasureError(f"{purpose} needs labels that are integers, received {checked.dtype}: number the classes")
    return checked.astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class Classes:
    """Rows grouped by class.

    Attributes
    ----------
    names : numpy.ndarray
        int64 ``(c,)``: the labels that occur, ascending.
    of_rows : numpy.ndarray
        int64 ``(n,)``: the class of each row, as a position in `names`.
    order : numpy.ndarray
        int64 ``(n,)``: rows sorted by class, in their order inside a class.
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
        """Rows of each class, int64 ``(c,)``."""
        return np.diff(self.starts)

    def slices(self) -> Iterator[slice]:
        """Yield, for each class, its slice of `order`."""
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(stop))
