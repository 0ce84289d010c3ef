import json

import pytest

from hashlens.errors import ReportError
from hashlens.measures.regime import RegimeThresholds
from hashlens.nets.folder import NetworkInfo
from hashlens.saved.results import load_result


def test_a_result_is_read_from_its_file(tmp_path):
    file = tmp_path / "a.json"
    info = NetworkInfo("mlp", (1, 8, 8), 10, metrics={"test_accuracy": 0.5}, class_names=("a", "b"))
    file.write_text(json.dumps(info.to_dict()))
    assert load_result(file) == info


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a.json cannot be read as JSON: Expecting property name"),
        ("\xff", "a.json cannot be read as JSON: "),
        ("[1]", "a.json holds no result but"),
        ("{}", "a.json does not say what kind of result it holds: write it again with --json$"),
        ('{"kind": "RegimeThreshold"}', "the unknown kind 'RegimeThreshold': did you mean 'RegimeThresholds'"),
        ('{"kind": "RegimeThresholds", "schema_version": 2}', "of schema version 2, this hashlens reads up to 1; "),
        ('{"kind": "RegimeThresholds"}', "of schema version None, this hashlens reads up to 1"),
        ('{"kind": "RegimeThresholds", "schema_version": 1, "under_redundancy": "x"}',
         "RegimeThresholds that cannot be read back: under_redundancy must be a number"),
    ],
)  # fmt: skip
def test_files_that_hold_no_result_are_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ReportError, match=message) as caught:
        load_result(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_defaults_fill_what_an_older_file_lacks(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"kind": "RegimeThresholds", "schema_version": 1}')
    assert load_result(file) == RegimeThresholds()


def test_no_file_is_told(tmp_path):
    with pytest.raises(ReportError, match=r"a.json cannot be read as JSON: No such file"):
        load_result(tmp_path / "a.json")
