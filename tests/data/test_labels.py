import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hashlens.data.arrays import from_arrays
from hashlens.data.labels import class_labels, require_same_classes, unseen_classes
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
        (np.array([0, 2**63], np.uint64), "the label of row 1 is 9223372036854775808;"),
        ([0.0, 1e300], "the label of row 1 is 1e"),
        ([[1], [2, 3]], "lists of different lengths;"),
        ([1j], "labels have dtype complex128;"),
        (np.array(["a", None], object), "labels have dtype object;"),
    ],
)
def test_what_is_no_class_is_refused_and_says_where(wrong, message):
    with pytest.raises(DataError, match=message + ".*class numbers 0, 1, ... or class names"):
        class_labels(wrong, "x")


def difference(train, test):
    """What is said to be apart in the classes of two sets of labels; None where they are taken for the same."""
    try:
        require_same_classes(*(from_arrays(np.zeros((len(labels), 2)), labels) for labels in (train, test)))
    except DataError as error:
        return str(error).split("same classes: ")[1].split(";")[0]
    return None


@pytest.mark.parametrize(
    ("train", "test", "apart"),
    [
        (["a", "b", "c"], ["b", "c"], "class 0 is 'a' in one and 'b' in the other"),
        (["a", "b"], ["a", "b", "c"], "class 2 is 'no class' in one and 'c' in the other"),
        (["a", "b"], ["b", "a", "a"], None),
        ([0, 1], ["a", "b"], None),
        ([0, 1], [0, 2], None),
    ],
)
def test_classes_are_the_same_unless_a_number_has_two_names(train, test, apart):
    assert difference(train, test) == apart
    assert (difference(test, train) is None) == (apart is None)


@given(st.lists(st.integers(0, 30), max_size=60), st.lists(st.integers(0, 30), max_size=60))
def test_unseen_classes_are_those_of_test_alone(train, test):
    told = unseen_classes(np.array(train, np.int64), np.array(test, np.int64))
    unseen = [label for label in test if label not in train]
    assert (told is None) == (not unseen)
    if unseen:
        listed = [str(label) for label in sorted(set(unseen))]
        assert told.startswith(f"{len(unseen)} of {len(test)} test examples are of classes")
        assert f"({', '.join(listed[:8])}{', ...' if len(listed) > 8 else ''})" in told


def test_unseen_classes_go_by_their_names():
    train, test = np.array([0, 0]), np.array([1, 2, 7])
    assert "(dog, eel, 7)" in unseen_classes(train, test, ("cat", "dog", "eel"))
    assert unseen_classes(None, test) is None
    assert unseen_classes(train, None) is None
