"""The style of pictures on paper; it does not depend on the settings of matplotlib on a machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashlens.errors import OutputError
from hashlens.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2
"""Usual widths of one column and of two columns of a journal, in inches."""
MIN_LETTER = 5.5
"""Smallest font size, in points."""
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
    # TrueType fonts: journals reject bitmap fonts, and text stays searchable and editable.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # Outlines make an SVG look the same without the font; a fixed salt makes its ids reproducible.
    "svg.fonttype": "path",
    "svg.hashsalt": "hashlens",
}
OMITTED_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
"""Metadata of each format to leave out (time and program), so that equal pictures give equal files."""


@contextmanager
def paper_style() -> Iterator[None]:
    """Use `STYLE` inside a ``with`` block, and restore the previous settings after it."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        yield


def fit(canvas: "Canvas", width: float) -> "Canvas":
    """Scale a picture to a width, and return it; letters are not scaled below `MIN_LETTER`.

    Parameters
    ----------
    canvas : matplotlib.figure.Figure
        The picture, as returned by ``plot()``; it is changed in place.
    width : float
        Width in inches, such as ``ONE_COLUMN`` or ``TWO_COLUMNS``.
    """
    from matplotlib.text import Text

    old_width, old_height = canvas.get_size_inches()
    scale = width / float(old_width)
    for text in canvas.findobj(Text):
        assert isinstance(text, Text)
        text.set_fontsize(max(MIN_LETTER, scale * float(text.get_fontsize())))
    canvas.set_size_inches(width, scale * float(old_height))
    return canvas


def save(canvas: "Canvas", path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a picture as PNG, SVG or PDF, according to the suffix; equal pictures give equal bytes.

    Without a suffix it is written as PNG.

    Raises
    ------
    OutputError
        If the suffix is another, the file exists and `overwrite` is false, or it cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".") or "png"
    if kind not in OMITTED_METADATA:
        raise OutputError(f"{path}: pictures are written as .png, .svg, .pdf")
    with atomic_write(path, overwrite=overwrite) as partial, paper_style():
        canvas.savefig(partial, format=kind, dpi=DPI, metadata=OMITTED_METADATA[kind])
    return path
