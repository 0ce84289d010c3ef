import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import hashlens as hl
from hashlens.errors import CaptureError, CodesError
from hashlens.integrations.sklearn import NeuralCoder


@pytest.fixture(scope="module")
def trained():
    return hl.train("mlp", "digits#train", epochs=3, width=40, depth=2).network


@pytest.fixture(scope="module")
def arrays():
    examples = hl.load_data("digits#train[:400]").load()
    return examples.tensor().numpy(), examples.labels


@pytest.mark.parametrize("settings", [{}, {"bits": 33, "seed": 4}, {"layers": "*1*"}, {"granularity": "channel"}])
def test_bits_and_bytes_are_those_of_encode(trained, arrays, settings):
    inputs, _ = arrays
    codes = hl.encode(trained, inputs, **settings)
    coder = NeuralCoder(trained, **settings).fit(inputs)
    assert (coder.transform(inputs) == codes.unpack()).all()
    assert (NeuralCoder(trained, packed=True, **settings).fit_transform(inputs) == codes.packed).all()
    assert coder.n_bits_ == codes.code_bits


def test_names_tell_the_unit_of_every_column(trained, arrays):
    inputs, _ = arrays
    whole = NeuralCoder(trained).fit(inputs)
    names = list(whole.get_feature_names_out())
    bits = whole.transform(inputs)
    assert len(set(names)) == bits.shape[1] == len(names)
    some = NeuralCoder(trained, bits=9).fit(inputs)
    columns = [names.index(name) for name in some.get_feature_names_out()]
    assert (some.transform(inputs) == bits[:, columns]).all()
    packed = NeuralCoder(trained, packed=True).set_output(transform="pandas").fit_transform(inputs)
    assert list(packed.columns)[:2] == ["hidden.0.relu.byte0", "hidden.0.relu.byte1"]
    assert packed.shape == (len(inputs), 16)


def test_frames_come_out_where_they_are_asked_for(trained, arrays):
    inputs, _ = arrays
    coder = NeuralCoder(trained, bits=5).set_output(transform="pandas").fit(inputs)
    frame = coder.transform(inputs)
    assert list(frame.columns) == list(coder.get_feature_names_out())
    assert (frame.to_numpy() == NeuralCoder(trained, bits=5).fit_transform(inputs)).all()


def test_a_pipeline_passes_clone_and_cross_validation(trained, arrays):
    inputs, labels = arrays
    flat = inputs.reshape(len(inputs), -1)
    pipeline = make_pipeline(
        FunctionTransformer(), NeuralCoder(trained, input_shape=(1, 8, 8)), LogisticRegression(max_iter=300)
    )
    copied = clone(pipeline)
    assert copied[1].model is not trained
    assert copied[1].get_params().keys() == pipeline[1].get_params().keys()
    bits = hl.encode(trained, inputs).unpack()
    alone = cross_val_score(LogisticRegression(max_iter=300), bits, labels, cv=3)
    assert cross_val_score(pipeline, flat, labels, cv=3) == pytest.approx(alone, abs=1e-12)
    assert alone.mean() > 0.8


def test_a_search_chooses_among_layers(trained, arrays):
    inputs, labels = arrays
    pipeline = make_pipeline(NeuralCoder(trained), LogisticRegression(max_iter=300))
    grid = {"neuralcoder__layers": ["hidden.0*", "hidden.1*"], "neuralcoder__bits": [2, 40]}
    found = GridSearchCV(pipeline, grid, cv=2).fit(inputs, labels)
    assert found.best_params_["neuralcoder__bits"] == 40


def test_a_model_can_be_named(tmp_path, arrays):
    inputs, _ = arrays
    saved = hl.train("mlp", "digits#train", epochs=1, width=9, out=tmp_path / "net")
    named = clone(NeuralCoder(str(tmp_path / "net"))).fit(inputs)
    assert (named.transform(inputs) == NeuralCoder(saved.network).fit_transform(inputs)).all()


def test_the_network_is_handed_back_as_it_came(network, arrays):
    inputs, _ = arrays
    network.train()
    before = copy.deepcopy(network.state_dict())
    NeuralCoder(network).fit_transform(inputs)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_weights_changed_since_the_fit_are_refused(network, arrays):
    inputs, _ = arrays
    coder = NeuralCoder(network).fit(inputs)
    with torch.no_grad():
        network[1].weight.add_(1.0)
    with pytest.raises(CodesError, match="codes of two networks cannot be mixed"):
        coder.transform(inputs)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"packed": "bytes"}, CodesError, "packed must be True or False, received 'bytes'"),
        ({"bits": 0}, CodesError, "bits must be a whole number, 1 or more"),
        ({"layers": "hiden*"}, CaptureError, "hiden"),
        ({"input_shape": (3, 8, 8)}, ValueError, r"rows of X have shape \(1, 8, 8\), which cannot be reshaped to"),
    ],
)
def test_wrong_arguments(trained, arrays, settings, error, says):
    with pytest.raises(error, match=says):
        NeuralCoder(trained, **settings).fit(arrays[0])


def test_rows_of_another_shape_are_refused(trained, arrays):
    coder = NeuralCoder(trained).fit(arrays[0])
    with pytest.raises(ValueError, match=r"rows of X have shape \(1, 4, 16\), but fit received \(1, 8, 8\)"):
        coder.transform(arrays[0].reshape(-1, 1, 4, 16))
    with pytest.raises(ValueError, match="NaN"):
        coder.transform(np.full_like(arrays[0], np.nan))
