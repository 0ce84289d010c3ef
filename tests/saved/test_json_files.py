"""Results as JSON files, with large arrays in a file of their own beside it."""

import json
from dataclasses import fields
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from hashlens.audit.audit import Audit
from hashlens.audit.novel_items import NovelItems
from hashlens.errors import OutputError, ReportError
from hashlens.saved import load_result, report_page, save_result
from hashlens.saved.json_files import LARGE
from hashlens.study.charts.curves import Curve

WRITTEN = Path(__file__).parent / "written/0.1"


def ranking(count):
    scores = np.linspace(0, 1, count)
    scores[:3] = inf, nan, -inf
    ids = np.array([f"image {row}.png" for row in range(count)])
    return NovelItems(ids, np.arange(count)[::-1], scores, scores / 2, inf, 0.05, "training codes")


def test_rankings_lie_as_arrays_beside_the_json(tmp_path):
    found = ranking(100_000)
    path = save_result(found, tmp_path / "novel.json")
    assert path.stat().st_size < 2000
    assert {file.name for file in tmp_path.iterdir()} == {"novel.json", "novel.arrays.npz"}
    back = load_result(path)
    for field in fields(found):
        expected, value = getattr(found, field.name), getattr(back, field.name)
        np.testing.assert_array_equal(value, expected)
        assert getattr(value, "dtype", None) == getattr(expected, "dtype", None)


def test_small_results_are_one_file(tmp_path):
    save_result(ranking(LARGE), tmp_path / "novel.json")
    assert [file.name for file in tmp_path.iterdir()] == ["novel.json"]


def test_lists_that_no_array_gives_back_stay(tmp_path):
    mixed = Curve("width", tuple([1, 2.5, "a", None] * LARGE), (), None, {}, 0.95, "made")
    save_result(mixed, tmp_path / "curve.json")
    assert [file.name for file in tmp_path.iterdir()] == ["curve.json"]
    assert load_result(tmp_path / "curve.json") == mixed


def test_nothing_is_written_over_unless_asked(tmp_path):
    (tmp_path / "novel.arrays.npz").write_bytes(b"mine")
    with pytest.raises(OutputError):
        save_result(ranking(LARGE + 1), tmp_path / "novel.json", overwrite=False)
    assert (tmp_path / "novel.arrays.npz").read_bytes() == b"mine"
    assert not (tmp_path / "novel.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "novel.arrays.npz").unlink(), "which cannot be read: No such file"),
        (lambda folder: (folder / "novel.arrays.npz").write_bytes(b"x"), "does not hold the arrays of"),
        (lambda folder: _say(folder, "file", "../novel.arrays.npz"), "refers to a file that is not beside it"),
    ],
)
def test_arrays_that_are_not_its_own_are_refused(tmp_path, change, message):
    save_result(ranking(LARGE + 1), tmp_path / "novel.json")
    change(tmp_path)
    with pytest.raises(ReportError, match=message) as caught:
        load_result(tmp_path / "novel.json")
    assert "\n" not in str(caught.value)


def _say(folder, key, value):
    body = json.loads((folder / "novel.json").read_text())
    body["arrays"][key] = value
    (folder / "novel.json").write_text(json.dumps(body))


def test_an_audit_comes_back_whole_from_json_and_from_its_folder(tmp_path):
    found = Audit.load(WRITTEN / "audit")
    back = load_result(save_result(found, tmp_path / "audit.json"))
    again = Audit.load(found.to_csv(tmp_path / "tables"))
    for other in (back, again):
        assert other.to_dict() == found.to_dict()
        assert str(other) == str(found)
        for name, part in found.parts.items():
            for field in fields(part):
                value = getattr(part, field.name)
                if isinstance(value, np.ndarray):
                    assert getattr(other.parts[name], field.name).dtype == value.dtype, (name, field.name)
    assert report_page(tmp_path / "audit.json", images=False) == found.page()
