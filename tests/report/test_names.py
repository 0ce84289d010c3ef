"""Names in pictures are text."""

import numpy as np
import pytest
from matplotlib.text import Text

from hashlens.report.figures import Bars, Histogram, Intervals, Lines, Scatter, Series
from hashlens.report.plots import draw

NAMES = ("$\\x$", "_low", "\x1b[31m", "\u202ea")
SHOWN = {"$\\x$", "\u200a_low", "\\x1b[31m", "\\u202ea"}
X = (1.0, 2.0)


def scatter():
    return Scatter("t", "x", "y", np.arange(4.0), np.arange(4.0), np.arange(4), NAMES, NAMES)


FIGURES = {
    "lines": lambda: Lines("t", "x", "y", tuple(Series(name, X, X) for name in NAMES)),
    "bars": lambda: Bars("t", "x", ("a", "b"), tuple((name, X) for name in NAMES)),
    "histogram": lambda: Histogram("t", "x", (0.0, 1.0, 2.0), tuple((name, X) for name in NAMES)),
    "scatter": scatter,
}


@pytest.mark.parametrize("kind", FIGURES)
def test_a_legend_names_every_group_letter_by_letter(kind):
    canvas = draw([FIGURES[kind]()])
    canvas.draw_without_rendering()
    legend = canvas.axes[0].get_legend()
    assert {text.get_text() for text in legend.get_texts()} == SHOWN
    assert not any(text.get_parse_math() for text in legend.get_texts())


def test_names_at_ticks_are_text():
    canvas = draw(
        [Bars("t", "x", NAMES, (("a", (1.0,) * 4),)), Intervals("t", "$\\x$", NAMES, X * 2, ((0.0, 3.0),) * 4)]
    )
    canvas.draw_without_rendering()
    shown = {text.get_text() for axes in canvas.axes for text in axes.get_yticklabels()}
    assert shown == {"$\\x$", "_low", "\\x1b[31m", "\\u202ea"}


def test_powers_of_ten_stay_formulas():
    canvas = draw([Histogram("t", "x", (1e-6, 1e-3, 1.0), (("a", X),), log_x=True)])
    canvas.draw_without_rendering()
    formulas = [
        text for text in canvas.findobj(Text) if text.get_visible() and text.get_text().startswith("$\\mathdefault")
    ]
    assert formulas
    assert all(text.get_parse_math() for text in formulas)
