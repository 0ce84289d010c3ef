"""The interactive phase chart: its numbers are those of `phase_chart`, in Python and in a browser."""

import base64
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.measures.regime import RegimeThresholds
from hashlens.report.page import write_page
from hashlens.study.networks.regimes.phase import phase_chart, phase_slices
from hashlens.study.networks.regimes.widget import chart_cells, counts_text, phase_widget, results_cells
from hashlens.study.page.page import study_page

from .planted_study import planted_results

AXES = {"width": [8, 16, 32, 64, 128], "samples": [100, 1000], "epochs": [0, 1, 10, 100]}
MOVED = RegimeThresholds(0.7, 0.6, 0.11, 0.9)


@pytest.fixture(scope="module")
def study():
    return planted_results(AXES)


@pytest.mark.parametrize("thresholds", [RegimeThresholds(), MOVED])
def test_regimes_and_agreement_are_those_of_the_chart_in_every_slice(study, thresholds):
    cells = results_cells(study, thresholds)
    assert cells.axes == ("width", "samples", "epochs")
    assert [cells.axes[at] for at in cells.shown] == ["width", "epochs"]
    for place, samples in enumerate(AXES["samples"]):
        chart = phase_chart(study, where={"samples": samples}, thresholds=thresholds)
        for cell in chart.cells:
            at = (AXES["width"].index(cell.x), place, AXES["epochs"].index(cell.y))
            assert cells.ratio[at] == cell.redundancy_ratio.train.mean
            assert cells.retention[at] == cell.retention.mean
            assert cells.regime(at) == cell.regime
            assert cells.agreement(at) == pytest.approx(cell.agreement)


def test_slices_have_the_numbers_of_the_study(study):
    whole, slices = results_cells(study), phase_slices(study)
    sliced = chart_cells(slices.charts, slices.z, slices.levels)
    assert sliced.axes == ("width", "epochs", "samples")
    np.testing.assert_array_equal(sliced.ratio, whole.ratio.swapaxes(1, 2))
    assert sliced.counts() == whole.counts()
    assert {sliced.agreement(at) for at in sliced.measured()} <= {1 / 3, 2 / 3, 1.0}


def test_the_table_names_the_confidence_level_of_the_chart():
    study = planted_results({"width": [8, 16], "epochs": [1, 10]}, repeats=5)
    widget = phase_widget(chart_cells([phase_chart(study, confidence=0.8)]))
    assert "80% interval" in widget.table.note
    assert "95%" not in widget.table.note


def test_what_is_compared_goes_to_the_script_to_the_last_bit(study):
    cells = results_cells(study)
    data = phase_widget(cells).data
    for line, array in ((0, cells.ratio), (2, cells.retention)):
        sent = np.frombuffer(base64.b64decode(data["lines"][line]["mean"]), "<f8")
        np.testing.assert_array_equal(sent, array.ravel())
    assert np.frombuffer(base64.b64decode(data["repeatValues"][1]), "<f8").shape == (40 * 3,)


def test_zero_epochs_stand_before_a_logarithmic_axis(study):
    epochs = phase_widget(results_cells(study)).data["axes"][2]
    assert epochs["log"]
    assert epochs["places"] == pytest.approx([1 / 3, 1, 10, 100])


def test_cells_that_are_not_measured_are_left_out(study):
    late = study.columns["epochs"] == 100
    part = replace(study, columns={k: v[~(late & (study.columns["width"] == 8))] for k, v in study.columns.items()})
    cells = results_cells(part)
    assert len(cells.measured()) == 38
    assert sum(cells.counts().values()) == len(phase_widget(cells).table.rows) == 38


def test_a_study_without_axes_has_no_chart_and_one_without_measures_says_so(study):
    one = study.where(width=8, samples=100, epochs=1)
    assert results_cells(one) is None
    with pytest.raises(StudyError, match="hold no network_accuracy on test"):
        results_cells(study.where(measure=["redundancy_ratio", "knn"]))


@pytest.fixture
def opened(browser, tmp_path):
    """Open pages with networking off; no page may complain."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True)
    complaints = []

    def load(results):
        path = write_page(study_page(results), tmp_path / "study.html")
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield load
    context.close()
    assert complaints == []


def move(page, **values):
    for name, value in values.items():
        page.locator(f"input[name={name}]").fill(str(value))


def counts_in(page):
    return page.locator(".counts").inner_text().partition(" (")[0]


@pytest.mark.browser
def test_sliders_give_the_regimes_that_python_gives(study, opened):
    page = opened(study)
    settings = [vars(limits) for limits in (MOVED, RegimeThresholds(0.995, 0.05, 0.2, 0.5), RegimeThresholds())]
    for limits, (place, samples) in product(settings, enumerate(AXES["samples"])):
        move(page, sufficient_redundancy=0, under_redundancy=1, under_retention=0, sufficient_retention=1)
        move(page, **limits)
        page.locator(".axes input[type=range]").fill(str(place))
        chart = phase_chart(study, where={"samples": samples}, thresholds=RegimeThresholds(**limits))
        assert counts_in(page) == counts_text(chart.counts())
    assert counts_text(results_cells(study).counts()) in page.locator(".counts").inner_text()


@pytest.mark.browser
def test_a_threshold_pushes_the_one_that_bounds_it_and_reset_brings_both_back(study, opened):
    page = opened(study)
    before = counts_in(page)
    move(page, sufficient_redundancy=0.8)
    assert page.locator("input[name=under_redundancy]").input_value() == "0.8"
    limits = RegimeThresholds(under_redundancy=0.8, sufficient_redundancy=0.8)
    chart = phase_chart(study, where={"samples": 1000}, thresholds=limits)
    assert counts_in(page) == counts_text(chart.counts()) != before
    page.locator("button.reset").click()
    assert counts_in(page) == before
    assert page.locator("input[name=under_redundancy]").input_value() == "0.5"


@pytest.mark.slow
@pytest.mark.browser
def test_a_cell_says_its_numbers_and_shows_its_curves(study, opened):
    page = opened(study)
    page.locator("canvas").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    cell = phase_chart(study, where={"samples": 1000}).cell(16, 1)
    said = page.locator(".hover").inner_text()
    ratio = cell.redundancy_ratio.train
    assert said.startswith("width 16, epochs 1")
    assert f"R on train {ratio.mean:.3f} [{ratio.low:.3f}–{ratio.high:.3f}]" in said  # of three repeats the range
    assert f"3 repeats, {cell.agreement:.0%} of them in this regime" in said
    page.keyboard.press("Enter")
    assert page.locator(".of-cell h4").inner_text() == "width 16, samples 1,000, epochs 1"
    drawn = page.evaluate("[...document.querySelectorAll('.of-cell .plot')].map(plot => plot.data.map(at => at.y))")
    over = [phase_chart(study, where={"samples": 1000}).cell(16, epochs) for epochs in AXES["epochs"]]
    assert drawn[0][1] == pytest.approx([at.redundancy_ratio.train.mean for at in over])
    width = page.locator("canvas").bounding_box()["width"]
    page.locator("canvas").click(position={"x": width - 40, "y": 40})
    assert page.locator(".of-cell h4").inner_text() == "width 128, samples 1,000, epochs 100"
    page.locator(".over select").select_option(label="samples")
    assert page.evaluate("document.querySelector('.of-cell .plot').data.at(-1).x.length") == 2


@pytest.mark.browser
def test_axes_can_be_changed(study, opened):
    page = opened(study)
    page.get_by_label("Across").select_option(label="samples")
    chart = phase_chart(study, "samples", "epochs", where={"width": 128})
    assert counts_in(page) == counts_text(chart.counts())


@pytest.mark.browser
@pytest.mark.slow
def test_five_thousand_cells_follow_a_threshold(opened):
    large = planted_results({"width": list(range(4, 104, 2)), "epochs": list(range(100))})
    page = opened(large)
    assert counts_in(page) == counts_text(results_cells(large).counts())
    move(page, under_redundancy=0.6)
    limits = RegimeThresholds(under_redundancy=0.6)
    assert counts_in(page) == counts_text(phase_chart(large, thresholds=limits).counts())


@pytest.mark.browser
def test_names_are_shown_as_text(opened):
    wicked = "<script>alert(1)</script>"
    results = planted_results({"architecture": [wicked, "<b>mlp</b>"], "width": [8, 16]}, study=wicked)
    page = opened(results)
    assert page.locator("h1").inner_text() == wicked
    page.locator("canvas").click(position={"x": 200, "y": 40})
    assert "<b>mlp</b>" in page.locator(".of-cell h4").inner_text()
    assert page.locator(".of-cell b").count() == 0


@pytest.mark.browser
def test_without_scripts_the_numbers_are_a_table(browser, study, tmp_path):
    path = write_page(study_page(study), tmp_path / "study.html")
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "needs JavaScript" in page.locator(".phase").inner_text()
    assert not page.locator("canvas").is_visible()
    assert page.locator(".widget table tbody tr").count() == 40
    context.close()
