import csv
import io
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import hashlens as hl
from hashlens.errors import MeasureError
from hashlens.integrations.tracking import log_rows, numbers_of
from hashlens.result import Result, Split


@dataclass(frozen=True, eq=False)
class RankedThings(Result):
    share: float
    parts: Split[float | None]
    sure: bool
    ids: np.ndarray
    score: np.ndarray

    @property
    def columns(self):
        return {"id": self.ids, "score": self.score}


@pytest.fixture
def things():
    return RankedThings(0.25, Split(1.5, None), True, np.array(["b", "a, c", "d"]), np.array([3.0, 2.0, 1.0]))


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        found = pytest.importorskip("mlflow", reason="needs mlflow")
        found.set_tracking_uri(tmp_path.as_uri())
        yield found
        found.set_tracking_uri(None)


def test_numbers_are_named_by_where_they_stand(things):
    assert dict(numbers_of(things.to_dict())) == {"share": 0.25, "parts.train": 1.5}


def test_an_active_mlflow_run_has_the_numbers_and_the_first_rows(mlflow, things):
    assert log_rows(things) == []
    experiment = mlflow.create_experiment("codes")
    with mlflow.start_run(experiment_id=experiment) as run:
        assert log_rows(things, step=3, limit=2) == ["mlflow"]
        assert log_rows(hl.determinism(hl.Codes.from_bits([[0], [0], [1]]))) == ["mlflow"]
    client = mlflow.MlflowClient()
    logged = client.get_run(run.info.run_id).data.metrics
    assert logged["ranked_things.share"] == 0.25
    assert logged["ranked_things.parts.train"] == 1.5
    assert logged["determinism.redundancy_ratio"] == pytest.approx(1 / 3)
    assert client.get_metric_history(run.info.run_id, "ranked_things.share")[0].step == 3
    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/ranked_things.csv")
    assert list(csv.reader(io.StringIO(text))) == [["id", "score"], ["b", "3.0"], ["a, c", "2.0"]]
    assert log_rows(things) == []


@pytest.mark.slow
def test_an_active_wandb_run_has_the_numbers_and_a_table(tmp_path, things, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="needs wandb")
    kept = []
    assert log_rows(things) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with wandb.init(mode="disabled", dir=tmp_path, reinit="finish_previous") as run:
            monkeypatch.setattr(wandb, "log", lambda entries, step=None: kept.append((entries, step)))
            assert wandb.run is run
            assert log_rows(things, "mine", step=4) == ["wandb"]
    [(entries, step)] = kept
    assert step == 4
    assert {key: value for key, value in entries.items() if key != "mine/rows"} == {
        "mine/share": 0.25, "mine/parts.train": 1.5
    }  # fmt: skip
    assert entries["mine/rows"].columns == ["id", "score"]
    assert entries["mine/rows"].data == [["b", 3.0], ["a, c", 2.0], ["d", 1.0]]


def test_neither_package_is_imported(fresh):
    code = """
import sys
import hashlens as hl
from hashlens.integrations.tracking import log_rows
print(log_rows(hl.determinism(hl.Codes.from_bits([[0], [1]]))), {"mlflow", "wandb"} & set(sys.modules))
"""
    said = fresh(code).stdout
    assert said.strip() == "[] set()"


def test_only_results_are_taken():
    with pytest.raises(MeasureError, match=r"log_rows takes a result of hashlens.*received 5"):
        log_rows(5)
