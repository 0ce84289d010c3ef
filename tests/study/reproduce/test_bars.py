"""Bars: values that medians over the repeats must reach."""

import pytest
from pydantic import ValidationError

from hashlens.study.reproduce.bars import Bar, bar_table, check_bar

VALUES = {10: (0.30, 0.10, 0.90), 20: (0.60, 0.40, 0.50), 40: (0.2,)}
"""Of three repeats of width 10 (median .3, mean .43), three of 20 (median .5) and one of 40."""


@pytest.fixture
def results(made):
    def measure(repeat, width, **_):
        values = VALUES[width]
        return {("a", "test"): values[repeat]} if repeat < len(values) else {}

    return made({"width": [10, 20, 40]}, measure, repeats=3)


def bar(**how):
    return Bar(says="it is so", measure="a", **how)


BARS = {
    "median, not mean": (bar(at={"width": 10}, at_most=0.3), 0.3, "width 10", True, 3),
    "not reached": (bar(at={"width": 20}, at_least=0.51), 0.5, "width 20", False, 3),
    "worst of several": (bar(at={"width": [10, 20]}, at_most=0.4), 0.5, "width 20", False, 3),
    "worst from below": (bar(at={"width": [10, 20]}, at_least=0.3), 0.3, "width 10", True, 3),
    "ratio": (bar(at={"width": 10}, divided_by={"width": 20}, at_most=0.6), 0.6, "width 10", True, 3),
    "difference": (bar(at={"width": 20}, minus={"width": 10}, at_least=0.21), 0.2, "width 20", False, 3),
    "fewer repeats": (bar(at={"width": 10}, divided_by={"width": 40}, at_most=2.0), 1.5, "width 10", True, 1),
}


@pytest.mark.parametrize("name", BARS)
def test_a_bar_is_for_medians(results, name):
    asked, value, cell, met, repeats = BARS[name]
    found = check_bar(results, asked)
    assert (found.value, found.cell, found.met, found.repeats) == (pytest.approx(value), cell, met, repeats)


def test_what_was_not_measured_meets_no_bar(results):
    found = check_bar(results, bar(at={"width": [10, 80]}, at_most=1.0))
    assert (found.cell, found.met, found.repeats) == ("width 80", False, 0)
    assert bar_table((found,)).rows == (("it is so", "–", "at most 1", "width 80", "0", "not met"),)


def test_a_ratio_to_zero_meets_no_bar(made):
    results = made({"width": [10, 20]}, lambda repeat, width, **_: {("a", "test"): 0.0 if width == 20 else 0.5})
    found = check_bar(results, bar(at={"width": 10}, divided_by={"width": 20}, at_least=0.0))
    assert (str(found.value), found.met) == ("nan", False)


@pytest.mark.parametrize(
    ("how", "message"),
    [({}, "either at_most or at_least"), ({"at_most": 1.0, "at_least": 0.0}, "either at_most or at_least"),
     ({"at_most": 1.0, "minus": {"width": 1}, "divided_by": {"width": 2}}, "either divided_by or minus")],
)  # fmt: skip
def test_a_bar_has_one_side_and_one_comparison(how, message):
    with pytest.raises(ValidationError, match=message):
        bar(at={"width": 1}, **how)
