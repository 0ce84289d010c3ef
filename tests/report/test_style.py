"""Files for papers: fonts inside, sizes of columns, and the same bytes for the same picture."""

import re

import pytest
from matplotlib import rcParams
from matplotlib.text import Text

from hashlens.errors import OutputError
from hashlens.report.figures import Bars
from hashlens.report.plots import draw
from hashlens.report.style import MIN_LETTER, ONE_COLUMN, TWO_COLUMNS, fit, paper_style, save

BARS = Bars("shares", "share", ("width", "noise"), (("alone", (0.7, 0.2)), ("together", (0.8, 0.1))))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_picture_is_the_same_file(tmp_path, suffix, monkeypatch):
    first = save(draw([BARS]), tmp_path / f"a{suffix}").read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert save(draw([BARS]), tmp_path / f"b{suffix}").read_bytes() == first
    for stamp in (b"CreationDate", b"<dc:date>", b"Matplotlib v", b"matplotlib.org"):
        assert stamp not in first


def test_fonts_are_in_a_pdf_as_text(tmp_path):
    text = save(draw([BARS]), tmp_path / "a.pdf").read_bytes()
    assert re.search(rb"/Subtype /Type0|/Subtype /CIDFontType2", text)
    assert b"/Type3" not in text
    assert b"DejaVuSans" in text


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_a_picture_fits_a_column_and_can_be_read(width):
    before = draw([BARS]).get_size_inches()
    canvas = fit(draw([BARS]), width)
    assert canvas.get_size_inches() == pytest.approx(before * width / before[0])
    assert min(text.get_fontsize() for text in canvas.findobj(Text)) >= MIN_LETTER
    canvas.canvas.draw()
    for axes in canvas.axes:
        box = axes.get_tightbbox()
        assert -1 <= box.x0 < box.x1 <= canvas.bbox.x1 + 1
        assert -1 <= box.y0 < box.y1 <= canvas.bbox.y1 + 1


def test_the_style_leaves_what_was_set_before_even_when_drawing_fails():
    before = dict(rcParams)
    with pytest.raises(RuntimeError), paper_style():
        assert rcParams["pdf.fonttype"] == 42
        raise RuntimeError
    assert dict(rcParams) == before


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"a.gif: pictures are written as .png, .svg, .pdf$"):
        save(draw([BARS]), tmp_path / "a.gif")
