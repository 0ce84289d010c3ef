from dataclasses import replace

import numpy as np
import pytest

from hashlens.codes.codes import Codes
from hashlens.errors import CodesError, MeasureError
from hashlens.measures import floor


def test_the_same_rows_in_another_order_have_no_floor(make_codes):
    codes = make_codes(0, 30, 7)
    order = np.random.default_rng(0).permutation(30)
    found = floor(codes, codes[order])
    assert (found.mean_flips, found.max_flips, found.changed_rows, found.shortfall) == (0, 0, 0, 0)


def test_flips_are_counted_row_by_row_by_id():
    bits = np.array([[0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 0, 0]])
    changed = bits.copy()
    changed[0] = [1, 1, 0]
    changed[3, 2] = 1
    order = [2, 0, 3, 1]
    again = Codes.from_bits(changed[order], ids=np.array(list("abcd"))[order])
    found = floor(Codes.from_bits(bits, ids=np.array(list("abcd"))), again)
    assert (found.n, found.mean_flips, found.max_flips, found.changed_rows) == (4, 0.75, 2, 0.5)
    assert found.redundancy_ratio == 2 / 8
    assert found.shortfall == pytest.approx(4 / 8 - 2 / 8)
    assert "0.7500" in str(found) or "0.75" in str(found)


def test_bad_input(make_codes):
    codes = make_codes(0, 5, 8)
    cases = [
        (codes, codes[:3], MeasureError, "not of 5 and 3 rows"),
        (codes, replace(codes, ids=codes.ids + 1), MeasureError, "different ids"),
        (replace(codes, ids=codes.ids * 0), replace(codes, ids=codes.ids * 0), MeasureError, "ids repeat"),
        (codes[:0], codes[:0], MeasureError, "at least one row"),
        (codes, make_codes(0, 5, 9), CodesError, "different bits"),
    ]
    for a, b, error, message in cases:
        with pytest.raises(error, match=message):
            floor(a, b)
