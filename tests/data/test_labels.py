import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hashlens.data.labels import class_labels
from hashlens.errors import DataError


@pytest.mark.parametrize(
    "given_labels",
    [
        [2, 0, 1],
        (2, 0, 1),
        np.array([2, 0, 1], np.uint8),
        np.array([2.0, 0.0, 1.0]),
        np.array([[2], [0], [1]]),
        torch.tensor([2, 0, 1]),
        torch.tensor([2.0, 0.0, 1.0], requires_grad=True),
    ],
)
def test_numbers_of_any_kind_become_int64(given_labels):
    labels, names = class_labels(given_labels, "x")
    assert labels.dtype == np.int64
    assert labels.tolist() == [2, 0, 1]
    assert names is None


@given(st.lists(st.sampled_from(["cat", "dog", "ant"]), min_size=1))
def test_names_are_numbered_in_sorted_order_and_come_back(words):
    for kind in (words, np.array(words), np.array(words, object)):
        labels, names = class_labels(kind, "x")
        assert names == tuple(sorted(set(words)))
        assert [names[label] for label in labels] == words


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([0, -1], "x: the label of row 1 is -1;"),
        ([0.0, 1.0, 0.5], "the label of row 2 is 0.5;"),
        ([0.0, float("nan")], "the label of row 1 is nan;"),
        ([0.0, float("inf")], "the label of row 1 is inf;"),
        ([[0, 1], [1, 0]], r"labels have shape \(2, 2\);"),
        (3, r"labels have shape \(\);"),
        ([1j], "labels have dtype complex128;"),
        (np.array(["a", None], object), "labels have dtype object;"),
    ],
)
def test_what_is_no_class_is_refused_and_says_where(wrong, message):
    with pytest.raises(DataError, match=message + ".*class numbers 0, 1, ... or class names"):
        class_labels(wrong, "x")
