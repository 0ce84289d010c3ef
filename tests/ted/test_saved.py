"""A model of a table on disk, and the commands that make and use it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from hashlens.cli.app import run
from hashlens.errors import TEDError
from hashlens.saved import load_result
from hashlens.ted import TEDPredictions, TEDScore, retention
from hashlens.ted.predictions import predictions_of
from hashlens.ted.saved import Plan, fit_table, held_out_score, load_model_of_table
from hashlens.ted.tables import Encoder, read_table
from hashlens.ted.top import TopExplanations
from hashlens.testing.result_contract import check_result

PLAN = Plan("decision", "why", "decision-tree")


def rows(n=400, seed=0, missing=0.4):
    table = retention(n, seed, missing=missing, explanations=7)
    columns = dict(zip(table.columns, table.rows.T.astype(np.int64), strict=True))
    columns["position"] = pa.array([f"level {at}" for at in columns["position"]])
    columns["tenure"] = pa.array([None if at % 17 == 0 else int(at) for at in columns["tenure"]])
    why = [None if at is None else f"reason {at}" for at in table.E]
    return pa.table({**columns, "decision": np.where(table.labels == 1, "leaves", "stays"), "why": why})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ted")
    pa.csv.write_csv(rows(), place / "staff.csv")
    pa.parquet.write_table(rows(), place / "staff.parquet")
    fit_table(rows(), PLAN).save(place / "model")
    return place


def test_numbers_and_categories_are_encoded_with_what_is_missing():
    table = pa.table({"a": [1, None, 3], "b": ["x", None, "y"], "c": [True, False, None], "why": ["r", "s", None]})
    encoder = Encoder.of(table, {"why"})
    np.testing.assert_array_equal(
        encoder(table), [[1, 0, 1, 0, 1, 0], [2, 1, 0, 0, 0, 0], [3, 0, 0.5, 1, 0, 1]]
    )  # fmt: skip
    new = pa.table({"a": [None], "b": ["unseen"], "c": [True], "why": ["r"]})
    np.testing.assert_array_equal(encoder(new), [[2, 1, 1, 0, 0, 0]])


@pytest.mark.parametrize("name", ["staff.csv", "staff.parquet"])
def test_csv_and_parquet_are_read_alike(folder, name):
    table = read_table(folder / name)
    assert table.column_names == rows().column_names
    assert (Encoder.of(table, {"why"})(table) == Encoder.of(rows(), {"why"})(rows())).all()
    assert table["why"].to_pylist() == rows()["why"].to_pylist()


def test_a_model_that_is_opened_is_the_one_that_was_saved(folder):
    opened = load_model_of_table(folder / "model")
    made = fit_table(rows(), PLAN)
    other = rows(100, seed=1)
    assert opened.plan == PLAN
    assert (
        opened.model.predict_joint_proba(opened.encoder(other)) == made.model.predict_joint_proba(made.encoder(other))
    ).all()
    held = {file.name for file in (folder / "model").iterdir()}
    assert held == {"manifest.json", "rows.parquet"}


def test_a_model_that_changed_on_disk_is_refused(folder, tmp_path):
    place = fit_table(rows(60), PLAN).save(tmp_path / "model")
    body = (place / "rows.parquet").read_bytes()
    (place / "rows.parquet").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(TEDError, match="wrong checksum"):
        load_model_of_table(place)
    with pytest.raises(TEDError, match="make one with `hashlens ted fit`"):
        load_model_of_table(tmp_path / "none")


def test_predictions_say_what_is_sure_and_which_reasons_compete(tmp_path):
    top = TopExplanations(
        np.array(["no", "no", "yes", "yes"]),
        np.array([["a", "b"], ["b", "a"], ["c", None], ["d", "c"]], object),
        np.array([[0.9, 0.1], [0.6, 0.4], [1.0, 0.0], [0.5, 0.5]]),
        np.array([0.95, 1.0, 0.9, 1.0]),
    )
    found = predictions_of(top)
    assert (found.rows, found.sure) == (4, 0.5)
    assert [(at.label, at.rows, at.sure) for at in found.labels] == [("no", 2, 0.5), ("yes", 2, 0.5)]
    assert {(at.label, at.first, at.second, at.rows) for at in found.rivals} == {
        ("no", "b", "a", 1),
        ("yes", "d", "c", 1),
    }
    assert [at.row for at in found.rows_to_check] == [3, 1]
    check_result(found, tmp_path)
    assert "to_look_at" in found.to_dict()  # the key of earlier files


def test_the_commands_fit_score_and_predict(folder, tmp_path, capsys):
    words = ["--label", "decision", "--explanation", "why", "--estimator", "decision-tree"]
    out, page, told = tmp_path / "model", tmp_path / "score.html", tmp_path / "score.json"
    fit = ["ted", "fit", str(folder / "staff.csv"), *words, "--out", str(out), "--html", str(page), "--json", str(told)]
    assert run(fit) == 0
    assert "both (YE)" in capsys.readouterr().out
    assert isinstance(load_result(told), TEDScore)
    assert "Rows to check" in page.read_text()
    for ending in ("csv", "parquet"):
        answers = tmp_path / f"answers.{ending}"
        predict = ["ted", "predict", str(out), str(folder / "staff.parquet"), "--out", str(answers)]
        assert (
            run([*predict, "--html", str(tmp_path / f"{ending}.html"), "--json", str(tmp_path / f"{ending}.json")]) == 0
        )
        found = read_table(answers)
        model = load_model_of_table(out)
        labels, reasons = model.model.predict_explain(model.encoder(rows()))
        assert found["predicted_label"].to_pylist() == labels.tolist()
        assert found["predicted_explanation"].to_pylist() == reasons.tolist()
        assert found.column_names[-5:] == ["predicted_label", "label_probability", "predicted_explanation",
                                           "explanation_probability", "pair_probability"]  # fmt: skip
        assert isinstance(load_result(tmp_path / f"{ending}.json"), TEDPredictions)
    assert run(predict) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"label": "decison"}, "there is no column 'decison' for the label; did you mean 'decision'"),
        ({"explanation": "decision"}, "label and explanation are both column 'decision'"),
        ({"estimator": "forest"}, "unknown estimator 'forest'; did you mean 'random-forest'"),
        ({"missing": "imputed"}, "unknown missing 'imputed'; did you mean 'impute'"),
        ({"leave_out": ("wages",)}, "there is no column 'wages'"),
    ],
)
def test_plans_that_do_not_fit(changes, says):
    with pytest.raises(TEDError, match=says):
        fit_table(rows(50), Plan(**{"label": "decision", "explanation": "why", **changes}))


def test_tables_that_do_not_fit(folder, tmp_path):
    model = load_model_of_table(folder / "model")
    with pytest.raises(TEDError, match="there is no column 'salary', which the model needs"):
        model.predict(rows(10).drop_columns(["salary"]))
    words = rows(10).set_column(1, "organization", pa.array(["first"] * 10))
    with pytest.raises(TEDError, match="column 'organization' held numbers in the fit"):
        model.predict(words)
    with pytest.raises(TEDError, match="already has a column 'predicted_label'"):
        model.predict(rows(10).append_column("predicted_label", pa.array(["x"] * 10)))
    with pytest.raises(TEDError, match="has no label in 1 rows"):
        fit_table(pa.table({"a": [1, 2], "decision": ["x", None], "why": ["r", "s"]}), PLAN)
    with pytest.raises(TEDError, match="only the columns of label and explanation"):
        fit_table(pa.table({"decision": ["x", "y"], "why": ["r", "s"]}), PLAN)
    with pytest.raises(TEDError, match="test must be a share"):
        held_out_score(rows(10), PLAN, 1.0)
    (tmp_path / "x.txt").write_text("a\n1\n")
    (tmp_path / "empty.csv").write_text("a,b\n")
    for name, says in (
        ("x.txt", "read from .csv or .parquet"),
        ("empty.csv", "has no rows"),
        ("no.csv", "cannot be read"),
    ):
        with pytest.raises(TEDError, match=says):
            read_table(tmp_path / name)


def test_a_marker_of_a_file_is_text_or_a_number_as_the_column_is():
    numbers = pa.table({"a": [0, 1, 0, 1], "decision": ["x", "y", "x", "y"], "why": [1, 2, -1, -1]})
    with pytest.raises(TEDError, match="-1 in 2 rows"):
        fit_table(numbers, PLAN)
    model = fit_table(numbers, Plan("decision", "why", "decision-tree", marker="-1")).model
    assert model.explanations_.tolist() == [1, 2]


def test_json_of_a_score_is_plain(folder):
    told = held_out_score(rows(), PLAN, 0.25).to_dict()
    assert json.loads(json.dumps(told, allow_nan=False))["label"]["rows"] == 100
