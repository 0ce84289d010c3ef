"""The presets fit the studies they describe, claims and comparisons judge as they say, and a reproduction resumes."""

from importlib import import_module

import pytest
import torch

import hashlens as hl
from hashlens.data.digits import TRAIN_ROWS
from hashlens.errors import DataError, OutputError, ReportError, StudyError
from hashlens.report.page import page_html
from hashlens.saved import load_result
from hashlens.study.charts.curves import Curve
from hashlens.study.networks.cells import cells
from hashlens.study.networks.measures import MEASURES
from hashlens.study.reproduce.comparison import compare
from hashlens.study.reproduce.markdown import markdown_page
from hashlens.study.reproduce.page import reproduction_page
from hashlens.study.reproduce.picture import picture
from hashlens.study.reproduce.preset import SIZES, find_preset, preset_names
from hashlens.study.reproduce.reproduce import reproduce
from hashlens.study.spec import StudySpec
from hashlens.study.store.changes import changes, comparable_fields
from hashlens.study.store.store import Store
from hashlens.study.study import Study
from hashlens.testing.result_contract import check_json, check_result

# Networks that each preset trains: quick, paper.
NETWORKS = {
    "mnist-width": (60, 230),
    "mnist-time": (6, 30),
    "mnist-samples": (30, 420),
    "mnist-noise": (42, 210),
    "mnist-regularization": (48, 360),
    "mnist-random-inputs": (18, 230),
    "mnist-phase": (40, 280),
    "mnist-effects": (162, 405),
    "cifar10-width": (6, 35),
    "cifar10-time": (6, 30),
    "cifar10-samples": (30, 420),
    "digits-width": (15, 110),
    "digits-time": (9, 30),
    "digits-samples": (36, 240),
    "digits-noise": (42, 210),
    "digits-regularization": (72, 360),
    "digits-phase": (48, 660),
    "digits-effects": (72, 405),
}
MNIST_WIDTH = """
network: {architecture: mlp, depth: 1}
training: {recipe: figures}
axes:
  width: [3, 7, 10, 15, 20, 23, 27, 30, 33, 37, 40, 43, 47, 50, 53, 57, 60, 65, 70, 75, 80, 90, 100]
  random_inputs: [none, uniform]
repeats: 10
measures: [redundancy_ratio, collision_probability, knn, logistic, kmeans, network_accuracy, loss]
"""
CIFAR_WIDTH = """
network: {architecture: mlp, depth: 5}
training: {recipe: scripts}
axes: {width: [10, 20, 40, 80, 120, 160, 200], random_inputs: [none, uniform]}
repeats: 5
measures: [redundancy_ratio, collision_probability, knn, logistic, kmeans, network_accuracy, loss]
ensemble: 4
"""


def test_the_presets_are_those():
    tuning = "bo-early-stopping", "bo-overfitting", "bo-recorded"
    assert preset_names() == (*NETWORKS, *tuning, "encoders", "finite-vs-infinite", "ted-missing", "ted-robustness")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_preset_fits_its_study(name, size):
    preset = find_preset(name)
    spec = preset.spec(name, size, "data/there")
    n = preset.expects.train if preset.expects else TRAIN_ROWS
    assert len(cells(spec, n)) * spec.repeats == NETWORKS[name][SIZES.index(size)]
    assert spec.name == name
    assert "{data}" not in spec.data.train + spec.data.test
    assert max(spec.axes.samples or (n,)) == n

    varied = {axis: levels for axis, levels in spec.axes.model_dump().items() if levels and len(levels) > 1}
    measured = {row: MEASURES[key] for key in spec.measures for row in MEASURES[key].rows}
    lines = [(panel.measures, panel.splits, panel.x, panel.by) for one in preset.pictures.values() for panel in one]
    for claim in preset.claims:
        lines.append((claim.measures, claim.splits or ("test",), getattr(claim, "over", None), claim.by))
        assert {*getattr(claim, "factors", ())} <= set(varied)
    for measures, splits, over, by in lines:
        assert {axis for axis in (over, by) if axis} <= set(varied)
        for measure in measures:
            allowed = {*measured[measure].splits, *(spec.random_inputs if measured[measure].random_inputs else ())}
            assert set(splits) <= allowed
    if preset.reference is None:
        return
    for points in preset.reference.points:
        assert points.split in measured[points.measure].splits
        assert points.measure in preset.reference.bands
        held = {factor: (level,) for factor, level in points.at.items()}
        along = {points.over: tuple(level for level, _ in (*points.values, *points.at_most) if level != "last")}
        for factor, levels in {**held, **along}.items():
            assert set(levels) <= set(varied[factor])


@pytest.mark.parametrize(("name", "text"), [("mnist-width", MNIST_WIDTH), ("cifar10-width", CIFAR_WIDTH)])
def test_the_long_runs_keep_their_specs(name, text):
    """Stores of runs that took hours stay of use only as long as nothing in these changes."""
    kept, now = StudySpec.from_yaml(text), find_preset(name).spec(name, "paper", "x")
    assert changes(comparable_fields(kept.to_plain()), comparable_fields(now.to_plain())) == []


def test_only_mnist_has_figures_of_the_paper():
    known = {name for name in NETWORKS if find_preset(name).reference}
    assert known == {"mnist-width", "mnist-time", "mnist-samples"}


def as_in_the_paper(shift=0.0):
    """What the facts say of MNIST over width, moved by `shift` on train at width 20."""
    known = {
        (points.measure, points.split, level): value
        for points in find_preset("mnist-width").reference.points
        for level, value in points.values
    }

    def measure(repeat, width, **_):
        names = {(measure, split) for measure, split, _ in known} | {("network_accuracy", "test")}
        wide = {name: known.get((*name, width), 0.5) for name in names}
        wide["redundancy_ratio", "train"] += shift * (width == 20) + 0.001 * (repeat - 1)
        return wide

    return measure


WIDTHS = {"width": [10, 20, 27, 40, 53, 100]}


def test_the_papers_own_figures_are_inside_every_band(made, tmp_path):
    reference = find_preset("mnist-width").reference
    found = compare(made(WIDTHS, as_in_the_paper()), reference)
    assert len(found) == 6 + 6 + 3 + 3 + 3
    assert all(one.inside for one in found)
    assert max(abs(one.difference) for one in found) < 1e-12
    check_json(found[0], tmp_path / "a.json")


@pytest.mark.parametrize(("shift", "inside"), [(0.06, True), (-0.06, True), (0.0601, False), (-0.0601, False)])
def test_a_band_ends_where_it_says(made, shift, inside):
    found = compare(made(WIDTHS, as_in_the_paper(shift)), find_preset("mnist-width").reference)
    at = next(one for one in found if (one.split, one.at) == ("train", {"width": 20}))
    assert at.inside is inside
    assert sum(not one.inside for one in found) == (not inside)
    side = "above" if shift > 0 else "below"
    assert f"is {0.77 + shift:.3f}: 0.060 {side} the paper's 0.77, tolerance ± 0.06" in at.sentence


def test_a_figure_that_was_not_measured_is_said(made):
    found = compare(made({"width": [10, 20]}, as_in_the_paper()), find_preset("mnist-width").reference)
    missing = next(one for one in found if one.at == {"width": 40})
    assert missing.inside is False
    assert missing.sentence.endswith("nothing was measured.")


def test_the_papers_points_are_drawn_beside_the_lines_of_their_measure(made):
    preset = find_preset("mnist-width")
    drawn = picture("width", preset.pictures["width"], made(WIDTHS, as_in_the_paper()), preset.reference, {})
    ratio, accuracies = drawn.paper
    assert dict(ratio["train"])[27] == 0.40
    assert dict(ratio["test"])[27] == 0.19
    assert dict(accuracies["logistic"]) == {20: 0.735, 40: 0.855, 100: 0.925}
    assert set(accuracies) == {"K-NN", "logistic", "K-Means (purity)"}
    hollow = [line for line in drawn.plot().axes[0].get_lines() if line.get_markerfacecolor() == "none"]
    assert [len(line.get_xdata()) for line in hollow if len(line.get_xdata())] == [6, 6]


def test_the_last_epoch_is_that_of_the_study_and_a_bound_is_no_point(made):
    def measure(repeat, width, epochs, **_):
        return {("redundancy_ratio", split): {0: 0.05, 1: 0.6, 100: 0.1}[epochs] for split in ("train", "test")}

    preset = find_preset("mnist-time")
    results = made({"width": [40, 50, 60], "epochs": [0, 1, 100]}, measure)
    found = compare(results, preset.reference)
    first = [one for one in found if one.at == {"width": 40, "epochs": 0}]
    assert [one.is_bound for one in first] == [True, True]
    assert not any(one.inside for one in first)
    assert first[0].difference == pytest.approx(0.005)
    assert [one.paper for one in found if one.at == {"width": 40, "epochs": 100}] == [0.10, 0.04]
    points = picture("time", preset.pictures["time"][:1], results, preset.reference, {}).paper[0]
    assert points["width 40"] == ((1, 0.575), (100, 0.10))


@pytest.fixture
def tiny(monkeypatch):
    """The digits over width, smaller still."""
    whole = find_preset("digits-width")
    quick = {"training": {"epochs": 3}, "axes": {"width": [4, 16], "random_inputs": ["none", "uniform"]}, "repeats": 2}
    small = whole.model_copy(update={"quick": quick})
    monkeypatch.setattr(import_module("hashlens.study.reproduce.reproduce"), "find_preset", lambda name: small)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_reproduction_is_written_and_resumed(tmp_path):
    out = tmp_path / "there"
    first = reproduce("digits-width", out=out)
    names = {"report.html", "results.parquet", "study.db", "study.yaml", "table.md", "width.png", "width.svg"}
    assert names == {path.name for path in out.iterdir() if not path.name.endswith(("-wal", "-shm"))}
    assert (first.provenance.networks, first.provenance.trained_now) == (4, 4)
    assert Study.load(out / "study.yaml").status().finished

    page = (out / "table.md").read_text()
    assert page == markdown_page(first)
    assert (out / "report.html").read_text() == page_html(reproduction_page(first))
    assert first.provenance.command in page
    assert "the tables show only our results" in page
    assert "| width | train | test | uniform |" in page
    ratio = first.pictures[0].parts[0]
    assert isinstance(ratio, Curve)
    for series in ratio.series:
        for level, estimate in zip(ratio.levels, series.estimates, strict=True):
            rows = first.study.results.where(
                measure="redundancy_ratio", split=series.split, width=level, layer=""
            ).columns["value"]
            assert estimate.mean == pytest.approx(rows.mean(), abs=1e-12)
    check_json(first.study.status(), tmp_path / "status.json")
    for at, one in enumerate((first, first.provenance, *first.findings[:1], *first.pictures)):
        (tmp_path / f"{at}").mkdir()
        check_result(one, tmp_path / f"{at}")
    back = load_result(tmp_path / "0/result.json")
    assert page_html(back.page()) == page_html(first.page())
    assert back.figures("width") == first.figures("width")
    assert back.study.results.to_arrow().equals(first.study.results.to_arrow())
    with pytest.raises(StudyError, match="did you mean 'width'"):
        first.plot("widht")
    shown = reproduction_page(first)
    titles = [section.title for section in shown.sections if section.blocks]
    assert titles[:3] == ["Regimes", "Figures", "Claims"]
    assert shown.verdict == "The paper has no such figures: the tables show only our results."
    assert shown.reason.startswith("Of 2 claims: ")
    assert {finding.claim for finding in first.findings} == {"trend"}
    assert shown.command == first.provenance.command
    assert len(first.figures()) == 2

    again = reproduce("digits-width", out=out)
    assert (again.provenance.networks, again.provenance.trained_now) == (4, 0)
    assert again.findings == first.findings
    assert again.study.results.to_arrow().equals(first.study.results.to_arrow())
    afresh = reproduce("digits-width", out=out, overwrite=True)
    assert afresh.provenance.trained_now == 4
    assert afresh.study.results.to_arrow().equals(first.study.results.to_arrow())
    with pytest.raises(StudyError, match="holds a study with another spec"):
        reproduce("digits-width", out=out, preset="paper")
    assert Study.load(out / "study.yaml").spec.repeats == 2
    (out / "study.yaml").unlink()
    with pytest.raises(StudyError, match="holds a study with another spec"):
        reproduce("digits-width", out=out, preset="paper")
    assert not (out / "study.yaml").exists()

    (out / "study.db").unlink()
    alone = back.page()
    assert [section.title for section in alone.sections if section.blocks] == ["Figures", "Claims", "Command"]
    assert "study.db is not there" in alone.notes[-1]
    (tmp_path / "old.json").write_text('{"kind": "Reproduction", "schema_version": 1, "name": "digits-width"}')
    with pytest.raises(ReportError, match=r"an earlier version of hashlens saved too little of it: see report\.html"):
        load_result(tmp_path / "old.json")


@pytest.mark.usefixtures("tiny")
def test_a_call_interrupted_before_the_store_exists_continues(monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "run", interrupt)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            reproduce("digits-width", out=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
    (tmp_path / "study.yaml").write_text("name: digits-width\n")
    with pytest.raises(OutputError, match=r"holds 'study\.yaml' but no reproduction"):
        reproduce("digits-width", out=tmp_path)


@pytest.mark.usefixtures("tiny")
def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds 'thesis\.tex' but no reproduction"):
        reproduce("digits-width", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("ours", ["study.db", "study.yaml"])
@pytest.mark.parametrize("kind", ["another study", "something else"])
def test_beginning_afresh_deletes_no_study_but_its_own(kind, ours, tmp_path):
    path = tmp_path / ours
    if kind == "something else":
        path.write_text("years of work")
    elif ours == "study.db":
        Store.open(path).begin(StudySpec(name="thesis").model_dump(mode="json"), [], {})
    else:
        path.write_text("name: thesis\n")
    before = path.read_bytes()
    told = rf"{ours} belongs to no reproduction 'digits-width' \(it is .*\), so it is not deleted"
    with pytest.raises(OutputError, match=told):
        reproduce("digits-width", out=tmp_path, overwrite=True)
    assert path.read_bytes() == before


def test_test_images_of_another_shape_are_named_with_their_shape(monkeypatch, tmp_path):
    sizes = {"train": (48_000, 1, 28, 28), "test": (10_000, 1, 20, 20)}

    def load(source):
        shape = sizes[source.split("#")[1].split("[")[0]]
        return hl.load_data((torch.zeros(1).expand(shape), torch.zeros(shape[0], dtype=torch.int64)))

    monkeypatch.setattr(import_module("hashlens.study.reproduce.reproduce"), "load_data", load)
    with pytest.raises(DataError, match=r"10,000 test examples of .*, received 10,000 of shape \(1, 20, 20\)"):
        reproduce("mnist-width", tmp_path, out=tmp_path / "out")


def test_machine_names_no_host():
    import platform

    from hashlens.machine import machine

    said = machine()
    assert "core" in said
    assert platform.node() not in said


def test_without_data_it_says_what_the_folder_must_hold(tmp_path):
    with pytest.raises(DataError, match=r"needs --data DIR, a folder with the Parquet files of MNIST"):
        reproduce("mnist-width", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.shared
def test_other_data_are_not_taken_for_mnist(shared_data, tmp_path):
    with pytest.raises(DataError, match=r"is not MNIST: expected 48,000 train examples of shape \(1, 28, 28\)"):
        reproduce("mnist-width", shared_data / "cifar10", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
