import inspect

import numpy as np
import pandas as pd
import pytest
import torch

import hashlens.data
from hashlens.codes import Codes
from hashlens.data import ArrayExamples, load_data
from hashlens.data.sources import SCHEMES
from hashlens.errors import DataError


def test_every_public_name_is_exported_in_order_and_documented():
    names = hashlens.data.__all__
    assert names == sorted(names)
    for name in names:
        exported = getattr(hashlens.data, name)
        assert inspect.getdoc(exported), name
        assert exported.__module__.startswith("hashlens.data."), name


def test_every_scheme_is_in_the_documentation_of_load_data():
    for name, scheme in SCHEMES.items():
        assert scheme.form.startswith(name)
        assert f"``{scheme.form.partition('#')[0]}" in load_data.__doc__


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", "'digit': there is no source 'digit'; did you mean 'digits'"),
        ("parqet:x#train", "there is no source 'parqet'; did you mean 'parquet'"),
        ("qqqq", "there is no source 'qqqq'; known: adult, digits, folder, hub, imdb, npz, parquet, torchvision"),
        ("digits#tets", "digits#tets: there is no split 'tets'; did you mean 'test'"),
        ("digits:here", "'digits:here': write this source as digits#SPLIT"),
        ("parquet", "'parquet': write this source as parquet:DIR#SPLIT"),
        ("npz:#train", "write this source as npz:FILE#SPLIT"),
        ("adult", "adult: say which split: adult#test or adult#train"),
        ("imdb#dev", "imdb#dev: there is no split 'dev'; known: test, train"),
        ("digits[5000:]", r"digits\[5000:\]: rows \[5000:\] are outside its 1797 examples"),
        ("digits[9:3]", r"rows \[9:3\] are outside its 1797 examples"),
        ("npz:no/such.npz", "no file or folder 'no/such.npz'; what exists of this path is '.'"),
        ("parquet:no/such#train", "no file or folder 'no/such'"),
        ("folder:no/such", "no file or folder 'no/such'"),
        ("", "'' does not name a source"),
        (None, "NoneType is not a source"),
        (7, "int is not a source"),
        ({"x": 1}, "dict is not a source"),
        ((1, 2, 3), "a tuple of 3 is not a source: it holds int; expected a pair"),
        ([], "a list of 0 is not a source: it holds nothing; expected a pair"),
        ([[1.0, 2.0], [3.0, 4.0]], "it holds rows of plain numbers or text, which may be inputs or labels: make them"),
        ([([1.0, 2.0], 0), ([3.0, 4.0], 1)], "it holds rows of plain numbers or text"),
        ([torch.ones(2), (torch.ones(2), 0)], "a list of 2 is not a source: it holds samples of several kinds"),
        (["a cat", "a dog"], "a list of 2 is not a source: it holds str"),
        (Codes.from_bits([[0, 1]]), "these are codes, not examples"),
        (([1, 2], [3, 4]), "a tuple of 2 is not a source: it holds rows of plain numbers"),
        (torch.ones(()), r"there are no examples: inputs have shape \(\)"),
        (np.ones((0, 3)), r"there are no examples: inputs have shape \(0, 3\)"),
        (torch.eye(3).to_sparse(), "inputs are a sparse tensor; make them dense with .to_dense"),
        (np.array(["a", "b"]), "inputs of dtype <U1 are not numbers"),
        (pd.Series(["a", "b"]), "inputs are not an array of numbers"),
        (pd.Series([{}, {}]), "inputs are not an array of numbers"),
        ((np.eye(3), [0, 1]), "labels must have one entry for each of the 3 inputs"),
        ((np.eye(3), [0, 1, -2]), "the label of row 2 is -2"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_way_out(source, message):
    with pytest.raises(DataError, match=message) as error:
        load_data(source)
    assert "\n" not in str(error.value)


def test_a_path_without_its_kind_is_recognised(tmp_path):
    with pytest.raises(DataError, match=r"it is a path: write parquet:, npz: or folder: before it"):
        load_data(str(tmp_path))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, ">f4", bool])
def test_arrays_keep_their_dtype_and_values(dtype):
    given = np.random.default_rng(0).integers(2, size=(5, 3)).astype(dtype)
    inputs = next(load_data(given[::-1]).batches(9)).inputs
    assert inputs.numpy().dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(inputs.numpy(), given[::-1])


def test_arrays_that_may_not_be_written_are_copied_and_others_shared():
    given = np.eye(3)
    assert load_data(given).inputs.data_ptr() == given.ctypes.data
    given.flags.writeable = False
    assert load_data(given).inputs.data_ptr() != given.ctypes.data


@pytest.mark.parametrize("pair", [tuple, list])
def test_a_pair_is_inputs_and_labels(pair):
    examples = load_data(pair([torch.eye(3, requires_grad=True), ["b", "a", "b"]]))
    assert examples.labels.tolist() == [1, 0, 1]
    assert examples.class_names == ("a", "b")
    assert not examples.inputs.requires_grad
    assert load_data((np.eye(3), None)).labels is None


def test_examples_are_handed_through():
    examples = load_data("digits")
    assert load_data(examples) is examples


def test_rows_are_taken_and_the_name_is_the_string():
    examples = load_data("digits#train[10:20]")
    assert examples.ids.tolist() == list(range(10, 20))
    assert examples.name == "digits#train[10:20]"


def test_the_digest_sees_every_change():
    def digest(inputs, labels=(0, 1), scale=1.0):
        labels = None if labels is None else np.array(labels)
        return ArrayExamples(inputs, labels, np.arange(2), scale=scale).digest()

    inputs = torch.zeros(2, 6)
    changed = inputs.clone()
    changed[1, 5] = 1e-30
    digests = {
        digest(inputs),
        digest(inputs, (0, 2)),
        digest(inputs, None),
        digest(inputs, scale=0.5),
        digest(inputs.double()),
        digest(inputs.reshape(2, 2, 3)),
        digest(changed),
    }
    assert len(digests) == 7
    assert all(len(each) == 32 for each in digests)
    assert digest(inputs) == digest(torch.zeros(6, 2).T)
