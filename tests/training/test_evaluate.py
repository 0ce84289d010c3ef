from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import DataError, ModelError
from hashlens.nets import build
from hashlens.training import accuracy, fit


class Echo(nn.Module):
    """Gives its input as logits, and spoils them in training mode."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return -inputs if self.training else inputs


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_accuracy_is_the_fraction_of_hits_in_evaluation_mode(few, batch_size):
    logits = torch.eye(10)[torch.arange(193) % 10]
    labels = np.arange(193) % 10
    labels[:7] = (labels[:7] + 1) % 10
    network = Echo().train()
    assert accuracy(network, replace(few, inputs=logits, labels=labels, scale=1.0), batch_size=batch_size) == 186 / 193
    assert network.training


def test_one_score_has_no_highest_one(few):
    with pytest.raises(ModelError, match=r"MLP must return logits \(batch, classes\) of at least 2 classes, received "):
        accuracy(build("mlp", input_shape=(1, 8, 8), classes=1), few)


def test_modes_come_back_one_by_one(few):
    network = nn.Sequential(nn.Flatten(), nn.Dropout(), Echo())
    network[1].eval()
    accuracy(network, few)
    assert [module.training for module in network] == [True, False, True]


def test_examples_and_labels_are_needed(few):
    with pytest.raises(DataError, match="digits is empty: accuracy needs at least one example"):
        accuracy(Echo(), few.select(slice(0, 0)))
    with pytest.raises(DataError, match="digits has no labels: accuracy needs them"):
        accuracy(Echo(), replace(few, labels=None))


def test_exported_programs_have_an_accuracy_and_cannot_be_trained(few):
    network = build("mlp", input_shape=(1, 8, 8), classes=10).eval()
    sizes = ({0: torch.export.Dim("batch", min=1)},)
    program = torch.export.export(network, (few.tensor(slice(0, 5)),), dynamic_shapes=sizes).module()
    assert accuracy(program, few) == accuracy(network, few)
    with pytest.raises(ModelError, match="training GraphModule failed in epoch 1: Calling train"):
        fit(program, few)
