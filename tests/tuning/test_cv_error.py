from math import sqrt

import numpy as np
import pytest

from hashlens.errors import TuningError
from hashlens.tuning import CVError

VALUES = [0.1, 0.2, 0.4, 0.3]


@pytest.mark.parametrize(
    ("error", "values", "factor"),
    [
        (CVError(), 10, 1 / 10 + 1 / 9),
        (CVError(), 2, 1 / 2 + 1),
        (CVError("repeated", repeats=3), 30, 1 / 30 + 1 / 9),
        (CVError("random", test_rows=20, train_rows=80), 15, 1 / 15 + 0.25),
        (CVError("bootstrap"), 200, 1.0),
    ],
)
def test_corrections_are_closed_forms(error, values, factor):
    assert error.factor(values) == pytest.approx(factor, rel=1e-12)


def test_the_error_is_the_corrected_deviation():
    spread = sqrt(sum((x - 0.25) ** 2 for x in VALUES) / 3)
    assert CVError().of(VALUES) == pytest.approx(sqrt(1 / 4 + 1 / 3) * spread, rel=1e-12)
    assert CVError(ddof=0).of(VALUES) == pytest.approx(CVError().of(VALUES) * sqrt(3 / 4), rel=1e-12)
    both = CVError().each(np.array([VALUES, VALUES[::-1]]))
    assert both == pytest.approx([CVError().of(VALUES)] * 2)


def test_one_repeat_is_plain_cross_validation():
    assert CVError("repeated").of(VALUES) == CVError().of(VALUES)
    assert repr(CVError("repeated", repeats=2)) == "CVError(splits='repeated', repeats=2)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CVError("kfold"), "splits must be one of k-fold, .*; did you mean 'k-fold'"),
        (lambda: CVError(ddof=2), "ddof must be 0 or 1, received 2"),
        (lambda: CVError("random"), "random splits need test_rows, a finite number above 0, received None"),
        (lambda: CVError("repeated", repeats=0), "repeats must be a whole number, 1 or more, received 0"),
        (lambda: CVError().of([0.1]), "an error needs 2 fold values or more, received 1"),
        (lambda: CVError("repeated", repeats=4).of(VALUES), "4 fold values cannot be 4 repeats of 2 folds or more"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(TuningError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
