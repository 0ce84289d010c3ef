import pytest
import torch
from torch import nn

from hashlens import nets
from hashlens.errors import ModelError
from hashlens.nets.untrained import untrained_copy


def test_parameters_and_running_statistics_are_drawn_anew():
    model = nets.build("resnet20", input_shape=(3, 32, 32), classes=10, seed=0)
    for value in model.state_dict().values():
        value.fill_(7)
    fresh = untrained_copy(model, seed=1)
    assert all(bool((value == 7).all()) for value in model.state_dict().values())
    assert not any(bool((value == 7).all()) for value in fresh.state_dict().values())
    again = untrained_copy(model, seed=1)
    other = untrained_copy(model, seed=2)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(fresh.head.weight, other.head.weight)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return torch.relu(x * self.scale)


class Stubborn(Scaled):
    def reset_parameters(self, how):
        raise AssertionError


def test_a_reset_that_fails_is_one_line():
    with pytest.raises(ModelError, match=r"reset_parameters\(\) of Stubborn raised TypeError .*'how'"):
        untrained_copy(Stubborn())


def test_parameters_that_cannot_be_drawn_name_their_module():
    with pytest.raises(ModelError, match=r"1 \(Scaled\) has parameters and no reset_parameters"):
        untrained_copy(nn.Sequential(nn.ReLU(), Scaled()))
