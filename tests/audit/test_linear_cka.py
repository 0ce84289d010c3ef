import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hashlens as hl
from hashlens.audit.linear_cka import linear_cka
from hashlens.errors import AuditError


def plain_hsic(first, second):
    """The unbiased estimator as it is written, with matrices of all pairs."""
    n = len(first)
    k, m = (x @ x.T * (1 - np.eye(n)) for x in (first, second))
    one = np.ones(n)
    total = (
        np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    )
    return total / (n * (n - 3))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(4, 60), p=st.integers(1, 90), q=st.integers(1, 90))
def test_it_is_the_plain_estimator(seed, rows, p, q):
    random = np.random.default_rng(seed)
    a, b = random.random((rows, p)) < 0.5, random.random((rows, q)) < 0.2
    signs = [2.0 * x - 1 for x in (a, b)]
    alone = [plain_hsic(x, x) for x in signs]
    found = linear_cka(hl.Codes.from_bits(a), hl.Codes.from_bits(b))
    if min(alone) > 1e-9:
        assert found == pytest.approx(plain_hsic(*signs) / np.sqrt(alone[0] * alone[1]), abs=1e-9)
    else:
        assert np.isnan(found) or min(alone) > -1e-9


def test_autocast_of_the_caller_changes_no_number():
    random = np.random.default_rng(0)
    bits = random.random((601, 70)) < 0.3
    a, b = hl.Codes.from_bits(bits), hl.Codes.from_bits(bits ^ (random.random((601, 70)) < 0.02))
    expected = linear_cka(a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear_cka(a, b) == expected


def test_order_and_sign_of_bits_do_not_matter_and_unrelated_codes_have_none():
    random = np.random.default_rng(0)
    bits = random.random((300, 200)) < 0.5
    codes = hl.Codes.from_bits(bits)
    turned = hl.Codes.from_bits(bits[:, random.permutation(200)] ^ (random.random(200) < 0.5))
    assert linear_cka(codes, turned) == pytest.approx(1)
    # Of the plain estimator, with more bits than rows, unrelated codes would have a CKA near one.
    found = [linear_cka(codes[:50], hl.Codes.from_bits(random.random((50, 400)) < 0.5)) for _ in range(40)]
    assert np.mean(found) == pytest.approx(0, abs=0.02)


def test_rows_that_do_not_correspond_are_refused():
    codes = hl.Codes.from_bits(np.eye(5))
    with pytest.raises(AuditError, match="the same examples, 4 or more, not 5 and 4"):
        linear_cka(codes, codes[:4])
    with pytest.raises(AuditError, match="4 or more, not 3 and 3"):
        linear_cka(codes[:3], codes[:3])
    assert np.isnan(linear_cka(codes, hl.Codes.from_bits(np.ones((5, 3)))))
