import json

import pytest
import torch
from torch import nn

from hashlens.errors import ModelError, OutputError
from hashlens.nets import NetworkInfo, build, load_network, parameters_digest, read_info, save_network

INFO = NetworkInfo(
    "mlp",
    (1, 4),
    3,
    {"width": 5, "batch_norm": True},
    seed=7,
    epochs=2,
    recipe={"name": "figures"},
    data={"name": "digits", "digest": "0", "n": 10},
    metrics={"train_accuracy": 0.5},
    class_names=("a", "b", "c"),
)


def make() -> nn.Module:
    return build("mlp", input_shape=(1, 4), classes=3, seed=7, width=5, batch_norm=True)


def test_what_is_saved_comes_back(tmp_path):
    network = make()
    network.hidden[0].norm.running_mean.add_(1)
    save_network(tmp_path / "net", network, INFO)
    loaded, info = load_network(tmp_path / "net")
    assert parameters_digest(loaded) == parameters_digest(network) == info.parameters
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert (info.architecture, info.input_shape, info.class_names) == ("mlp", (1, 4), ("a", "b", "c"))
    assert (info.arguments, info.metrics, info.seed, info.epochs) == (INFO.arguments, INFO.metrics, 7, 2)
    assert info.versions["torch"] == str(torch.__version__)
    inputs = torch.ones(2, 1, 4)
    assert torch.equal(loaded(inputs), network.eval()(inputs))
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["model.safetensors", "network.json"]


def test_an_existing_network_is_replaced_only_when_asked(tmp_path):
    save_network(tmp_path, make(), INFO)
    other = build("mlp", input_shape=(1, 4), classes=3, seed=8, width=5, batch_norm=True)
    with pytest.raises(OutputError, match="already holds a network: choose another folder, or give overwrite=True"):
        save_network(tmp_path, other, INFO)
    assert parameters_digest(load_network(tmp_path)[0]) == parameters_digest(make())
    save_network(tmp_path, other, INFO, overwrite=True)
    assert parameters_digest(load_network(tmp_path)[0]) == parameters_digest(other)


def test_tied_weights_are_saved(tmp_path, linear):
    network = nn.Sequential(linear, nn.Identity(), linear)
    save_network(tmp_path, network, NetworkInfo(None, (2,), 3))
    with pytest.raises(ModelError, match=r"did not build: load it as package.module:factory with weights"):
        load_network(tmp_path)


def edit(path, **changes):
    document = json.loads((path / "network.json").read_text())
    (path / "network.json").write_text(json.dumps({**document, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "network.json").unlink(), "holds no network.json"),
        (lambda path: [(path / "network.json").unlink(), (path / "state.pt").touch()], "an unfinished training run"),
        (lambda path: (path / "network.json").write_text("{"), "network.json is damaged"),
        (lambda path: (path / "network.json").write_text('{"schema_version": 1}'), "damaged .no entry 'architecture'"),
        (lambda path: edit(path, schema_version=99), "has schema version 99, this hashlens reads up to 1"),
        (lambda path: edit(path, architecture="reset18"), "did you mean 'resnet18'"),
        (lambda path: edit(path, arguments={"width": 6}), "weights .* do not fit MLP: .*of another shape: head.weight"),
        (lambda path: edit(path, parameters="0"), "is not what network.json says it is"),
        (lambda path: (path / "model.safetensors").unlink(), "weights .*model.safetensors are not there"),
        (lambda path: (path / "model.safetensors").write_bytes(b"12345678"), "cannot be read as safetensors"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(tmp_path, damage, message):
    save_network(tmp_path, make(), INFO)
    damage(tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        load_network(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is not there: give the folder that hashlens train wrote"):
        read_info(tmp_path / "nothing")


def test_a_failed_overwrite_leaves_the_old_network(tmp_path, monkeypatch):
    save_network(tmp_path, make(), INFO)
    before = parameters_digest(load_network(tmp_path)[0])
    # The partial file cannot be made where a folder has its name.
    monkeypatch.setattr("secrets.token_hex", lambda size: "same")
    (tmp_path / ".model.safetensors.same.partial").mkdir()
    other = build("mlp", input_shape=(1, 4), classes=3, seed=8, width=5, batch_norm=True)
    with pytest.raises(OutputError, match=r"model.safetensors cannot be written: Is a directory"):
        save_network(tmp_path, other, INFO, overwrite=True)
    assert parameters_digest(load_network(tmp_path)[0]) == before
