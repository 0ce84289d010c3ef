import pytest

from hashlens.report.figures import Bars, Histogram, Lines, Rule, Series
from hashlens.report.plots import draw, save

FIGURES = (
    Lines(
        "lines",
        "x",
        "y",
        (Series("a", (1.0, 2.0), (0.5, 0.1)), Series("b", (1.0, 2.0), (0.2, 0.3))),
        (Rule("y", 0.1),),
        True,
    ),
    Bars("bars", "share", ("one", "two"), (("train", (0.1, None)), ("test", (0.3, 0.4)))),
    Histogram("histogram", "distance", (0.0, 0.5, 1.0), (("same", (0.7, 0.3)), ("other", (0.2, 0.8)))),
)


def test_panels_show_the_figure_data():
    canvas = draw(FIGURES)
    lines, bars, histogram = canvas.axes
    assert [line.get_ydata().tolist() for line in lines.get_lines()[:2]] == [[0.5, 0.1], [0.2, 0.3]]
    assert sorted(patch.get_width() for patch in bars.patches) == [0.1, 0.3, 0.4]
    assert [axes.get_title(loc="left") for axes in canvas.axes] == ["lines", "bars", "histogram"]
    assert histogram.get_xlabel() == "distance"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_files_are_of_the_kind_of_their_name(tmp_path, name, start):
    assert save(draw(FIGURES), tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]
