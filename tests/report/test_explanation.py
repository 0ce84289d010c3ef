"""Pictures of explanations: names that nobody foresaw, and words as they stand in a text."""

import numpy as np
import pytest

from hashlens.explanations import Explanation, Interaction
from hashlens.report.plots import draw

ODD = ("$\\frac{$ cost in $", "<b> % \\alpha {", "the number of times that they called within the last twelve months")


def planted(kind="table", **more):
    values = np.array([[0.5, -2.0, 0.0]])
    return Explanation("planted", kind, np.array([0]), np.array([0.9]), values, **{"features": ODD, **more})


def words(text, features, weights):
    values = np.array([weights], np.float64)
    found = Explanation("planted", "text", np.array([0]), np.array([0.9]), values, features=features, texts=(text,))
    return found.figures()[0]


def test_names_with_signs_of_formulas_are_drawn_as_they_are():
    canvas = draw(planted(class_names=("$\\frac{$",)).figures())
    canvas.canvas.draw()
    drawn = [label.get_text() for label in canvas.axes[0].get_yticklabels()]
    assert drawn == [ODD[1], ODD[0]]
    assert canvas.axes[0].get_title(loc="left") == "planted: $\\frac{$"


def test_parts_that_weigh_nothing_are_not_drawn():
    found = planted(interactions=(Interaction((0, 1), 1.0), Interaction((1, 2), 0.0))).figures()[0]
    assert found.groups[0][1] == (-2.0, 1.0, 0.5)
    nothing = Explanation("planted", "table", np.array([0]), np.array([0.9]), np.zeros((1, 3)), features=ODD)
    assert nothing.figures()[0].groups[0][1] == (0.0, 0.0, 0.0)


def test_of_long_names_that_count_together_both_are_told():
    long = ("the number of calls", "the price of the house", "the age")
    found = planted(features=long, interactions=(Interaction((0, 1), 5.0), Interaction((1, 2), 4.0))).figures()[0]
    assert found.names[:2] == ("the num… calls and the pri… house", "the pri… house and the age")


def test_the_rest_of_the_shares_is_one_or_several():
    for count, told in ((13, "1 other"), (14, "2 others")):
        values, names = np.ones((1, count)), tuple(map(str, range(count)))
        found = Explanation("kernel_shap", "table", np.array([0]), np.array([0.9]), values, features=names,
                            diagnostics={"base_value": 0.0})  # fmt: skip
        assert found.figures()[0].names[-1] == told


def test_words_are_coloured_as_they_stand():
    found = words("Good, (bad) well-made The, the", ("Good", "bad", "well", "made", "The", "the"), (4, -2, 1, -3, 2, 1))
    assert found.words == ("Good,", "(bad)", "well-made", "The,", "the")
    assert found.weights == pytest.approx((1, -0.5, -0.75, 0.5, 0.25))


def test_words_that_a_tokenizer_lowers_or_keeps_whole_are_found():
    assert words("Good: film!", ("good", "film!"), (2, -1)).weights == pytest.approx((1, -0.5))
