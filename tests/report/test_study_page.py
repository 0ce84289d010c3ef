"""Pages of studies: what stands first, what is held fixed, and where the numbers come from."""

import re

import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.report.page import Chart, Widget, page_html
from hashlens.report.traces import plotly
from hashlens.study.charts.curves import curve
from hashlens.study.charts.effects import effect_table
from hashlens.study.charts.figures import curve_lines
from hashlens.study.networks.regimes.phase import phase_chart, phase_slices
from hashlens.study.networks.regimes.sensitivity import phase_sensitivity
from hashlens.study.page.page import curve_sections, store_page, study_page
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store
from hashlens.study.study import Study

from .planted_study import planted_results

AXES = {"width": [8, 16, 64, 256], "samples": [100, 1000], "label_noise": [0.0, 0.4], "epochs": [0, 10]}


@pytest.fixture(scope="module")
def study():
    return planted_results(AXES, repeats=2)


def titles(page):
    return [section.title for section in page.sections]


def test_regimes_come_first_then_every_measure_over_every_axis_then_effects(study):
    page = study_page(study)
    assert page.subtitle.startswith("64 networks in 32 cells;")
    assert titles(page) == ["Regimes", "Curves over width", "Curves over samples", "Curves over label noise",
                            "Curves over epochs", "Variance explained", "Factors"]  # fmt: skip
    assert re.fullmatch(
        r"Of 32 cells \d+ are under-expressive, \d+ critically and \d+ sufficiently expressive", page.verdict
    )
    assert {block.figure.y_label for block in page.sections[1].blocks} == {"redundancy ratio R", "accuracy", "loss"}
    for section in page.sections[1:5]:
        drawn = [block.figure.title for block in section.blocks]
        assert drawn == ["Redundancy ratio R", "Accuracy on test", "Accuracy on train", "Loss"]


def test_curves_are_of_full_data_without_noise(study):
    over_width, *_ = curve_sections(study)
    assert "at samples 1,000; label noise 0; epochs 10" in over_width.note
    wanted = curve(study, "loss", "width", split="train", where={"samples": 1000, "label_noise": 0.0, "epochs": 10})
    (line,) = over_width.blocks[-1].figure.series
    assert line.y == tuple(estimate.mean for estimate in wanted.series[0].estimates)


def test_what_cannot_be_told_is_left_out_and_said(study):
    page = study_page(study.where(measure=["knn"], repeat=0))
    assert "Regimes" not in titles(page)
    assert "Variance explained" not in titles(page)
    assert page.verdict == ""
    assert page.notes[0].startswith("No regimes: results hold no redundancy_ratio on train")


def test_one_axis_alone_has_a_row_of_regimes():
    page = study_page(planted_results({"width": [8, 16, 64]}))
    (widget,) = page.sections[0].blocks
    assert widget.data["shown"] == (0,)
    assert len(widget.table.rows) == 3


def test_a_study_of_one_cell_has_its_numbers():
    page = study_page(planted_results({"width": [8]}))
    assert titles(page) == ["Numbers", "Factors"]


@pytest.mark.parametrize(
    ("made", "first"),
    [
        (lambda study, held: phase_chart(study, where=held), Widget),
        (lambda study, held: phase_slices(study, where={"label_noise": 0.0}), Widget),
        (lambda study, held: phase_sensitivity(study, where=held), Chart),
        (lambda study, held: curve(study, "knn", "width", where={**held, "epochs": 10}), Chart),
        (lambda study, held: effect_table(study, bootstrap=2), Chart),
    ],
)
def test_every_result_of_a_study_has_a_page_of_its_own(study, made, first):
    page = made(study, {"samples": 1000, "label_noise": 0.0}).page()
    assert page.title == "planted"
    assert isinstance(page.sections[0].blocks[0], first)
    assert "<script>" in page_html(page)


def test_a_store_says_how_far_it_is_and_where_its_numbers_come_from(tmp_path):
    spec = StudySpec.from_yaml(
        'name: "<b>small</b>"\ndata: {train: "digits[:200]", test: "digits[200:300]"}\naxes: {width: [3, 6]}\n'
        "training: {epochs: 1}\nrepeats: 2\nmeasures: [redundancy_ratio, knn, network_accuracy]\n",
        "study.yaml",
    )
    (tmp_path / "small.yaml").write_text("name: small")
    path = tmp_path / "small.db"
    Study(spec, path).run()
    page = store_page(Store.open(path, create=False))
    assert titles(page)[-2:] == ["Progress", "Origin"]
    origin, fields = page.sections[-1].blocks
    assert ("networks", "4 of 4") in origin.rows
    assert ("data.train", "digits[:200]") in fields.rows
    assert page.command.splitlines() == [f"hashlens study run {tmp_path}/small.yaml", f"hashlens report {path}"]
    text = page_html(page)
    assert "<b>small" not in text
    assert "&lt;b&gt;small" in text


def test_a_store_without_numbers_has_no_page(tmp_path):
    path = tmp_path / "empty.db"
    store = Store.open(path)
    store.begin({"name": "empty"}, (), {"train": "a", "test": "b"})
    with pytest.raises(StudyError, match="nothing is measured yet"):
        store_page(store)


def test_zero_epochs_have_a_place_and_a_name_on_a_logarithmic_axis():
    results = planted_results({"epochs": [0, 1, 10, 100]})
    drawn = plotly(curve_lines(curve(results, "knn", "epochs")))
    assert drawn["layout"]["xaxis"]["type"] == "log"
    assert drawn["layout"]["xaxis"]["ticktext"] == ["0", "1", "10", "100"]
    assert drawn["data"][-1]["x"] == pytest.approx([1 / 3, 1, 10, 100], rel=1e-4)
    assert drawn["data"][-1]["hovertext"][0] == "0"


def test_of_many_levels_some_are_named():
    drawn = plotly(curve_lines(curve(planted_results({"width": list(range(4, 104))}), "knn", "width")))
    places = drawn["layout"]["xaxis"]["tickvals"]
    assert 6 <= len(places) <= 13
    steps = np.diff(np.log(places))
    assert steps.min() > 0.25
