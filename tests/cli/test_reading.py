"""How a network is called, and where padding is, named on the command line: the same in every command."""

import json

import numpy as np
import pytest

import hashlens as hl
from hashlens.cli.app import run

OWN = """
import torch
from torch import nn

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act, self.head = nn.Linear(1, 6), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x, mask):
        return self.head((self.act(self.fc(x[..., None])) * mask[..., None]).sum(dim=1))

def network():
    torch.manual_seed(0)
    return Tokens()

def real(batch):
    return batch != 0

def call(network, batch):
    return network(batch, real(batch))

number = 3
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    numbers = np.random.default_rng(0)
    for name, n in (("train", 120), ("test", 60)):
        x = numbers.normal(size=(n, 9)).astype(np.float32)
        x[np.arange(9) >= numbers.integers(3, 10, n)[:, None]] = 0
        np.savez(tmp_path / f"{name}.npz", x=x, y=numbers.integers(0, 3, n))
    own = str(tmp_path / "own.py")
    return tmp_path, f"{own}:network", ["--forward", f"{own}:call", "--mask", f"{own}:real"]


def test_encode_and_audit_and_explain_take_forward_and_mask(files):
    folder, model, reading = files
    data = f"npz:{folder / 'train.npz'}"
    assert run(["encode", model, "--data", data, "--out", str(folder / "codes"), *reading]) == 0
    codes, x = hl.Codes.load(folder / "codes"), np.load(folder / "train.npz")["x"]
    bits = codes.layer("act").unpack().reshape(len(x), 9, 6)
    assert not bits[x == 0].any()
    assert bits[x != 0].any()
    told = folder / "audit.json"
    line = ["audit", model, "--train", data, "--test", f"npz:{folder / 'test.npz'}", "--json", str(told), *reading]
    assert run(line) == 0
    command = json.loads(told.read_text())["command"]
    assert "--forward" in command
    assert "--mask" in command
    kept = folder / "why.npz"
    assert run(["explain", model, "--data", data, "--id", "3", "-m", "gradient", "-o", str(kept), *reading]) == 0
    values = hl.Explanation.load(kept).values[0]
    assert not values[x[3] == 0].any()
    assert values[x[3] != 0].any()


@pytest.mark.parametrize(("name", "says"), [("cal", "did you mean 'call'"), ("number", "number is a int")])
def test_a_function_that_is_not_there_is_one_line(files, name, says, capsys):
    folder, model, _ = files
    line = ["encode", model, "--data", f"npz:{folder / 'train.npz'}", "--out", str(folder / "codes")]
    assert run([*line, "--forward", f"{folder / 'own.py'}:{name}"]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
