import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hashlens.codes.codes import Codes
from hashlens.measures.grouping import group_rows, group_words

narrow = arrays(np.bool_, st.tuples(st.integers(0, 40), st.integers(1, 5)))


@given(narrow)
def test_groups_are_those_of_a_dictionary(bits):
    expected: dict[bytes, list[int]] = {}
    for row, code in enumerate(bits):
        expected.setdefault(code.tobytes(), []).append(row)
    groups = group_rows(Codes.from_bits(bits))
    found = [groups.order[a:b].tolist() for a, b in zip(groups.starts[:-1], groups.starts[1:], strict=True)]
    assert sorted(found) == sorted(expected.values())
    for group, rows in enumerate(found):
        assert (groups.of_rows()[rows] == group).all()


@given(arrays(np.uint64, (12, 3), elements=st.integers(0, 1)))
def test_equal_keys_of_different_rows_do_not_merge_them(words):
    groups = group_words(words, np.zeros(len(words), np.uint64))
    assert len(groups) == len(np.unique(words, axis=0))
    for a, b in zip(groups.starts[:-1], groups.starts[1:], strict=True):
        assert (words[groups.order[a:b]] == words[groups.order[a]]).all()


def test_wide_rows_that_differ_in_one_bit_are_apart():
    bits = np.zeros((3, 1000), np.bool_)
    bits[1, 999] = True
    assert group_rows(Codes.from_bits(bits)).sizes.tolist() in ([2, 1], [1, 2])
