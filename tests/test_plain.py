import json
from dataclasses import dataclass, field
from math import inf, isnan, nan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hashlens.errors import ReportError
from hashlens.plain import from_plain, to_plain, written_as
from hashlens.result import Result, Split


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


@dataclass(frozen=True)
class Numbers(Result):
    number: float
    perhaps: float | None
    several: tuple[float | None, ...]
    split: Split[float | None]
    either: str | float
    anything: dict[str, Any]


@dataclass(frozen=True)
class Many(Result):
    values: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Renamed(Result):
    values: npt.NDArray[np.int64] = field(metadata=written_as("numbers"))


@dataclass(frozen=True)
class RenamedRecord:
    name: str = field(default="", metadata=written_as("label"))


@dataclass(frozen=True)
class Few(Result):
    values: tuple[float, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Either(Result):
    parts: tuple[Many | Few, ...]


@dataclass(frozen=True, eq=False)
class Arrays(Result):
    any: npt.NDArray[Any]
    small: npt.NDArray[np.int32]
    perhaps: npt.NDArray[np.float64] | None = None


def outer():
    inner = Inner("x", float("nan"))
    return Outer(
        (inner, Inner("y", 2.0)), (1, "b"), Split(None, 0.5), Split((inner,), ()), {"k": inner}, "b",
        np.array([[1, 2], [3, 4]]), np.array([np.nan, 1.5]), np.array(["a", "b"]), None, Split(1.0, 2.0), Path("a/b"),
    )  # fmt: skip


def test_everything_that_results_hold_comes_back():
    found = from_plain(Outer, json.loads(json.dumps(outer().to_dict())))
    assert to_plain(found) == to_plain(outer())
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
    found = from_plain(Outer, body)
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
        ({"matrix": [[1], [2, 3]]}, "matrix is not an array of int64"),
        ({"parts": [{"name": "x", "value": "much"}]}, r"parts\[0\].value must be a number, received 'much'"),
        ({"by_name": {"k": {"name": 3, "value": 1}}}, r"by_name.k.name must be a value of type str, received 3"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ReportError, match=f"^{message}"):
        from_plain(Outer, {**outer().to_dict(), **change})


def test_a_missing_number_is_named():
    with pytest.raises(ReportError, match=r"^parts\[0\].value is missing$"):
        from_plain(Outer, {**outer().to_dict(), "parts": [{"name": "x"}]})


def back(value):
    """Return what comes of a result by way of strict JSON."""
    return from_plain(type(value), json.loads(json.dumps(value.to_dict(), allow_nan=False)))


NUMBERS = Numbers(nan, nan, (nan, None, inf, 1.0), Split(None, nan), -inf, {"a": nan, "b": [inf, None, "x"], "c": -inf})


def test_infinities_and_nan_come_back_and_nan_is_not_none():
    found = back(NUMBERS)
    assert repr(found) == repr(NUMBERS)
    assert isinstance(found.either, float)


def test_of_several_results_the_one_that_was_written_comes_back():
    assert back(Either((Few((1.0,), "a"), Many()))) == Either((Few((1.0,), "a"), Many()))


def test_nan_is_null_where_none_is_not_allowed_and_infinity_a_word():
    body = NUMBERS.to_dict()
    assert (body["number"], body["perhaps"], body["either"]) == (None, "NaN", "-Infinity")
    assert body["several"] == ["NaN", None, "Infinity", 1.0]
    assert to_plain([nan, np.float32(inf)]) == [None, "Infinity"]


def test_infinities_that_earlier_versions_wrote_as_null_are_not_a_number():
    body = {**NUMBERS.to_dict(), "number": None, "either": None}
    assert isnan(from_plain(Numbers, body).number)
    assert isnan(from_plain(Numbers, body).either)


NUMERIC = st.one_of(
    arrays.integer_dtypes(endianness="="), arrays.unsigned_integer_dtypes(endianness="="), st.just(np.dtype(bool)),
    arrays.floating_dtypes(endianness="=", sizes=(16, 32, 64)), st.just(np.dtype("<U3")),
)  # fmt: skip


@given(st.data())
def test_any_array_comes_back_with_its_dtype_and_shape(data):
    dtype, shape = data.draw(NUMERIC), data.draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    array = data.draw(arrays.arrays(dtype, shape, elements=st.text("abc", max_size=3) if dtype.kind == "U" else None))
    found = back(Arrays(array, np.zeros(0, np.int32)))
    assert found.any.shape == array.shape
    assert found.any.dtype.kind == dtype.kind
    assert found.any.dtype == dtype or dtype.kind == "U"
    np.testing.assert_array_equal(found.any, array)


def test_arrays_that_their_list_tells_are_lists():
    body = Arrays(np.array([[1.0, 2.0]]), np.array([1, 2], np.int32), np.array([inf, nan, 1.0])).to_dict()
    assert (body["any"], body["small"], body["perhaps"]) == ([[1.0, 2.0]], [1, 2], ["Infinity", None, 1.0])
    assert Arrays(np.array([1, 2], np.uint8), np.zeros((0, 2), np.int32)).to_dict()["any"] == {
        "dtype": "uint8", "shape": [2], "values": [1, 2],
    }  # fmt: skip


def test_null_among_numbers_of_an_earlier_version_is_not_a_number():
    found = from_plain(Arrays, {"any": [[1, None]], "small": []}).any
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[1, nan]])


@pytest.mark.parametrize(
    "tag",
    [{"dtype": "uint99", "shape": [1], "values": [1]}, {"dtype": "uint8", "shape": [2], "values": [1]},
     {"dtype": "uint8", "shape": [2], "values": 1}, {"dtype": "object", "shape": [1], "values": [{}]}],
)  # fmt: skip
def test_arrays_that_contradict_themselves_are_refused(tag):
    with pytest.raises(ReportError, match=r"^any ") as caught:
        from_plain(Arrays, {"any": tag, "small": []})
    assert "\n" not in str(caught.value)


def test_a_renamed_field_keeps_its_key_in_files():
    body = Renamed(np.array([1, 2])).to_dict()
    assert body["numbers"] == [1, 2]
    assert "values" not in body
    assert from_plain(Renamed, body).values.tolist() == [1, 2]
    assert from_plain(Renamed, {}).values.tolist() == []
    records = (RenamedRecord("a"),)
    assert to_plain(records) == [{"label": "a"}]
    assert from_plain(tuple[RenamedRecord, ...], to_plain(records)) == records
