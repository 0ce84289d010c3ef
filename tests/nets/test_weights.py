import pickle
import re

import pytest
import torch
from safetensors.torch import save_file

from hashlens.errors import ModelError
from hashlens.nets.weights import load_weights, read_weights


class Planted:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(3, 2), "bias": torch.ones(3)}


@pytest.mark.parametrize(
    "content",
    [
        state(),
        {"state_dict": state(), "epoch": 3},
        {"model": state()},
        {f"module.{name}": value for name, value in state().items()},
        {"model_state_dict": {f"_orig_mod.{name}": value for name, value in state().items()}},
        {f"module._orig_mod.{name}": value for name, value in state().items()},
    ],
)
@pytest.mark.parametrize("name", ["weights.pt", "weights.pth"])
def test_a_state_dict_is_found_where_scripts_put_it(tmp_path, linear, content, name):
    torch.save(content, tmp_path / name)
    load_weights(linear, tmp_path / name)
    assert torch.equal(linear.weight, state()["weight"])


def test_safetensors(tmp_path):
    save_file(state(), tmp_path / "weights.safetensors")
    assert torch.equal(read_weights(tmp_path / "weights.safetensors")["bias"], torch.ones(3))


@pytest.mark.parametrize(
    "write",
    [
        lambda planted, path: torch.save({"weight": planted}, path),
        lambda planted, path: torch.save(planted, path),
        lambda planted, path: torch.save(planted, path, _use_new_zipfile_serialization=False),
        lambda planted, path: path.write_bytes(pickle.dumps(planted)),
        lambda planted, path: path.write_bytes(pickle.dumps({"state_dict": planted})),
    ],
)
@pytest.mark.parametrize("name", ["weights.pt", "weights.bin", "weights.safetensors"])
def test_a_pickle_never_runs(tmp_path, write, name):
    write(Planted(tmp_path / "touched"), tmp_path / name)
    with pytest.raises(ModelError, match=r"hold pickled objects, which could run code|cannot be read") as caught:
        read_weights(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight": torch.ones(3, 2)}, "do not fit Linear: missing: bias: give the weights of this very architecture"),
        ({**state(), "more": torch.ones(1)}, "unexpected: more:"),
        ({**state(), "bias": torch.ones(4)}, "of another shape: bias (4,) instead of (3,)"),
        ({f"layer{i}": torch.ones(1) for i in range(9)}, "unexpected: layer0, layer1, layer2 and 6 more"),
        ({"weight": 3}, "'weight' is a int, not a tensor: save model.state_dict() and nothing else"),
        ([torch.ones(1)], "hold a list: expected a state_dict"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(tmp_path, linear, content, message):
    torch.save(content, tmp_path / "weights.pt")
    before = linear.weight.clone()
    with pytest.raises(ModelError, match=re.escape(message)) as caught:
        load_weights(linear, tmp_path / "weights.pt")
    assert "\n" not in str(caught.value)
    assert torch.equal(linear.weight, before)


def test_a_torchscript_archive_is_refused_with_the_way_out(tmp_path, linear):
    torch.jit.script(linear).save(str(tmp_path / "model.pt"))
    with pytest.raises(ModelError, match=r"is a TorchScript archive: give its state_dict, or export the model"):
        read_weights(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_damaged_file_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be read|hold pickled objects"):
        read_weights(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"are not there: give a .safetensors, .pt or .pth file"):
        read_weights(tmp_path / "weights.pt")
