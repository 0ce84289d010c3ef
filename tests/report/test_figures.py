from dataclasses import replace
from itertools import pairwise

import pytest

from hashlens.report.colours import pale
from hashlens.report.figures import (
    COLOURS,
    Bars,
    Contour,
    Heatmap,
    Histogram,
    Lines,
    Rule,
    Series,
    Shares,
    Tile,
)
from hashlens.report.plots import draw
from hashlens.report.traces import plotly
from hashlens.study.networks.regimes.phase import REGIME_COLOURS


def hexed(colour):
    from matplotlib.colors import to_hex

    return to_hex(colour).upper()


def phase_map(columns=3, rows=2, sure=1.0, note="The thresholds are this project's."):
    tiles = tuple(Tile(x, y, (x + y) % 3, sure, ".50") for x in range(columns) for y in range(rows))
    contour = Contour("R on train = 0.5", False, True, (((0.0, 0.5), (1.5, 1.0)),))
    names = ("under-expressive: R > 0.5", "critically-expressive", "sufficiently-expressive")
    return Heatmap(
        "map", "width", "epochs", tuple(str(10 * x + 10) for x in range(columns)), tuple(map(str, range(rows))), tiles,
        REGIME_COLOURS, names, contours=(contour,), pale_name="paler: repeats disagree", note=note,
    )  # fmt: skip


def legend_of(canvas):
    (legend,) = canvas.legends
    return [text.get_text() for text in legend.get_texts()], legend.get_title().get_text()


def test_tiles_are_coloured_by_regime_and_paler_where_unsure():
    sure, unsure = (draw([phase_map(sure=sure)]).axes[0].patches for sure in (1.0, 0.5))
    assert hexed(sure[0].get_facecolor()) == REGIME_COLOURS[0]
    assert {hexed(patch.get_facecolor()) for patch in sure} == set(REGIME_COLOURS)
    assert [patch.get_hatch() for patch in sure] == [None] * 6
    assert all(patch.get_hatch() for patch in unsure)
    assert all(sum(pale.get_facecolor()) > sum(full.get_facecolor()) for pale, full in zip(unsure, sure, strict=True))


def test_regimes_can_be_told_apart_in_grey():
    from matplotlib.colors import rgb_to_hsv, to_rgb

    luminance = [sum(w * part for w, part in zip((0.3, 0.59, 0.11), to_rgb(at), strict=True)) for at in REGIME_COLOURS]
    assert luminance[1] > max(luminance[0], luminance[2]) + 0.2
    hues = [rgb_to_hsv(to_rgb(at))[0] for at in REGIME_COLOURS]
    assert hues == sorted(hues)
    assert pale("#000000", 1.0) == (0.0, 0.0, 0.0)


def test_one_legend_says_regimes_boundaries_and_whose_thresholds():
    labels, title = legend_of(draw([phase_map(sure=0.5), phase_map()]))
    assert labels[0] == "under-expressive: R > 0.5"
    assert {"paler: repeats disagree", "R on train = 0.5"} <= set(labels)
    assert title == "The thresholds are this project's."
    assert "paler: repeats disagree" not in legend_of(draw([phase_map()]))[0]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (6, 16), (23, 16)])
@pytest.mark.parametrize("dpi", [60])
def test_nothing_of_a_map_is_cut_off(shape, dpi):
    canvas = draw([phase_map(*shape, sure=0.5, note="A note that is long enough to need several lines. " * 4)])
    canvas.dpi = dpi
    canvas.canvas.draw()
    page = canvas.bbox
    axes = canvas.axes[0]
    shown = [axes.get_tightbbox(), *(legend.get_window_extent() for legend in canvas.legends)]
    for box in shown:
        assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1
    assert shown[1].y1 <= shown[0].y0 + 1
    names = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 <= right.x0 for left, right in pairwise(names))
    assert len(axes.texts) == shape[0] * shape[1]


@pytest.mark.slow
def test_a_map_beside_panels_is_the_larger():
    swept = (0.5, 0.4), (0.25, 0.35), (0.25, 0.25)
    rules = (Rule("x", 0.15, "threshold as used"),)
    shares = Shares("sweep", "threshold", "share", (0.1, 0.2), swept, ("a", "b", "c"), REGIME_COLOURS, rules)
    canvas = draw([phase_map(8, 8), shares, shares, shares, shares])
    canvas.canvas.draw()
    wide, *others = (axes.get_position() for axes in canvas.axes)
    assert all(wide.width > other.width and wide.height > other.height for other in others)
    assert "threshold as used" in legend_of(canvas)[0]


def lines(count=2, references=()):
    series = tuple(
        Series(f"s{at}", (0.0, 1.0, 10.0, 100.0), (0.1, 0.2, 0.3, 0.4), (0.0,) * 4, (0.5,) * 4) for at in range(count)
    )
    ticks = tuple((place, f"{place:g}") for place in (0.0, 1.0, 10.0, 100.0))
    return Lines("lines", "epochs", "R", series, log_x=True, references=references, reference_name="paper", ticks=ticks)


def test_bands_and_hollow_reference_points_have_the_colour_of_their_line():
    axes = draw([lines(2, (Series("s1", (1.0, 10.0), (0.7, 0.8)),))]).axes[0]
    assert [hexed(band.get_facecolor()[0]) for band in axes.collections] == list(COLOURS[:2])
    points = next(
        line for line in axes.get_lines() if line.get_ydata() is not None and list(line.get_ydata()) == [0.7, 0.8]
    )
    assert points.get_markerfacecolor() == "none"
    assert points.get_linestyle() == "None"
    assert hexed(points.get_color()) == COLOURS[1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["s0", "s1", "paper"]


def test_zero_has_a_place_before_a_logarithmic_axis():
    axes = draw([lines()]).axes[0]
    assert axes.get_xscale() == "symlog"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100"]
    zero, one, ten, hundred = axes.transData.transform([(x, 0.0) for x in (0, 1, 10, 100)])[:, 0]
    assert hundred - ten == pytest.approx(ten - one)
    assert one - zero > 0.2 * (ten - one)


def test_more_lines_than_colours_are_all_drawn_and_all_different():
    axes = draw([lines(23)]).axes[0]
    assert len(axes.get_lines()) == 23
    assert len({hexed(line.get_color()) for line in axes.get_lines()}) == 23


@pytest.mark.parametrize("columns", [1, 2])
def test_a_long_title_is_not_cut_off(columns):
    title = "Probability that training labels are wrong, by rank"
    canvas = draw([replace(lines(), title=title)] * 3, columns)
    canvas.draw_without_rendering()
    for position, axes in enumerate(canvas.axes):
        said, panel = axes._left_title.get_window_extent(), canvas.bbox.width / columns
        assert said.x0 > position % columns * panel
        assert said.x1 <= (position % columns + 1) * panel + 1


def test_bars_show_intervals_and_values():
    bars = Bars("b", "share", ("width", "noise"), (("alone", (0.7, -0.004)),), (((0.6, 0.8), None),), "{:z.0%}")
    axes = draw([bars]).axes[0]
    assert [list(line.get_xdata()) for line in axes.get_lines()] == [[0.6, 0.8]]
    assert [text.get_text() for text in axes.texts] == ["70%", "0%"]
    assert axes.get_xlim()[0] == 0.0


def test_bars_of_numbered_classes_are_all_named_in_their_order():
    axis = plotly(Bars("b", "share", ("7", "10", "2"), (("all", (0.5, 0.3, 0.2)),)))["layout"]["yaxis"]
    assert (axis["type"], axis["dtick"]) == ("category", 1)


def test_bars_of_shares_begin_where_others_end():
    bars = Bars("b", "p", ("one", "two", "three"), (("share", (0.3, -0.1, 0.2)),), signed=True, start=0.4)
    axes = draw([bars]).axes[0]
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([0.4, 0.7, 0.6])
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.3, -0.1, 0.2])
    low, high = axes.get_xlim()
    assert low < 0.4 < 0.8 < high
    traced = plotly(bars)
    assert traced["data"][0]["base"] == pytest.approx([0.4, 0.7, 0.6])
    assert traced["layout"]["xaxis"]["range"] == pytest.approx([low, high])


def test_long_names_leave_room_for_bars():
    name = "a column that is called by all that it is, from its first word to its last"
    axes = draw([Bars("b", "p", (name, "short"), (("share", (0.3, 0.1)),))]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{name[:17]} … {name[-16:]}", "short"]


def test_every_group_and_every_sample_is_drawn_however_many_there_are():
    names = tuple(f"group {i}" for i in range(8))
    bars = Bars("bars", "share", ("a", "b"), tuple((name, (0.2, 0.3)) for name in names))
    histogram = Histogram("histogram", "distance", (0.0, 1.0, 2.0), tuple((name, (0.5, 0.5)) for name in names))
    for figure in (bars, histogram):
        (axes,) = draw([figure]).axes
        handles, texts = axes.get_legend_handles_labels()
        assert tuple(texts) == names
        assert len({str(handle.patches[0].get_facecolor()) if figure is bars else str(handle.get_edgecolor())
                    for handle in handles}) == 8  # fmt: skip
