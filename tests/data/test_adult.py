import numpy as np
import pytest

from hashlens.data.adult import table_inputs
from hashlens.errors import DataError

TABLE = {
    "work": np.array(["state", "own", "state", None, "abroad"], object),
    "age": np.array([1, 2, 3, 4, 99]),
    "pay": np.array([0.0, 0.0, 6.0, 6.0, 3.0]),
}


def test_numbers_are_standardised_and_categories_one_hot_by_the_training_rows():
    inputs = table_inputs(TABLE, 4)
    assert inputs.dtype == np.float32
    deviation = np.sqrt(1.25)
    assert np.allclose(inputs[:, 0], (TABLE["age"] - 2.5) / deviation)
    assert inputs[:, 1].tolist() == [-1, -1, 1, 1, 0]
    # Columns "?", "own", "state"; what no training row has is all zeros.
    assert inputs[:, 2:].tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_a_table_of_one_kind():
    assert table_inputs({"age": TABLE["age"]}, 4).shape == (5, 1)
    assert table_inputs({"work": TABLE["work"]}, 4).shape == (5, 3)


def test_the_data_frames_that_openml_gives_have_the_same_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: TABLE[name] for name in TABLE})
    frame["work"] = frame["work"].astype("category")
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    assert np.array_equal(table_inputs(columns, 4), table_inputs(TABLE, 4))


def test_a_missing_number_is_named():
    with pytest.raises(DataError, match=r"column 'age' has no number in row 1"):
        table_inputs({"age": np.array([1.0, np.nan])}, 2)
