"""A store as version 1 of the schema wrote it: half of a study, some of which failed."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hashlens.study.networks.variables import VARIABLES
from hashlens.study.store import Store
from hashlens.study.study import Study

WRITTEN = Path(__file__).parent / "version-1"
KEYS = VARIABLES.columns[:-1]


@pytest.fixture
def study(tmp_path):
    for name in ("study.yaml", "study.db"):
        shutil.copy(WRITTEN / name, tmp_path)
    return Study.load(tmp_path / "study.yaml")


def said(name):
    return json.loads((WRITTEN / name).read_text())


def keys(columns):
    return list(zip(*(np.asarray(columns[name]).tolist() for name in KEYS), strict=True))


def test_it_says_what_it_said_and_stays_as_it_is(study):
    before = said("results.json")
    path = Path(study.store.name)
    whole = path.read_bytes()
    found = Store.open(path, create=False).results()
    assert keys(found.columns) == keys(before)
    assert np.array_equal(found.columns["value"], np.array(before["value"], float), equal_nan=True)
    assert found.study == before["study"]
    assert study.status().done == 8
    assert len(study.status().failures) == 4
    assert path.read_bytes() == whole


def test_it_goes_on_where_it_was_and_keeps_its_schema(study):
    study.run(retry_failed=True)
    found, whole = study.results.columns, said("whole.json")
    assert study.status().finished
    assert keys(found) == keys(whole)
    # Not to the last bit, since this may be another machine.
    values = np.array(whole["value"], float)
    assert np.array_equal(np.isnan(found["value"]), np.isnan(values))
    assert np.nanmedian(np.abs(found["value"] - values)) < 1e-3
    assert _version(study) == 1


@pytest.mark.slow
def test_it_grows(study):
    yaml = Path(study.store.name).with_suffix(".yaml")
    yaml.write_text(yaml.read_text().replace("repeats: 2", "repeats: 3").replace("[3, 5]", "[3, 5, 6]"))
    told = []
    grown = Study.load(yaml).run(on_start=lambda begun: told.append(str(begun)), retry_failed=True)
    assert told == ["16 of 36 runs are there, 8 of them done; 20 are new"]
    assert grown.results.levels("width") == [3, 5, 6]
    assert set(keys(said("whole.json"))) < set(keys(grown.results.columns))
    assert _version(grown) == 1


def _version(study):
    with closing(sqlite3.connect(study.store.name)) as connection:
        return connection.execute("SELECT schema_version FROM hashlens_study").fetchone()[0]
