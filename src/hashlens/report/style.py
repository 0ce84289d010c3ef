"""The look of pictures on paper: the same on every machine, whatever matplotlib was told elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashlens.errors import OutputError
from hashlens.files import written_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2
"""Inches: usual widths of a column and of a page's text."""
LEAST_LETTER = 5.5
"""Points: text is not made smaller than this."""
DPI = 300
STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 10,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "0.2",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.color": "0.2",
    "ytick.color": "0.2",
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.6,
    # Text stays text: journals take no bitmap fonts, and letters can be found and edited.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # As outlines an SVG looks the same where the font is not installed; ids are not drawn by lot.
    "svg.fonttype": "path",
    "svg.hashsalt": "hashlens",
}
UNDATED: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
"""What each format would say of the time and the program; without it the same picture is the same file."""


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw in this style inside a ``with``, and in whatever was set before outside."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        yield


def fit(canvas: "Canvas", width: float) -> "Canvas":
    """Make a picture so many inches wide, its text smaller with it as far as it can be read; return it.

    Parameters
    ----------
    canvas : matplotlib.figure.Figure
        What ``plot()`` returned; it is changed.
    width : float
        Inches: ``ONE_COLUMN``, ``TWO_COLUMNS``, or another.
    """
    from matplotlib.text import Text

    across, upward = canvas.get_size_inches()
    scale = width / float(across)
    for text in canvas.findobj(Text):
        assert isinstance(text, Text)
        text.set_fontsize(max(LEAST_LETTER, scale * float(text.get_fontsize())))
    canvas.set_size_inches(width, scale * float(upward))
    return canvas


def save(canvas: "Canvas", path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a picture as PNG, SVG or PDF, by the name of the file; the same picture gives the same bytes.

    Raises
    ------
    OutputError
        If the name has another ending, the file exists and `overwrite` is false, or it cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".") or "png"
    if kind not in UNDATED:
        raise OutputError(f"{path}: pictures are written as .png, .svg, .pdf")
    with written_whole(path, overwrite=overwrite) as beside, paper_style():
        canvas.savefig(beside, format=kind, dpi=DPI, metadata=UNDATED[kind])
    return path
