"""What the pictures of a study show: the figure data of report/phase.py and report/study.py."""

import pytest

from hashlens.errors import StudyError
from hashlens.study.charts.curves import curve
from hashlens.study.charts.effects import effect_table
from hashlens.study.charts.figures import curve_lines, effect_bars
from hashlens.study.networks.regimes.phase import REGIMES, phase_chart, phase_slices
from hashlens.study.networks.regimes.phase_figures import phase_map, sensitivity_figures
from hashlens.study.networks.regimes.sensitivity import phase_sensitivity

FULL = {"samples": 48000}


def test_tiles_are_the_cells_of_the_chart(mnist):
    chart = phase_chart(mnist, where=FULL)
    figure = phase_map(chart)
    assert figure.columns == ("10", "20", "27", "40", "53", "100")
    assert figure.rows == ("0", "1", "10", "100")
    for tile in figure.tiles:
        cell = chart.cell(chart.x_levels[tile.column], chart.y_levels[tile.row])
        assert (REGIMES[tile.value], tile.opacity) == (cell.regime, cell.agreement)
        assert float(tile.text) == pytest.approx(cell.redundancy_ratio.train.mean, abs=0.0051)
    assert "The thresholds are hashlens's own, not the paper's." in figure.note
    assert "R > 0.5 or retention < 0.8" in figure.names[0]
    assert figure.title == "made: samples 48,000"


def test_contours_pass_between_the_tiles_that_they_part(mnist):
    chart = phase_chart(mnist, where=FULL)
    contour = next(at for at in phase_map(chart).contours if at.name == "R on train = 0.5")
    ratio = {(tile.column, tile.row): chart.cells[at].redundancy_ratio.train.mean
             for at, tile in enumerate(phase_map(chart).tiles)}  # fmt: skip
    for line in contour.lines:
        for column, row in line:
            left, below = int(column + 1e-9), int(row + 1e-9)
            right, above = int(column + 1 - 1e-9), int(row + 1 - 1e-9)
            around = [ratio[left, below], ratio[right, below], ratio[left, above], ratio[right, above]]
            assert min(around) <= 0.5 <= max(around)


def test_sensitivity_shows_which_cells_are_fixed_and_shares_that_add_up(mnist):
    found = phase_sensitivity(mnist, where=FULL)
    chart, *sweeps = sensitivity_figures(found)
    assert [tile.opacity for tile in chart.tiles] == [float(fixed) for fixed in found.fixed]
    assert len(sweeps) == 4
    for sweep in sweeps:
        assert [sum(parts) for parts in zip(*sweep.shares, strict=True)] == pytest.approx([1.0] * len(sweep.x))
        assert [rule.at in sweep.x for rule in sweep.rules] == [True]


@pytest.mark.slow
def test_plots_have_a_panel_for_each_part(mnist):
    assert len(phase_chart(mnist, where=FULL).plot().axes) == 1
    assert len(phase_slices(mnist).plot().axes) == 3
    assert len(phase_sensitivity(mnist, where=FULL).plot().axes) == 5
    assert len(effect_table(mnist, responses=["knn"], bootstrap=2).plot().axes) == 1


def test_curves_keep_means_ends_and_references(mnist):
    found = curve(mnist, "redundancy_ratio", "epochs", split=("train", "test"), where={**FULL, "width": 40})
    figure = curve_lines(found, {"test": [(1, 0.35), (100, 0.04)]}, "the paper's")
    train, _ = figure.series
    assert train.x == (0, 1, 10, 100)
    assert train.y == tuple(estimate.mean for estimate in found.series[0].estimates)
    assert all(low < mean < high for low, mean, high in zip(train.low, train.y, train.high, strict=True))
    assert figure.references[0].x == (1, 100)
    assert figure.log_x
    with pytest.raises(StudyError, match="no line 'validation' to compare a reference with"):
        found.plot({"validation": [(1, 0.3)]})


def test_axes_of_names_are_placed_in_order(made):
    results = made({"architecture": ["lenet", "mlp"]}, lambda repeat, architecture, **_: {("knn", "test"): 0.9})
    figure = curve_lines(curve(results, "knn", "architecture"), {"": [("mlp", 0.8)]}, "others")
    assert figure.ticks == ((0.0, "lenet"), (1.0, "mlp"))
    assert figure.references[0].x == (1.0,)
    with pytest.raises(StudyError, match="architecture 'vgg' is not on the curve"):
        curve_lines(curve(results, "knn", "architecture"), {"": [("vgg", 0.8)]})


def test_a_published_level_that_is_no_number_is_an_error(made):
    found = curve(made({"width": [4, 8]}, lambda repeat, width, **_: {("knn", "test"): 0.9}), "knn", "width")
    with pytest.raises(StudyError, match="width 'wide' is not a number"):
        curve_lines(found, {"": [("wide", 0.8)]})


def test_bars_are_the_shares_of_the_table(mnist):
    found = effect_table(mnist, responses=["knn"], bootstrap=10)
    (bars,) = effect_bars(found)
    assert bars.names[0] == "width 10–100 (6 levels)"
    (_, alone), (_, total) = bars.groups
    response = found.responses[0]
    assert alone == (*(at.first.value for at in response.effects), response.interactions.value, response.residual.value)
    assert total == (*(at.total.value for at in response.effects), None, None)
    assert bars.ends[0][0] == (response.effects[0].first.low, response.effects[0].first.high)
