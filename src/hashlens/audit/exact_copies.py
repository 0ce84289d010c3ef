"""Exact copies: test inputs that are training inputs, number for number, whatever the network makes of them."""

from dataclasses import dataclass

import numpy as np

from hashlens.audit.local_ratio import Rows
from hashlens.audit.splits import input_keys, ordinary_rate, repeat_rate
from hashlens.codes.codes import Codes
from hashlens.result import Result, Split


@dataclass(frozen=True, eq=False)
class ExactCopies(Result):
    """The test rows whose input, as the network receives it, is that of a training row.

    Attributes
    ----------
    rows, train_rows : numpy.ndarray
        int64 ``(c,)``: test rows, ascending, and of each the first training row with the same input.
    tests : int
        Test rows in all.
    rate : float
        Share of training rows whose input is that of another training row.
    images : bool
        Whether the inputs are images.
    suspected : bool
        Whether these rows count as leaked.
    ordinary : float or None
        The probability that an ordinary test row equals a training row, as far as train and test tell; `rate` where it
        is not known.
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
        """How many ordinary test rows would equal a training row."""
        return (self.rate if self.ordinary is None else self.ordinary) * self.tests

    def __str__(self) -> str:
        counted = "" if self.suspected or not len(self) else "; they are not counted as leaked"
        by_test = "" if self.ordinary in (None, self.rate) else ", by the repeats within test"
        return (
            f"{len(self):,} of {self.tests:,} test inputs equal a training input, and {self.rate:.2%} of training "
            f"inputs equal another one ({self.expected:,.1f} test inputs expected{by_test}){counted}"
        )


def exact_copies(codes: Split[Codes], expected_false: float, suspect: bool | None = None) -> ExactCopies | None:
    """Find the test rows whose input is a training input; None where the codes carry no digests to compare.

    Parameters
    ----------
    codes : Split of Codes
        n and m rows.
    expected_false : float
        Test rows that may be suspected by chance.
    suspect : bool, optional
        Whether equal inputs count as leaked. By default they do where inputs are images, and otherwise where equal rows
        are no ordinary thing: at most `expected_false` of the test rows would have one
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
