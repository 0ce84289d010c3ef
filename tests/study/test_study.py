import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

import hashlens as hl
from hashlens.errors import DataError, ModelError, StudyError
from hashlens.study.charts.summary import summarize
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.results import Results
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study

TEXT = """\
name: small
data: {train: "digits[:200]", test: "digits[200:300]"}
axes: {width: [3, 6], epochs: [0, 1]}
training: {epochs: 1}
repeats: 2
measures: [redundancy_ratio, knn, network_accuracy]
"""


def columns(results):
    return {name: results.columns[name].tolist() for name in VARIABLES.columns}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "study.yaml").write_text(TEXT)
    return tmp_path / "study.yaml"


def test_a_study_is_its_file_and_the_store_beside_it(path):
    study = Study.load(path).run()
    assert study.store.name == str(path.with_suffix(".db"))
    assert study.status().finished
    assert study.status().runs == 4
    assert len(study.results) == 4 * 2 * (2 + 1 + 2)
    assert columns(Study.load(path).results) == columns(study.results)


def test_given_examples_are_those_of_the_spec(path, tmp_path):
    plain = StudySpec.from_yaml(TEXT.replace(TEXT.splitlines()[1], ""))
    train, test = hl.load_data("digits[:200]"), hl.load_data("digits[200:300]")
    given = Study(plain, tmp_path / "given.db", train=train, test=test).run()
    assert columns(given.results) == columns(Study.load(path).run().results)


def test_a_study_without_data_says_which_is_missing(tmp_path):
    plain = StudySpec.from_yaml(TEXT.replace(TEXT.splitlines()[1], ""))
    with pytest.raises(StudyError, match=r"'small' has no test data: write data: .* or give test="):
        Study(plain, tmp_path / "study.db", train="digits").run()
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_store_before_the_first_run(path):
    study = Study.load(path)
    for look in (lambda: study.results, study.status):
        with pytest.raises(StudyError, match=r"study\.db is not there: begin the study with"):
            look()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("epochs: [0, 1]", "epochs: [1]", r"axes.epochs: \[0, 1\] -> \[1\]"),
        ("epochs: 1}", "epochs: 1, learning_rate: 0.01}", "training.learning_rate: null -> 0.01"),
        ("repeats: 2", "repeats: 2\nseed: 1", "seed: 0 -> 1"),
    ],
)
def test_another_spec_is_refused_with_what_changed(path, old, new, difference):
    before = columns(Study.load(path).run().results)
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(StudyError, match=f"holds a study with another spec: {difference}; go back to it, or choose"):
        Study.load(path).run()
    assert columns(Study.load(path).results) == before


@pytest.mark.slow
def test_a_study_grows_by_a_width_and_a_repeat(path):
    path.write_text(TEXT + "ensemble: 1\n")
    first = Study.load(path).run()
    before = {(run.cell, run.repeat): (run.seed, run.metadata) for run in first.store.runs()}
    path.write_text(TEXT.replace("[3, 6]", "[3, 6, 12]").replace("repeats: 2", "repeats: 3") + "ensemble: 1\n")
    told = []
    grown = Study.load(path).run(on_start=lambda begun: told.append(str(begun)))
    assert told == ["4 of 9 runs are there; 5 are new"]
    after = {(run.cell, run.repeat): (run.seed, run.metadata) for run in grown.store.runs()}
    assert before.items() <= after.items()
    at_once = Study.load(path, path.with_name("at-once.db")).run()
    assert columns(grown.results) == columns(at_once.results)
    assert {(run.cell, run.repeat): run.seed for run in at_once.store.runs()} == {at: of[0] for at, of in after.items()}


def test_other_data_are_refused(path):
    Study.load(path).run()
    with pytest.raises(StudyError, match="holds a study of other data, by digest: test: "):
        Study.load(path, test="digits[300:400]").run()


def test_the_same_data_from_elsewhere_are_the_same(path):
    Study.load(path).run()
    path.write_text(TEXT.replace('"digits[:200]"', '"digits[:250]"'))
    train = replace(hl.load_data("digits[:200]").load(), name="a copy")
    assert Study.load(path, train=train).run().status().finished


@pytest.mark.parametrize("lease", [0, -1, float("nan"), float("inf")])
def test_a_lease_that_is_no_time_is_refused(path, lease):
    with pytest.raises(StudyError, match=f"a lease is more than 0 and at most 1,000,000 seconds, received {lease}"):
        Study.load(path).run(lease=lease)
    assert list(path.parent.iterdir()) == [path]


def test_samples_past_the_data_are_refused_before_anything_is_written(path):
    path.write_text(TEXT.replace("width: [3, 6]", "samples: [100, 201]"))
    with pytest.raises(StudyError, match=r"line 3.*axes.samples\[1\].*at most 200.*received 201"):
        Study.load(path).run()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("{architecture: lenet}", "lenet needs images of at least 12x12 pixels, received 8x8"),
        ("{architecture: vgg16}", "vgg16 needs images of at least 32x32 pixels, received 8 on the shorter side"),
    ],
)
def test_networks_that_cannot_be_built_are_refused_before_anything_is_written(path, network, expected):
    path.write_text(TEXT.replace("{width: [3, 6], epochs: [0, 1]}", f"{{epochs: [0, 1]}}\nnetwork: {network}"))
    with pytest.raises(ModelError, match=expected):
        Study.load(path).run()
    assert list(path.parent.iterdir()) == [path]


ROWS = np.ones((12, 5), np.float32)
LABELS = np.arange(12) % 3
HOLES = np.where(np.isin(np.arange(12), [3, 5])[:, None], np.float32(np.nan), ROWS)


@pytest.mark.parametrize(
    ("train", "test", "error", "expected"),
    [
        (
            (ROWS, LABELS),
            (ROWS[:, :4], LABELS),
            DataError,
            r"of one shape: arrays has examples of \(5,\), arrays of \(4,\)",
        ),
        ((ROWS.astype(int), LABELS), (ROWS.astype(int), LABELS), ModelError, "MLP rejects examples of shape"),
        ((ROWS[:, 0], LABELS), (ROWS[:, 0], LABELS), ModelError, "MLP rejects examples of shape"),
        ((ROWS, LABELS * 10**9), (ROWS, LABELS), DataError, "the highest label is 2000000000; .*: number the classes"),
        ((ROWS, LABELS), (ROWS[:0], LABELS[:0]), DataError, "there are no examples"),
        (ROWS, ROWS, StudyError, "'knn' needs labels, but the data have none"),
        (
            (HOLES, LABELS),
            (ROWS, LABELS),
            DataError,
            "arrays: 2 of 12 train examples hold .* the first in row 3: leave",
        ),
        ((ROWS, LABELS), (HOLES, LABELS), DataError, "arrays: 2 of 12 test examples hold .* the first in row 3: leave"),
        (
            (ROWS, LABELS),
            (ROWS, LABELS + 1),
            DataError,
            "arrays: labels go up to 3, but networks have outputs for the labels of arrays, 0 to 2: ",
        ),
    ],
)
def test_data_that_networks_do_not_take_are_refused_before_anything_is_written(path, train, test, error, expected):
    with pytest.raises(error, match=expected) as caught:
        Study.load(path, train=train, test=test).run()
    assert "\n" not in str(caught.value)
    assert list(path.parent.iterdir()) == [path]


def test_classes_of_test_alone_are_told_where_their_accuracy_is_not_asked_for(path, caplog):
    digits = hl.load_data("digits[:200]").load()
    few = digits.select(np.flatnonzero(digits.labels < 8))
    path.write_text(TEXT.replace("knn, network_accuracy", "knn"))
    few, test = ((part.tensor(), part.labels) for part in (few, hl.load_data("digits[200:300]").load()))
    study = Study.load(path, train=few, test=test).run()
    assert "test examples are of classes that train has no example of (8, 9): a model" in caplog.text
    assert study.status().finished
    assert len(study.results.where(measure="knn")) == 4 * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: Study("study.yaml", path), "a study is made of a StudySpec, received 'study.yaml': Study.load"),
        (lambda path: Study(None, path), "a study is made of a StudySpec, received None: Study.load reads a file"),
        (lambda path: Study.load(None), "the YAML file of a study is a path, received None"),
        (lambda path: Study.load(path, store=3).run(), "a store is the path of an SQLite file, .* received 3"),
        (lambda path: Study(StudySpec.load(path), None).run(), "a store is the path of an SQLite .* received None"),
        (lambda path: Study.load(path).run(lease="120"), "a lease is more than 0 and .* seconds, received '120'"),
        (lambda path: Study.load(path).run(lease=None), "a lease is more than 0 and .* seconds, received None"),
        (
            lambda path: StudySpec({"axes": {"width": [3]}}),
            "fields by name, such as StudySpec.axes=.*, received {'axes': ",
        ),
    ],
)
def test_arguments_of_another_kind_are_one_line(path, monkeypatch, make, message):
    monkeypatch.chdir(path.parent)
    with pytest.raises(StudyError, match=message) as caught:
        make(path)
    assert "\n" not in str(caught.value)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.faults
def test_data_that_are_gone_when_a_study_is_resumed(tmp_path):
    digits = hl.load_data("digits[:200]").load()
    np.savez(tmp_path / "digits.npz", inputs=digits.inputs.numpy(), labels=digits.labels)
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.replace("digits[:200]", f"npz:{tmp_path}/digits.npz"))
    study = Study.load(path).run()
    expected = columns(study.results)
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection, connection:
        connection.execute("DELETE FROM hashlens_row WHERE run = 0")
        connection.execute("UPDATE hashlens_run SET state = 'pending', facts = NULL WHERE id = 0")
    (tmp_path / "digits.npz").rename(tmp_path / "elsewhere.npz")
    with pytest.raises(DataError, match=r"digits\.npz") as caught:
        study.run()
    assert "\n" not in str(caught.value)
    assert study.status().done == 3
    (tmp_path / "elsewhere.npz").rename(tmp_path / "digits.npz")
    assert columns(study.run().results) == expected


def test_failed_networks_are_trained_again_when_told(path):
    path.write_text(TEXT.replace("{epochs: 1}", "{epochs: 1, optimizer: sgd, learning_rate: 1.0e+30}"))
    study = Study.load(path).run()
    failed = {(failure.cell, failure.repeat) for failure in study.status().failures}
    assert failed

    def workers():
        return {run.worker for run in study.store.runs() if (run.cell, run.repeat) in failed}

    first = workers()
    study.run()
    assert workers() == first
    study.run(retry_failed=True)
    assert not workers() & first


def test_the_summary_means_over_repeats(path):
    results = Study.load(path).run().results
    found = summarize(results)
    assert found.factors == ("width", "epochs")
    assert found.measures == (
        ("redundancy_ratio", "train"), ("redundancy_ratio", "test"), ("knn", "test"), ("network_accuracy", "test")
    )  # fmt: skip
    assert [row.levels for row in found.rows] == [(3, 0), (3, 1), (6, 0), (6, 1)]
    for row in found.rows:
        assert row.repeats == 2
        own = results.where(width=row.levels[0], epochs=row.levels[1])
        for (measure, split), mean in zip(found.measures, row.means, strict=True):
            numbers = own.where(measure=measure, split=split).columns["value"]
            assert len(numbers) == 2
            assert mean == pytest.approx(numbers.mean())
    assert "Means over 2 repeats" in str(found)


def test_a_summary_leaves_out_what_is_no_number(made):
    def measure(repeat, width, **_):
        return {("knn", "test"): float("nan") if repeat or width == 20 else 0.5, ("loss", "train"): 1.0}

    found = summarize(made({"width": [10, 20], "epochs": [1]}, measure))
    assert found.measures == (("knn", "test"), ("loss", "train"))
    assert [row.means for row in found.rows] == [(0.5, 1.0), (None, 1.0)]


def test_a_long_summary_is_cut_to_the_last_checkpoint(made):
    def measure(repeat, width, epochs, **_):
        return {("redundancy_ratio", "train"): epochs / 100}

    text = str(summarize(made({"width": list(range(10, 20)), "epochs": [0, 1, 2, 10, 100]}, measure)))
    assert "10 of 50 rows, at the last checkpoint" in " ".join(text.split())
    assert "1.000" in text
    assert "0.020" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": np.ones(3)}, "columns of results are arrays of one length: .* for 'cell'"),
        ({"width": [3]}, "received a list of .* for 'width'"),
        ({"split": np.ones((3, 2))}, r"received a ndarray of \(3, 2\) for 'split'"),
    ],
)
def test_results_are_columns_of_one_length(made, change, message):
    results = made({"width": [1, 2]}, lambda repeat, **_: {("knn", "test"): 0.5})
    with pytest.raises(StudyError, match=message):
        Results({**results.columns, **change})


def test_a_range_of_levels_is_any_of_them(made):
    results = made({"width": [1, 2, 30]}, lambda repeat, **_: {("knn", "test"): 0.5})
    assert results.where(width=range(1, 10)).levels("width") == [1, 2]


@pytest.mark.slow
def test_networks_that_are_kept_are_measured_further(path):
    path.write_text(TEXT.replace("[redundancy_ratio, knn, network_accuracy]", "[redundancy_ratio, loss]\nkeep: true"))
    first = Study.load(path).run()
    before = columns(first.results)
    trained = {(run.cell, run.repeat): run.metadata["parameters"] for run in first.store.runs()}
    more = TEXT.replace("[redundancy_ratio, knn", "[redundancy_ratio, loss, knn").replace("repeats: 2", "repeats: 3")
    path.write_text(more.replace("epochs: [0, 1]}", "epochs: [0, 1], random_inputs: [uniform]}") + "keep: true\n")
    told = []
    grown = Study.load(path).run(on_start=lambda begun: told.append(str(begun)))
    assert told == ["4 of 6 runs are done and get further measures; 2 are new"]
    assert trained.items() <= {(run.cell, run.repeat): run.metadata["parameters"] for run in grown.store.runs()}.items()
    assert columns(grown.results) == columns(Study.load(path, path.with_name("at-once.db")).run().results)
    old = grown.results.where(measure=["redundancy_ratio", "loss"], repeat=[0, 1], split=["train", "test"])
    assert columns(old) == before


def test_networks_that_are_not_kept_are_not_measured_further(path):
    Study.load(path).run()
    path.write_text(TEXT.replace("[redundancy_ratio,", "[redundancy_ratio, loss,"))
    with pytest.raises(StudyError, match=r"holds 4 runs without the saved files that more measures need: measures: "):
        Study.load(path).run()
    assert Study.load(path).status().done == 4
