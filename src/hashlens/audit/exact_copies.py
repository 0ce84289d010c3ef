"""Exact copies: test inputs that equal a training input in every number."""

from dataclasses import dataclass

import numpy as np

from hashlens.audit.local_ratio import Rows
from hashlens.audit.splits import input_keys, ordinary_rate, repeat_rate
from hashlens.codes.codes import Codes
from hashlens.result import Result, Split


@dataclass(frozen=True, eq=False)
class ExactCopies(Result):
    """Test rows whose input, as the network receives it, equals that of a training row.

    Attributes
    ----------
    rows, train_rows : numpy.ndarray
        int64 ``(c,)``: test rows, ascending, and for each the first training row with the same input.
    tests : int
        Number of test rows.
    rate : float
        Share of training rows whose input equals that of another training row.
    images : bool
        Whether the inputs are images.
    suspected : bool
        Whether these rows count as leaked.
    ordinary : float or None
        Estimated probability that a test row equals a training row without a leak; None where it is not known, and
        `rate` is used.
    """

    rows: Rows
    train_rows: Rows
    tests: int
    rate: float
    images: bool
    suspected: bool
    ordinary: float | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def expected(self) -> float:
        """Number of test rows expected to equal a training row without a leak."""
        return (self.rate if self.ordinary is None else self.ordinary) * self.tests

    def __str__(self) -> str:
        counted = "" if self.suspected or not len(self) else "; they are not counted as leaked"
        by_test = "" if self.ordinary in (None, self.rate) else ", estimated from repeats within test"
        return (
            f"{len(self):,} of {self.tests:,} test inputs equal a training input, and {self.rate:.2%} of training "
            f"inputs equal another one ({self.expected:,.1f} test inputs expected{by_test}){counted}"
        )


def exact_copies(codes: Split[Codes], expected_false: float, suspect: bool | None = None) -> ExactCopies | None:
    """Find the test rows whose input equals a training input; None where the codes hold no digests of their inputs.

    Parameters
    ----------
    codes : Split of Codes
        n training rows and m test rows.
    expected_false : float
        Number of test rows that may be suspected by chance.
    suspect : bool, optional
        Whether equal inputs count as leaked. By default they do for images, and for other inputs where equal rows are
        rare: at most `expected_false` test rows are expected to equal a training row without a leak
        (:func:`~hashlens.audit.splits.ordinary_rate`).
    """
    keys = input_keys(codes)
    if keys is None:
        return None
    order = np.argsort(keys.train, kind="stable")
    ordered = keys.train[order]
    position = np.minimum(np.searchsorted(ordered, keys.test), len(ordered) - 1)
    rows = np.flatnonzero(ordered[position] == keys.test)
    rate, ordinary, images = repeat_rate(keys.train), ordinary_rate(keys), codes.train.provenance.images
    counted = images or ordinary * len(codes.test) <= expected_false if suspect is None else suspect
    return ExactCopies(rows, order[position[rows]], len(codes.test), rate, images, counted, ordinary)
