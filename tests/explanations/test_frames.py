"""Data frames: their columns by name, in whatever order the background has them, and without a warning."""

import numpy as np
import pytest
import torch

from hashlens.errors import ExplainError
from hashlens.explanations import compare_explanations, explain

from .networks import stack

pandas = pytest.importorskip("pandas")
NAMES = ("age", "income", "height", "weight")
ROWS = np.random.default_rng(0).normal(size=(40, 4)).round(2)
FRAME = pandas.DataFrame(ROWS, columns=list(NAMES))
OTHER_ORDER = FRAME[["weight", "age", "height", "income"]]
METHODS = ("gradient", "integrated_gradients", "lime", "kernel_shap", "region", "contrast")


def network():
    return stack(4, 16, 3, seed=2)


@pytest.mark.parametrize("method", METHODS)
def test_columns_are_named_as_the_frame_names_them(method):
    found = explain(network(), FRAME[:3], method, background=FRAME)  # warnings are errors
    plain = explain(network(), ROWS[:3], method, background=ROWS, feature_names=NAMES)
    assert found.features == plain.features == NAMES
    assert np.array_equal(found.values, plain.values)
    assert {name for name, _ in found.top(4)} == set(NAMES)


@pytest.mark.parametrize("method", ["lime", "kernel_shap", "contrast"])
def test_a_background_in_another_order_is_the_same_background(method):
    found, wanted = (explain(network(), FRAME[:2], method, background=of) for of in (OTHER_ORDER, FRAME))
    assert np.array_equal(found.values, wanted.values)


def test_a_row_of_a_frame_is_one_example_with_names():
    found = explain(network(), FRAME.iloc[3], "anchor", background=FRAME)
    assert found.features == NAMES
    assert np.array_equal(found.inputs, ROWS[3:4])
    assert all(condition.startswith(NAMES) for condition in found.rule.conditions)


def test_columns_of_several_types_are_numbers():
    mixed = FRAME.assign(age=(FRAME.age * 10).astype(int), height=FRAME.height > 0)
    found = explain(network(), mixed, "gradient")
    assert np.array_equal(found.inputs, mixed.astype(float).to_numpy())
    nullable = mixed.astype({"age": "Int64"})
    assert np.array_equal(explain(network(), nullable, "gradient").values, found.values)


def test_names_that_are_given_come_before_those_of_the_frame_and_numbers_are_no_names():
    assert explain(network(), FRAME, "gradient", feature_names=list("abcd")).features == tuple("abcd")
    assert explain(network(), pandas.DataFrame(ROWS), "gradient").features == ()


def test_comparisons_take_frames():
    methods = {"integrated_gradients": {}, "lime": {"samples": 100, "background": OTHER_ORDER}}
    found = compare_explanations(network(), FRAME[:4], methods, ["deletion_mean"], background=OTHER_ORDER)
    plain = compare_explanations(
        network(), ROWS[:4], {"integrated_gradients": {}, "lime": {"samples": 100}}, ["deletion_mean"], background=ROWS
    )
    assert np.array_equal(found.values, plain.values)


@pytest.mark.parametrize(
    ("x", "background", "line"),
    [(FRAME.assign(income="much"), FRAME, "x must be an array of numbers, received text in 'income'"),
     (FRAME, FRAME.rename(columns={"age": "years"}), "background has the columns ['years', 'income', 'height', "
      "'weight'], x has ['age', 'income', 'height', 'weight']: give the same")],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(x, background, line):
    with pytest.raises(ExplainError) as caught:
        explain(network(), x, "lime", background=background)
    assert str(caught.value) == line


@pytest.mark.slow
def test_frames_are_left_as_they_were():
    own = FRAME.copy()
    explain(torch.nn.Sequential(network()), own, "integrated_gradients", background=own)
    pandas.testing.assert_frame_equal(own, FRAME)


@pytest.mark.parametrize(
    "labels",
    [pandas.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 2)]), [3, 1, 2, 0], [0, 1, 2, 3]],
    ids=["levels", "numbers", "counted"],
)
def test_a_background_in_another_order_is_the_same_background_whatever_its_labels(labels):
    frame = FRAME.set_axis(labels, axis=1)
    other = frame.iloc[:, [3, 0, 2, 1]]
    found, wanted = (explain(network(), frame[:2], "kernel_shap", background=of) for of in (other, frame))
    assert np.array_equal(found.values, wanted.values)


def test_labels_of_several_levels_are_names():
    frame = FRAME.set_axis(pandas.MultiIndex.from_product([["a", "b"], [1, 2]]), axis=1)
    assert explain(network(), frame[:2], "gradient").features == ("a.1", "a.2", "b.1", "b.2")


@pytest.mark.parametrize(
    ("column", "line"),
    [(pandas.date_range("2020", periods=40), "dates in 'age'"),
     (pandas.to_timedelta(range(40), unit="D"), "dates in 'age'"),
     (pandas.Categorical(["a", "b"] * 20), "text in 'age'")],
)  # fmt: skip
def test_columns_that_hold_no_numbers_are_named(column, line):
    with pytest.raises(ExplainError) as caught:
        explain(network(), FRAME.assign(age=column), "gradient")
    assert str(caught.value) == f"x must be an array of numbers, received {line}"
    with pytest.raises(ExplainError, match=f"background must be an array of numbers, received {line}"):
        explain(network(), FRAME, "lime", background=FRAME.assign(age=column))


def test_missing_values_are_told():
    with pytest.raises(ExplainError, match=r"1 of 160 numbers are NaN|missing values in 'age'"):
        explain(network(), FRAME.assign(age=pandas.array([None, *[1] * 39], dtype="Int64")), "gradient")
