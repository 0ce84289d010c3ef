import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Subset, TensorDataset

from hashlens.codes import Codes
from hashlens.data.arrays import from_arrays
from hashlens.data.labels import class_labels, has_label, one_numbering, unseen_classes
from hashlens.data.numbering import match_class_numbers, with_one_numbering
from hashlens.data.sources import load_data
from hashlens.errors import DataError
from hashlens.retrieval import retrieval_quality


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
        ([0, -2], "x: the label of row 1 is -2;"),
        ([0.0, 1.0, 0.5], "the label of row 2 is 0.5;"),
        ([0.0, float("inf")], "the label of row 1 is inf;"),
        ([[0, 1], [1, 0]], r"labels have shape \(2, 2\);"),
        (3, r"labels have shape \(\);"),
        (np.array([0, 2**63], np.uint64), "the label of row 1 is 9223372036854775808;"),
        ([0.0, 1e300], "the label of row 1 is 1e"),
        ([[1], [2, 3]], "lists of different lengths;"),
        ([1j], "labels have dtype complex128;"),
        (np.array(["a", 1], object), "labels are names and numbers mixed;"),
    ],
)
def test_what_is_no_class_is_refused_and_says_where(wrong, message):
    with pytest.raises(DataError, match=message + ".*class numbers 0, 1, ... or class names"):
        class_labels(wrong, "x")


@pytest.mark.parametrize(
    ("given_labels", "labels", "names"),
    [
        ([0, -1, 2], [0, -1, 2], None),
        ([0.0, float("nan"), 2.0], [0, -1, 2], None),
        (np.array([0, None, 2], object), [0, -1, 2], None),
        ([None, "dog", "cat", float("nan")], [-1, 1, 0, -1], ("cat", "dog")),
        ([-1, -1], [-1, -1], None),
        ([-1, 1, 1], [0, 1, 1], ("-1", "1")),
        ([-1.0, 1.0], [0, 1], ("-1", "1")),
    ],
)
def test_no_label_is_one_number_and_a_class_only_beside_one_alone(given_labels, labels, names):
    found, named = class_labels(given_labels, "x")
    assert (found.tolist(), named) == (labels, names)


def test_a_batch_does_not_say_that_minus_one_is_a_class():
    assert class_labels([-1, 1], "x", all_labels=False)[0].tolist() == [-1, 1]
    loader = load_data(DataLoader(TensorDataset(torch.zeros(4, 2), torch.tensor([-1, 1, -1, 2])), 2))
    assert loader.load().labels.tolist() == [-1, 1, -1, 2]
    loader = load_data(DataLoader(TensorDataset(torch.zeros(4, 2), torch.tensor([-1, 1, -1, 1])), 2))
    assert (loader.load().labels.tolist(), loader.load().class_names) == ([0, 1, 0, 1], ("-1", "1"))


def test_that_minus_one_is_a_class_is_said(caplog):
    class_labels([-1, 1, 1], "x")
    assert "x: the labels are -1 and 1 only, so -1 is read as a class" in caplog.text


def numbered(train, test):
    examples = (from_arrays(np.zeros((len(labels), 2)), labels) for labels in (train, test))
    return with_one_numbering(*examples)


@pytest.mark.parametrize(
    ("train", "test", "numbers", "names"),
    [
        (["a", "b", "c"], ["c", "b"], [2, 1], ("a", "b", "c")),
        (["b", "c"], ["a", "b", "c"], [2, 0, 1], ("b", "c", "a")),
        (["a", "b"], ["b", "a", "a"], [1, 0, 0], ("a", "b")),
        (["a", "b", "c"], ["c", None], [2, -1], ("a", "b", "c")),
        ([0, 1], [0, 2], [0, 2], None),
    ],
)
def test_numbers_are_those_of_train_by_name(train, test, numbers, names):
    ours, theirs = numbered(train, test)
    assert theirs.labels.tolist() == numbers
    assert ours.class_names == theirs.class_names == names
    if names:
        assert [names[label] for label in ours.labels] == train


def test_numbers_beside_names_are_compared_by_number_where_they_fit_and_it_is_said(caplog):
    ours, theirs = numbered(["a", "b"], [1, 0])
    assert (ours.class_names, theirs.labels.tolist()) == (("a", "b"), [1, 0])
    assert "have no class names: they are compared by number" in caplog.text
    with pytest.raises(DataError, match="labels without class names, such as 2, and arrays has 2 named classes"):
        numbered(["a", "b"], [1, 2])


def test_two_classes_of_one_name_are_refused_where_names_differ():
    parts = [(np.array([0, 1]), ("crane", "crane")), (np.array([0]), ("crane",))]
    with pytest.raises(DataError, match="x: two classes are called 'crane'"):
        one_numbering(parts, ["x", "y"])
    assert one_numbering([parts[0], parts[0]], ["x", "y"])[1] == ("crane", "crane")


def test_streamed_labels_are_renumbered_as_they_come(tmp_path):
    class Pets(TensorDataset):
        def __init__(self, labels, classes):
            super().__init__(torch.zeros(len(labels), 2), torch.tensor(labels))
            self.classes = classes

    train = load_data(Pets([0, 1, 2], ["ant", "cat", "dog"]))
    test = load_data(Subset(Pets([1, 0, -1], ["cat", "dog"]), [0, 1, 2]))
    ours, theirs = with_one_numbering(train, test.narrow(0, 3))
    assert [batch.labels.tolist() for batch in theirs.narrow(1, 3).batches(2)] == [[1, -1]]
    assert theirs.load().labels.tolist() == [2, 1, -1]
    assert theirs.load().class_names == ours.load().class_names == ("ant", "cat", "dog")


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


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_label_among_minus_one_and_one_is_no_class(missing):
    labels, names = class_labels([-1, missing, 1], "arrays")
    assert labels.tolist() == [0, -1, 1]
    assert names == ("-1", "1")
    assert class_labels([0, missing, 1], "arrays")[0].tolist() == [0, -1, 1]


def test_a_network_that_knows_some_classes_by_name_numbers_these_as_it_was_trained():
    known = ("ant", "bee", "cow")
    data = load_data((torch.zeros(3, 2), ["aardvark", "bee", "cow"]))
    numbered_data = match_class_numbers(data, known)
    assert (numbered_data.labels.tolist(), numbered_data.class_names) == ([3, 1, 2], (*known, "aardvark"))
    strangers = load_data((torch.zeros(2, 2), ["n01", "n02"]))
    assert match_class_numbers(strangers, known) is strangers


def test_the_values_of_a_regression_are_no_classes():
    values = np.random.default_rng(0).integers(25, 347, 442).astype(float)  # as the diabetes data of scikit-learn
    line = (
        "y: 442 labels are {} different {}, as the values of a regression are: cut values into classes "
        "(numpy.digitize), or leave the labels out; if they are classes, give them as integers"
    )
    different = len(set(values.tolist()))
    for values_given, what in (
        (values, "floating-point numbers"),
        (torch.tensor(values)[:, None], "floating-point numbers"),
        ([*values.tolist(), None], "floating-point numbers"),
        ([str(value + 0.5) for value in values], "numbers with fractions"),
    ):
        with pytest.raises(DataError) as caught:
            class_labels(values_given, "y")
        assert str(caught.value) == line.format(different, what)
    with pytest.raises(
        DataError, match=r"y: the label of row 1 is 0\.5; the values of a regression are not classes: cut "
    ):
        class_labels([1.0, 0.5], "y")
    assert class_labels(values.astype(int), "y")[0].max() == 346
    assert class_labels(np.arange(20.0), "y")[0].tolist() == list(range(20))
    assert class_labels(np.arange(400.0) % 100, "y")[0].max() == 99
    assert class_labels([f"1.{at}" for at in range(20)], "releases")[1][0] == "1.0"


def test_rows_of_a_source_that_leave_minus_one_and_one_have_no_class_minus_one():
    bits = np.eye(6, dtype=int)
    codes = Codes.from_bits(bits, labels=[0, 1, -1, 1, -1, 1])
    left = codes[1:]
    assert set(left.labels.tolist()) == {-1, 1}
    assert has_label(left.labels).tolist() == [True, False, True, False, True]
    assert retrieval_quality(left, k=(1,)).without_label == 2


def test_masked_labels_are_missing():
    labels = np.ma.array([0, 7, 2], mask=[False, True, False])
    assert class_labels(labels, "source")[0].tolist() == [0, -1, 2]


def test_bytes_are_names():
    numbers, names = class_labels(np.array([b"cat", b"ant", b"cat"]), "source")
    assert (numbers.tolist(), names) == ([1, 0, 1], ("ant", "cat"))
    with pytest.raises(DataError, match="not UTF-8 text"):
        class_labels(np.array([b"\xff\xfe"]), "source")


def test_masked_inputs_are_refused_and_say_how_many():
    inputs = np.ma.array(np.ones((3, 2)), mask=[[True, False], [False, False], [True, True]])
    with pytest.raises(DataError, match=r"3 values are masked; fill them first, as with x.filled\(0\)"):
        load_data(inputs)
    assert load_data(np.ma.array(np.ones((3, 2)))).load().inputs.shape == (3, 2)
