import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hashlens.codes.observe import observe
from hashlens.codes.reading import Reading
from hashlens.errors import DataError, ModelError, OutputError
from hashlens.explanations import explain
from hashlens.nets import load_model, parameters_digest
from hashlens.training import Recipe, accuracy, train

QUICK = Recipe("quick", epochs=3, batch_size=64, learning_rate=1e-2)


def test_a_trained_network_is_saved_with_what_is_known_about_it(few, digits, tmp_path):
    trained = train(
        "mlp", few, recipe="scripts", epochs=2, seed=3, test=digits, checkpoints=(0, 1), out=tmp_path / "net", width=9
    )
    document = json.loads((tmp_path / "net" / "network.json").read_text())
    assert document["architecture"] == "mlp"
    assert document["arguments"] == {"width": 9, "batch_norm": True, "init": "default"}
    assert (document["input_shape"], document["classes"], document["seed"], document["epochs"]) == ([1, 8, 8], 10, 3, 2)
    assert (document["recipe"]["name"], document["recipe"]["batch_size"]) == ("scripts", 64)
    assert document["data"] == {"name": "digits", "digest": few.digest(), "n": 193}
    assert document["metrics"] == {
        "train_accuracy": accuracy(trained.network, few),
        "test_accuracy": accuracy(trained.network, digits),
        "train_loss": trained.fitted.history[-1].loss,
    }
    assert parameters_digest(load_model(tmp_path / "net")) == parameters_digest(trained.network)
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == [
        "checkpoints",
        "model.safetensors",
        "network.json",
    ]
    first = json.loads((tmp_path / "net" / "checkpoints" / "epoch-0001" / "network.json").read_text())
    assert (first["epochs"], first["data"], first["recipe"]) == (1, document["data"], document["recipe"])


@pytest.mark.parametrize(
    ("recipe", "arguments", "normalised", "zero_bias"),
    [
        ("figures", {}, False, True),
        ("scripts", {}, True, False),
        ("figures", {"batch_norm": True, "init": "default"}, True, False),
    ],
)
def test_the_recipe_decides_norm_and_init_unless_told_otherwise(few, recipe, arguments, normalised, zero_bias):
    network = train("mlp", few, recipe=recipe, epochs=0, **arguments).network
    assert hasattr(network.hidden[0], "norm") == normalised
    assert (not network.head.bias.any()) == zero_bias


def test_architectures_without_the_choice_take_any_recipe(few):
    images = replace(few, inputs=torch.nn.functional.pad(few.inputs, (12, 12, 12, 12)))
    trained = train("resnet20", images.select(slice(0, 8)), recipe="figures", epochs=1)
    assert trained.info.arguments == {"init": "glorot"}
    assert trained.fitted.epochs == 1


def test_names_of_classes_decide_how_many_there_are(few):
    named = replace(few, class_names=tuple("abcdefghijkl"))
    trained = train("mlp", named, recipe=QUICK, epochs=0)
    assert trained.network.head.out_features == 12
    assert trained.info.class_names == tuple("abcdefghijkl")


def test_a_network_is_replaced_only_when_asked(few, tmp_path):
    first = train("mlp", few, recipe=QUICK, out=tmp_path, checkpoints=(1, 3))
    with pytest.raises(OutputError, match="already holds a network"):
        train("mlp", few, recipe=QUICK, seed=1, out=tmp_path)
    assert parameters_digest(load_model(tmp_path)) == parameters_digest(first.network)
    second = train("mlp", few, recipe=QUICK, seed=1, out=tmp_path, checkpoints=(2,), overwrite=True)
    assert parameters_digest(load_model(tmp_path)) == parameters_digest(second.network)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["epoch-0002"]


def test_overwriting_removes_nothing_that_training_did_not_write(few, tmp_path):
    (tmp_path / "checkpoints" / "epoch-of-mine").mkdir(parents=True)
    (tmp_path / "notes.txt").touch()
    train("mlp", few, recipe=QUICK, epochs=0, out=tmp_path, overwrite=True)
    assert (tmp_path / "checkpoints" / "epoch-of-mine").exists()
    assert (tmp_path / "notes.txt").exists()


def test_an_interrupted_training_is_no_network_and_goes_on(few, tmp_path):
    def interrupt(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("mlp", few, recipe=QUICK, out=tmp_path, on_epoch=interrupt)
    with pytest.raises(ModelError, match="holds an unfinished training run"):
        load_model(tmp_path)
    resumed = train("mlp", few, recipe=QUICK, out=tmp_path)
    assert resumed.fitted.resumed_at == 1
    assert parameters_digest(load_model(tmp_path)) == parameters_digest(train("mlp", few, recipe=QUICK).network)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"architecture": "mpl"}, ModelError, "unknown architecture 'mpl': did you mean 'mlp'"),
        ({"recipe": "script"}, ModelError, "unknown recipe 'script': did you mean 'scripts'"),
        ({"widht": 5}, ModelError, "mlp has no argument 'widht': did you mean 'width'"),
        ({"architecture": "lenet"}, ModelError, "lenet needs images of at least 12x12 pixels, received 8x8"),
        ({"rows": slice(0, 0)}, DataError, "digits is empty"),
        ({"labels": None}, DataError, "digits has no labels"),
        ({"test": "digits#tset"}, DataError, "no split 'tset'; did you mean 'test'"),
        ({"test": torch.zeros(5, 64)}, DataError, "arrays has no labels: accuracy needs them"),
        (
            {"test": (torch.zeros(5, 64), [0, 9, 10, 3, 3])},
            DataError,
            r"arrays \(test\): labels must be 0 to 9 .* 0 to 10",
        ),
        ({"test": (torch.full((5, 64), torch.nan), [0] * 5)}, DataError, "arrays: 5 of 5 test examples hold numbers"),
        ({"inputs": (17, torch.inf)}, DataError, "digits: 1 of 193 train examples hold .* float32 .* in row 17: leave"),
        ({"architecture": None}, ModelError, "unknown architecture None: known: "),
        ({"epochs": "3"}, ModelError, "epochs must be a whole number, 0 or more, received '3'"),
        ({"checkpoints": 1}, ModelError, r"checkpoints must be a list of epochs, such as \[100\], received 1"),
        ({"checkpoints": None}, ModelError, r"checkpoints must be a list of epochs, such as \[100\], received None"),
        ({"out": 3}, OutputError, "a path is text or a pathlib.Path, received 3"),
        ({"test": (torch.zeros(5, 3), [0] * 5)}, ModelError, r"MLP rejects examples of shape \(3,\) from arrays"),
    ],
)
def test_bad_requests_leave_nothing_behind(few, tmp_path, arguments, error, message):
    data = few.select(arguments.pop("rows", slice(None)))
    data = replace(data, labels=arguments.pop("labels", data.labels))
    if "inputs" in arguments:
        row, value = arguments.pop("inputs")
        data = replace(data, inputs=data.tensor().index_fill(0, torch.tensor(row), value), scale=1.0)
    with pytest.raises(error, match=message):
        train(**{"architecture": "mlp", "data": data, "out": tmp_path / "net", **arguments})
    assert not (tmp_path / "net").exists()


def test_classes_of_test_alone_count_as_wrong_and_are_told(few, digits, caplog):
    train = few.select(np.flatnonzero(few.labels != 3))
    trained = train_network(train, digits)
    assert [record.getMessage() for record in caplog.records] == [
        f"{np.sum(digits.labels == 3)} of 1,797 test examples are of classes that train has no example of (3): a model "
        "trained on it misclassifies them"
    ]
    with torch.no_grad():
        right = trained.network(digits.tensor()).argmax(1).numpy() == digits.labels
    assert trained.info.metrics["test_accuracy"] == right.mean()
    assert right[digits.labels == 3].mean() < 0.1
    caplog.clear()
    train_network(few, digits)
    assert caplog.records == []


def train_network(data, test):
    return train("mlp", data, recipe=QUICK, epochs=3, width=8, test=test)


def test_data_are_named_by_the_strings_that_name_them_everywhere():
    trained = train("mlp", "digits#train[:60]", recipe=QUICK, epochs=0, test="digits#test")
    assert trained.info.data["name"] == "digits#train[:60]"
    assert 0 <= trained.info.metrics["test_accuracy"] <= 1


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_network_in_memory_is_read_as_the_one_that_is_loaded(classes, tmp_path):
    inputs = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    labels = np.arange(60) % classes
    trained = train("mlp", (inputs, labels), epochs=1, width=8, out=tmp_path / "model").network
    loaded = load_model(tmp_path / "model")
    seen = [observe(network, (inputs, labels), Reading(), 1 << 20) for network in (trained, loaded)]
    assert seen[0].output.kind == seen[1].output.kind == "logits"
    assert np.array_equal(seen[0].predictions, seen[1].predictions)
    assert set(seen[0].predictions.tolist()) <= set(range(classes))  # a single class is right, whatever its score
    assert seen[0].accuracy == seen[1].accuracy
    asked = [explain(network, inputs[:2], "gradient") for network in (trained, loaded)]
    assert np.array_equal(asked[0].values, asked[1].values)
