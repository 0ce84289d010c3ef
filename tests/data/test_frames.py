"""Data frames as data: what is a number to an explanation is one to a network."""

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.errors import DataError

pandas = pytest.importorskip("pandas")
ROWS = np.random.default_rng(0).normal(size=(30, 3)).round(3)
FRAME = pandas.DataFrame(ROWS, columns=["age", "income", "height"])
MIXED = FRAME.assign(age=(10 * FRAME.age).astype(int), income=FRAME.income > 0)
FRAMES = {
    "floats and integers and booleans": MIXED,
    "Int64": MIXED.astype({"age": "Int64"}),
    "boolean": MIXED.astype({"income": "boolean"}),
    "Float32": FRAME.astype("Float32"),
    "Arrow": FRAME.astype("double[pyarrow]"),
    "categories that are numbers": FRAME.assign(age=pandas.Categorical(np.arange(30) % 3)),
    "one name twice": MIXED.rename(columns={"income": "age"}),
    "booleans alone": FRAME > 0,
    "in another order of bytes": FRAME.astype(">f8"),
}


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


@pytest.mark.parametrize("kind", FRAMES)
def test_a_network_reads_the_numbers_that_an_explanation_takes(kind, network):
    frame = FRAMES[kind]
    numbers = np.column_stack([np.asarray(frame.iloc[:, at], np.float64) for at in range(3)])
    wanted = hl.encode(network, numbers)
    assert np.array_equal(hl.encode(network, frame).packed, wanted.packed)
    labelled = hl.encode(network, (frame, pandas.Series(np.arange(30) % 2, dtype="Int64")))
    assert np.array_equal(labelled.packed, wanted.packed)
    assert labelled.labels.tolist() == [0, 1] * 15
    assert np.array_equal(hl.explain(network, frame, "gradient").inputs, numbers.astype(np.float32))


def test_whole_numbers_stay_whole_for_networks_that_look_them_up():
    whole = pandas.DataFrame({"first": [1, 2], "second": [3, 4]})
    assert hl.load_data(whole).load().inputs.dtype == torch.int64
    assert hl.load_data(whole.astype({"first": "Int64"})).load().inputs.tolist() == [[1, 3], [2, 4]]
    assert hl.load_data(whole.astype("Int64")).load().inputs.dtype == torch.int64
    missing = hl.load_data(whole.astype("Int64").where(whole > 1)).load().inputs
    assert missing.dtype == torch.float64
    assert missing.isnan().tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize(
    ("column", "received"), [("x", "text"), (pandas.Timestamp("2020-01-01"), "dates"), ([[1]] * 30, "no numbers")]
)
def test_columns_without_numbers_are_named(column, received):
    with pytest.raises(DataError) as caught:
        hl.load_data((FRAME.assign(income=column), np.zeros(30)))
    assert str(caught.value) == f"arrays: inputs must be an array of numbers, received {received} in 'income'"
