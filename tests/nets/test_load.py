import sys

import pytest
import torch

from hashlens.errors import ModelError
from hashlens.nets import NetworkInfo, build, load_model, parameters_digest, save_network

SOURCE = """
import sibling
from torch import nn

class Net(nn.Module):
    @classmethod
    def small(cls):
        return nn.Linear(2, sibling.OUTPUTS)

def make():
    return nn.Linear(2, sibling.OUTPUTS)

def fails():
    raise RuntimeError("no luck\\nat all")

def number():
    return 5

def needs(argument):
    return nn.Linear(1, 1)

ready = nn.Linear(2, 3)
constant = 5
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    (tmp_path / "factories.py").write_text(SOURCE)
    (tmp_path / "sibling.py").write_text("OUTPUTS = 3\n")
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("factories", "sibling", "broken"):
        sys.modules.pop(name, None)


def test_a_folder_that_training_wrote(tmp_path):
    network = build("mlp", input_shape=(4,), classes=2)
    save_network(tmp_path / "net", network, NetworkInfo("mlp", (4,), 2))
    for spec in (tmp_path / "net", str(tmp_path / "net")):
        assert parameters_digest(load_model(spec)) == parameters_digest(network)


def test_a_module_is_returned_as_it_is(linear):
    assert load_model(linear) is linear


@pytest.mark.parametrize("name", ["make", "Net.small", "ready"])
@pytest.mark.parametrize("place", ["factories", "factories.py", "{folder}/factories.py"])
def test_a_factory_in_a_module_or_a_file(source, place, name):
    path = list(sys.path)
    network = load_model(f"{place.format(folder=source)}:{name}")
    assert (network.in_features, network.out_features) == (2, 3)
    assert sys.path == path


def test_a_factory_leaves_the_global_generator(source):
    before = torch.get_rng_state()
    load_model("factories:make")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_factory_with_weights(source):
    torch.save({"weight": torch.ones(3, 2), "bias": torch.zeros(3)}, source / "weights.pt")
    network = load_model("factories:make", source / "weights.pt")
    assert torch.equal(network.weight, torch.ones(3, 2))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "no model 'nowhere': expected a folder that hashlens train wrote, package.module:factory"),
        ("nowhere.pt2", "nowhere.pt2 is not there"),
        ("factories.py", "factories.py is not a model by itself: give package.module:factory"),
        ("no_such_module:make", "importing 'no_such_module' raised ModuleNotFoundError"),
        ("no_such_file.py:make", "no_such_file.py is not there"),
        ("broken:make", "importing 'broken' raised ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("factories:mak", "factories has no 'mak': did you mean 'make'"),
        ("factories:fails", r"fails\(\) raised RuntimeError: no luck$"),
        ("factories:number", r"number\(\) returned a int, expected a torch.nn.Module"),
        ("factories:needs", r"needs\(\) raised TypeError: .* missing 1 required positional argument"),
        ("factories:constant", "constant is a int, expected a function without arguments"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(source, spec, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_weights_need_a_factory(tmp_path, linear):
    with pytest.raises(ModelError, match=r"need a factory to fill: give the model as package.module:factory"):
        load_model(linear, tmp_path / "weights.pt")
