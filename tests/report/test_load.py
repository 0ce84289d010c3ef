import json
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from hashlens.errors import ReportError
from hashlens.measures.regime import RegimeThresholds
from hashlens.nets.folder import NetworkInfo
from hashlens.rebuild import rebuilt
from hashlens.result import Result, Split, plain
from hashlens.saved.results import load_result


@dataclass(frozen=True)
class Inner(Result):
    name: str
    value: float


@dataclass(frozen=True, eq=False)
class Outer(Result):
    parts: tuple[Inner, ...]
    pair: tuple[int, str]
    split: Split[float | None]
    splits: Split[tuple[Inner, ...]]
    by_name: dict[str, Inner]
    kind: Literal["a", "b"]
    matrix: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]
    ids: npt.NDArray[Any]
    maybe: Inner | None
    either: Split[float] | Split[float | None] | None
    path: Path
    left_out: tuple[int, ...] = (1,)


def outer():
    inner = Inner("x", float("nan"))
    return Outer(
        (inner, Inner("y", 2.0)), (1, "b"), Split(None, 0.5), Split((inner,), ()), {"k": inner}, "b",
        np.array([[1, 2], [3, 4]]), np.array([np.nan, 1.5]), np.array(["a", "b"]), None, Split(1.0, 2.0), Path("a/b"),
    )  # fmt: skip


def test_everything_that_results_hold_comes_back():
    found = rebuilt(Outer, json.loads(json.dumps(outer().to_dict())))
    assert plain(found) == plain(outer())
    assert isnan(found.parts[0].value)
    assert found.parts[1] == Inner("y", 2.0)
    assert found.split == Split(None, 0.5)
    assert found.pair == (1, "b")
    assert (found.matrix.dtype, found.floats.dtype, found.ids.dtype.kind) == (np.int64, np.float64, "U")
    assert np.isnan(found.floats[0])
    assert isinstance(found.path, Path)


def test_what_a_dict_leaves_out_is_empty():
    body = outer().to_dict()
    for name in ("parts", "by_name", "matrix", "maybe", "left_out"):
        del body[name]
    found = rebuilt(Outer, body)
    assert (found.parts, found.by_name, found.maybe, found.left_out) == ((), {}, None, (1,))
    assert found.matrix.shape == (0,)
    assert found.matrix.dtype == np.int64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, "kind must be one of 'a', 'b', received 'c'"),
        ({"pair": [1]}, "pair must have 2 items, it has 1"),
        ({"pair": [True, "b"]}, r"pair\[0\] must be a value of type int, received True"),
        ({"split": [1, 2]}, "split must be an object, received"),
        ({"matrix": [[1], [2, 3]]}, "matrix is no array of int64"),
        ({"parts": [{"name": "x", "value": "much"}]}, r"parts\[0\].value must be a number, received 'much'"),
        ({"by_name": {"k": {"name": 3, "value": 1}}}, r"by_name.k.name must be a value of type str, received 3"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ReportError, match=f"^{message}"):
        rebuilt(Outer, {**outer().to_dict(), **change})


def test_a_missing_number_is_named():
    with pytest.raises(ReportError, match=r"^parts\[0\].value is missing$"):
        rebuilt(Outer, {**outer().to_dict(), "parts": [{"name": "x"}]})


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
