"""Exported programs: a node names the module that it came from, whatever is left of that."""

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import CaptureError


class Called(nn.Module):
    """One activation, called twice, and a ReLU."""

    def __init__(self, act):
        super().__init__()
        self.fc, self.act, self.relu = nn.Linear(3, 4), act, nn.ReLU()

    def forward(self, x):
        return self.relu(self.act(self.act(self.fc(x)) - 0.1))


pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's own, by version


def exported(act):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Called(act).eval()
    return model, torch.export.export(model, (torch.ones(4, 3),))


@pytest.mark.slow
@pytest.mark.parametrize("act", [nn.PReLU(), nn.Softplus(), nn.Hardshrink()], ids=lambda act: type(act).__name__)
def test_an_activation_that_was_taken_apart_is_refused(act):
    """Its ``where`` looks like no gate, and the code would lack the units."""
    _, program = exported(act)
    with pytest.raises(CaptureError, match=rf"'act' \({type(act).__name__}\) .*gives no gate: it was decomposed"):
        hl.encode(program.run_decompositions().module(), torch.ones(4, 3))


@pytest.mark.slow
@pytest.mark.parametrize("act", [nn.LeakyReLU(), nn.SiLU(), nn.Softsign()], ids=lambda act: type(act).__name__)
def test_an_activation_whose_gate_is_left_is_read(act):
    model, program = exported(act)
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    expected = hl.encode(model, x)
    assert [layer.name for layer in expected.layers] == ["act", "act#1", "relu"]
    assert np.array_equal(hl.encode(program.run_decompositions().module(), x).packed, expected.packed)
