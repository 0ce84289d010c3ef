import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.data import load_data, split, subset, tile
from hashlens.errors import DataError


def examples(n=10):
    return load_data((np.arange(n, dtype=np.float32)[:, None], np.arange(n) % 3))


def test_a_subset_is_the_first_rows_or_the_rows_listed():
    assert subset(examples(), 3).ids.tolist() == [0, 1, 2]
    listed = subset(examples(), [7, 2, 7])
    assert listed.inputs[:, 0].tolist() == [7, 2, 7]
    assert listed.labels.tolist() == [1, 2, 1]
    assert listed.ids.tolist() == [7, 2, 7]


def test_the_first_rows_of_a_stream_are_all_that_is_read(tmp_path, images, write_parquet, encode_png):
    content = [encode_png(image) for image in images[:5]] + [b"broken"]
    stream = load_data(f"parquet:{write_parquet(tmp_path / 'a.parquet', content)}")
    assert len(subset(stream, 5)) == 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (11, "requested 11 examples, but there are 10; request 1 to 10"),
        (0, "requested 0 examples"),
        ([3, 10], "there is no row 10; rows are 0 to 9"),
        ([-1], "there is no row -1"),
        ([], "rows must be a number or a list of integers that is not empty"),
        ([0.5], "received float64 of shape"),
    ],
)
def test_rows_that_are_not_there_are_refused(rows, message):
    with pytest.raises(DataError, match=message):
        subset(examples(), rows)


@given(st.integers(1, 9), st.integers(1, 40))
def test_tiling_repeats_in_order(count, n):
    tiled = tile(examples(count), n)
    assert tiled.inputs[:, 0].tolist() == [row % count for row in range(n)]
    assert tiled.labels.tolist() == [row % count % 3 for row in range(n)]
    assert tiled.ids.tolist() == [row % count for row in range(n)]


def test_tiling_to_fewer_copies_nothing():
    whole = examples()
    assert tile(whole, 4).inputs.data_ptr() == whole.inputs.data_ptr()
    with pytest.raises(DataError, match=r"cannot be tiled to 0 examples"):
        tile(whole, 0)


@given(st.integers(2, 200), st.floats(0.01, 0.99))
def test_a_split_parts_the_examples_without_a_copy(count, fraction):
    whole = examples(count)
    if not fraction * count >= 1:
        return
    first, rest = split(whole, fraction)
    assert np.concatenate([first.ids, rest.ids]).tolist() == list(range(count))
    assert len(first) == pytest.approx(fraction * count, abs=1)
    assert rest.inputs.data_ptr() == whole.inputs.data_ptr() + 4 * len(first)


@pytest.mark.parametrize(("count", "fraction", "first"), [(60_000, 0.8, 48_000), (100, 0.29, 29), (1797, 0.8, 1437)])
def test_known_splits(count, fraction, first):
    assert len(split(examples(count), fraction)[0]) == first


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5, 0.05])
def test_an_empty_part_is_refused(fraction):
    with pytest.raises(DataError, match=r"which leaves one part empty; expected a fraction between 0 and 1"):
        split(examples(), fraction)
