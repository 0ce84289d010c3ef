import numpy as np
import pandas as pd
import pytest

from hashlens.errors import TEDError
from hashlens.ted import MultiLabel
from hashlens.ted.explanations import as_array, factorize, find_codes, unique_inverse

NA = [None, float("nan"), np.nan, pd.NA, pd.NaT]


@pytest.mark.parametrize("missing", NA)
@pytest.mark.parametrize("values", [["b", "a"], [2.5, 1], [MultiLabel("xy"), MultiLabel("x")]])
def test_none_nan_and_na_are_missing_among_values_of_any_kind(missing, values):
    found, codes = factorize([*values, missing, values[0]], 4)
    assert found == (values[1], values[0])
    assert codes.tolist() == [1, 0, -1, 1]


@pytest.mark.parametrize(
    ("E", "values", "codes"),
    [
        (np.array([3, 1, 3]), (1, 3), [1, 0, 1]),
        (np.array([3.0, np.nan, 1.0]), (1.0, 3.0), [1, -1, 0]),
        (np.array(["b", "a", "b"]), ("a", "b"), [1, 0, 1]),
        (pd.Series(["b", None, "a"], index=[7, 8, 9]), ("a", "b"), [1, -1, 0]),
        (pd.Series(["b", None, "a"], dtype="category"), ("a", "b"), [1, -1, 0]),
        (pd.Categorical([2, None, 1]), (1, 2), [1, -1, 0]),
        (pd.Series([2, None, 1], dtype="Int64"), (1, 2), [1, -1, 0]),
        (pd.DataFrame({"why": ["b", "a", None]}), ("a", "b"), [1, 0, -1]),
        (("x", "y", None), ("x", "y"), [0, 1, -1]),
        ([10, "b", 9], (9, 10, "b"), [1, 2, 0]),
        (None, (), [-1, -1, -1]),
        ([None, np.nan, None], (), [-1, -1, -1]),
    ],
)
def test_kinds_of_explanations(E, values, codes):
    found, places = factorize(E, 3)
    assert found == values
    assert places.tolist() == codes


@pytest.mark.parametrize(
    "E", [[0, -1, 5, -1], np.array([0, -1, 5, -1]), [0.0, -1.0, 5.0, -1.0], ["a", "-1", "b", "-1"]]
)
def test_minus_one_is_refused_unless_it_is_declared(E):
    with pytest.raises(
        TEDError, match=r"-1.* in 2 rows, the first of them row 1: is it a missing explanation.*marker="
    ) as told:
        factorize(E, 4)
    assert "\n" not in str(told.value)
    assert factorize(E, 4, marker=np.asarray(E)[1].item())[1].tolist() == [0, -1, 1, -1]


def test_another_marker_is_missing_too():
    assert factorize(["?", "a", None], 3, marker="?") == (("a",), pytest.approx([-1, 0, -1]))


@pytest.mark.parametrize(
    ("E", "says"),
    [
        ([1, 2], "E has 2 explanations and X has 3 rows"),
        (np.ones((3, 2)), r"one column of explanations, received an array \(3, 2\).*MultiLabel"),
        ([{"a"}, {"b"}, None], r"E has a set in row 0, \{'a'\}.*MultiLabel"),
        (["a", ["b", "c"], "d"], "E has a list in row 1"),
        ("abc", "E must hold an explanation for each row, received 'abc'"),
        (7, "E must hold an explanation for each row, received 7"),
    ],
)
def test_what_is_no_column_of_explanations(E, says):
    with pytest.raises(TEDError, match=says):
        factorize(E, 3)


def test_sets_of_reasons_are_equal_in_any_order_and_show_them_sorted():
    one, other = MultiLabel(["young", "low income"]), MultiLabel(["low income", "young", "young"])
    assert one == other
    assert (str(one), repr(one)) == ("low income, young", "MultiLabel(['low income', 'young'])")


def test_places_among_known_explanations():
    places, has = find_codes(["b", "new", None, "a"], ["a", "b"], 4)
    assert places.tolist() == [1, -1, -1, 0]
    assert has.tolist() == [True, True, False, True]


def test_arrays_of_explanations_have_the_kind_of_their_values():
    assert as_array(["a", "bc"]).dtype.kind == "U"
    assert as_array([1, 2]).dtype.kind == "i"
    assert as_array(["a", 1]).tolist() == ["a", 1]
    assert as_array([MultiLabel("ab")])[0] == MultiLabel("ab")


@pytest.mark.parametrize(
    "values",
    [
        np.array([3, -2, 3, 7], np.int8),
        np.array([120, -120, 120], np.int8),
        np.array([2**63 + 1, 2**63, 2**63 + 1], np.uint64),
        np.array([10**12, 0, -5]),
        np.array([], np.int64),
        np.array(["b", "a", "b"]),
        np.array([True, False, True]),
    ],
)
def test_values_are_numbered_in_their_order(values):
    found, codes = unique_inverse(values)
    expected, places = np.unique(values, return_inverse=True)
    assert found.dtype == values.dtype
    assert np.array_equal(found, expected)
    assert np.array_equal(codes, places)


def test_whole_numbers_beyond_64_bits_are_explanations_too():
    values, codes = factorize([2**70, 1, 2**70], 3)
    assert values == (1, 2**70)
    assert codes.tolist() == [1, 0, 1]
