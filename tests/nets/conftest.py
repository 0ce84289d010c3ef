import pytest
import torch
from torch import nn


@pytest.fixture
def linear() -> nn.Linear:
    with torch.random.fork_rng():
        return nn.Linear(2, 3)
