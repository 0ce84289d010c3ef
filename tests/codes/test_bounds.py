"""Gates that no input can switch have no bits, however the operators before them are written."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens.errors import CaptureError, CodesWarning

INPUTS = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))


class Behind(nn.Module):
    def __init__(self, function):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.fc = nn.Linear(4, 6)
        self.function = function

    def forward(self, x):
        return self.function(self.fc(x))


@pytest.mark.parametrize(
    ("function", "gate", "constant"),
    [
        (lambda z: z * torch.tanh(F.softplus(z)), "softplus", "tanh"),
        (lambda z: z * F.softplus(z).clone().tanh_(), "softplus", "tanh"),
        (lambda z: F.hardtanh(torch.tanh(z)), "tanh", "hardtanh"),
        (lambda z: torch.sigmoid(z).clamp(0, 1), "sigmoid", "clamp"),
        (lambda z: torch.sigmoid(2 * F.softplus(z) + 1), "softplus", "sigmoid"),
        (lambda z: torch.tanh(-F.logsigmoid(z)), "log_sigmoid_forward", "tanh"),
    ],
)
def test_a_gate_that_no_input_switches_is_left_out_and_named(function, gate, constant):
    model = Behind(function)
    with pytest.warns(CodesWarning, match=rf"1 gate left out \({constant}\): no input .*, so their bits never change"):
        codes = hl.encode(model, INPUTS, batch_size=8)
    assert [layer.name for layer in codes.layers] == [gate]
    assert np.array_equal(codes.unpack(), (model.fc(INPUTS) > 0).numpy())
    with pytest.raises(CaptureError, match=rf"layer '{constant}' .*so its bits never change: leave it out"):
        hl.encode(model, INPUTS, layers=constant)


@pytest.mark.parametrize("softplus", [lambda z: torch.log(1 + torch.exp(z)), lambda z: torch.log1p(z.exp())])
def test_a_mish_by_hand_has_no_gate_of_its_own(softplus):
    with pytest.raises(CaptureError, match=r"nothing is left to read: tanh: .*so its bits never change"):
        hl.encode(Behind(lambda z: z * torch.tanh(softplus(z))), INPUTS)


@pytest.mark.parametrize(
    ("function", "last"),
    [
        (lambda z: torch.sigmoid(F.relu(z)), "sigmoid"),
        (lambda z: F.threshold(torch.sigmoid(z), 0.5, 0.0), "threshold"),
        (lambda z: torch.tanh(F.softplus(z) - 1), "tanh"),
        (lambda z: F.relu(0.0 * F.softplus(z) - z), "relu"),
        (lambda z: F.relu(torch.exp(z) * z), "relu"),
        (lambda z: F.threshold(F.relu(z), 1.0, 0.0), "threshold"),
        (lambda z: F.relu(torch.div(F.softplus(z), 0.7, rounding_mode="floor")), "relu"),
    ],
)
def test_gates_that_inputs_switch_are_read(function, last):
    codes = hl.encode(Behind(function), INPUTS)
    assert codes.layers[-1].name == last
    assert 0 < codes.layer(last).unpack().mean() < 1
