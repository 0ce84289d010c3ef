"""Pictures of fixed figure data look as they did: as the files in ``pictures``, on any machine.

After a change that is wanted, look at the new ones and keep them: ``python tests/report/test_pictures.py`` writes them.
"""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hashlens.report.colours import scale_colours
from hashlens.report.figures import Contour, Heatmap, Lines, Mark, Points, Polygons, Rule, Scale, Series, Tile
from hashlens.report.plots import draw
from hashlens.report.style import paper_style
from hashlens.study.networks.regimes.phase import REGIME_COLOURS

PICTURES = Path(__file__).with_name("pictures")
DPI = 60
TOLERANCE = 4.0
"""Root mean square difference, of 255: letters of another FreeType differ by less, anything else by more."""


def phase_chart():
    widths, epochs = (10, 20, 40, 80, 160), (0, 1, 10, 100)
    tiles = []
    for column in range(len(widths)):
        for row in range(len(epochs)):
            ratio = 1 / (1 + math.exp(1.3 * (column + row) - 3.5))
            regime = 0 if ratio > 0.5 else 2 if ratio < 0.1 else 1
            tiles.append(Tile(column, row, regime, 0.6 if column == row else 1.0, f"{ratio:.2f}".lstrip("0")))
    lines = (((0.0, 2.6), (1.0, 1.7), (2.6, 0.0)),), (((0.9, 3.0), (2.4, 2.0), (4.0, 0.4)),)
    return Heatmap(
        "Regimes over width and epochs", "width", "epochs", tuple(map(str, widths)), tuple(map(str, epochs)),
        tuple(tiles), REGIME_COLOURS,
        ("under-expressive: R > 0.5", "critically-expressive", "sufficiently-expressive: R < 0.1"),
        contours=(Contour("R on train = 0.5", False, True, lines[0]),
                  Contour("R on test = 0.1", True, False, lines[1])),
        pale_name="paler: repeats disagree", note="The thresholds are this project's.",
    )  # fmt: skip


def width_curve():
    x = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
    train, test = (tuple(round(top / (1 + at / 10), 4) for at in x) for top in (0.9, 0.6))
    bands = [(tuple(y - 0.04 for y in of), tuple(y + 0.04 for y in of)) for of in (train, test)]
    series = tuple(
        Series(name, x, y, *band) for name, y, band in zip(("train", "test"), (train, test), bands, strict=True)
    )
    paper = (Series("train", (8.0, 32.0), (0.55, 0.2)),)
    return Lines("Redundancy over width", "width", "redundancy ratio R", series, rules=(Rule("y", 0.1),), log_x=True,
                 references=paper, reference_name="the paper", band_name="95% interval")  # fmt: skip


def slice_of_a_plane():
    """Return a 6 x 6 grid of slanted cells with a boundary, marks and points."""
    side = np.linspace(-1, 1, 7)
    corners = []
    for at in range(36):
        i, j = divmod(at, 6)
        left, right, low, high = side[i], side[i + 1], side[j], side[j + 1]
        corners.append([(left, low), (right, low), (right, high), (left, high)])
    polygons = np.array(corners)
    inner = (np.abs(polygons) < 0.99).all(axis=2)
    polygons[inner] += 0.06 * np.sin(7 * polygons[inner][:, ::-1])
    edges = np.concatenate([np.stack([polygons[:, k], polygons[:, (k + 1) % 4]], axis=1) for k in range(4)])
    boundary = np.array([[(-1.0, -0.4), (0.1, 0.1)], [(0.1, 0.1), (0.4, 1.0)]])
    palette = scale_colours()
    return Polygons(
        "36 linear regions", "s: first input", "t: second input", (-1.0, 1.0, -1.0, 1.0), True, polygons.reshape(-1, 2),
        np.arange(0, 145, 4), (np.arange(36) * 37) % len(palette), np.arange(36), palette, (), ("a", "b"),
        Scale("norm of the gradient along the plane", 0.2, 1.4, False, True), edges, boundary, "decision boundary",
        (Mark("first", -0.5, 0.5), Mark("second", 0.6, -0.6)),
        Points("examples", np.array([(0.0, 0.0), (0.3, 0.7), (-0.7, -0.2)]), np.array([3, -1, 90])),
    )  # fmt: skip


FIGURES = {"phase-chart": phase_chart, "width-curve": width_curve, "slice": slice_of_a_plane}


def drawn(figure):
    """Return the picture of a figure as grey levels and colours, and its bytes."""
    file = io.BytesIO()
    with paper_style():
        draw([figure]).savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return np.asarray(Image.open(file).convert("RGB"), float), file.getvalue()


def difference(one, other):
    return float(np.sqrt(np.mean((one - other) ** 2)))


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_looks_as_it_did(name):
    found = drawn(FIGURES[name]())[0]
    file = PICTURES / f"{name}.png"
    kept = np.asarray(Image.open(file).convert("RGB"), float)
    assert file.stat().st_size < 60_000
    assert found.shape == kept.shape
    assert difference(found, kept) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_what_is_set_elsewhere_changes_nothing(name):
    from matplotlib import rc_context

    plain = drawn(FIGURES[name]())[1]
    with rc_context({"font.size": 22, "axes.facecolor": "black", "font.family": "serif", "lines.linewidth": 9}):
        assert drawn(FIGURES[name]())[1] == plain


def test_the_tolerance_is_finer_than_a_change_that_matters():
    figure = width_curve()
    first = figure.series[0]
    moved = Series(first.name, first.x, tuple(y + 0.08 for y in first.y), first.low, first.high)
    changed = Lines(**{**figure.__dict__, "series": (moved, figure.series[1])})
    assert difference(drawn(changed)[0], drawn(figure)[0]) > 2 * TOLERANCE


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, figure in FIGURES.items():
        (PICTURES / f"{name}.png").write_bytes(drawn(figure())[1])
