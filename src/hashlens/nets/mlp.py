"""Multilayer perceptrons: equal hidden layers of ReLU units and a linear head."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from hashlens.errors import ModelError


def dense_block(inputs: int, outputs: int, *, batch_norm: bool, dropout: float) -> nn.Sequential:
    """Return Linear(-BatchNorm)-ReLU(-Dropout) as one block with named parts.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of input and output features.
    batch_norm : bool
        Whether to add batch normalisation before the ReLU.
    dropout : float
        Probability of dropping a unit during training; with 0 there is no dropout layer.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict(linear=nn.Linear(inputs, outputs))
    if batch_norm:
        parts["norm"] = nn.BatchNorm1d(outputs)
    parts["relu"] = nn.ReLU()
    if dropout > 0:
        parts["dropout"] = nn.Dropout(dropout)
    return nn.Sequential(parts)


class MLP(nn.Module):
    """A multilayer perceptron with `depth` hidden layers of `width` ReLU units each.

    The ReLU of the first hidden layer is ``hidden.0.relu``; the last layer is ``head``.

    Parameters
    ----------
    in_features : int
        Number of features of one example: the product of its axes.
    classes : int
        Number of outputs (logits).
    depth : int
        Number of hidden layers, at least 1.
    width : int
        Number of units in each hidden layer.
    batch_norm : bool
        Whether each hidden layer has batch normalisation before its ReLU.
    dropout : float
        Probability of dropping a hidden unit during training, in [0, 1).

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> [name for name, module in MLP(64, 10, depth=2).named_modules() if isinstance(module, nn.ReLU)]
    ['hidden.0.relu', 'hidden.1.relu']
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        depth: int = 1,
        width: int = 100,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("classes", classes), ("depth", depth), ("width", width)):
            if value < 1:
                raise ModelError(f"mlp: {name} must be at least 1, received {value}")
        if not 0 <= dropout < 1:
            raise ModelError(f"mlp: dropout must be a probability in [0, 1), received {dropout}")
        sizes = [in_features] + [width] * depth
        self.hidden = nn.Sequential(
            *(dense_block(i, o, batch_norm=batch_norm, dropout=dropout) for i, o in pairwise(sizes))
        )
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(b, classes)`` of `inputs` ``(b, ...)``."""
        logits: torch.Tensor = self.head(self.hidden(inputs.flatten(1)))
        return logits


# These are functions, since TorchScript would compile properties of the module.


def norms(network: MLP) -> list[nn.BatchNorm1d]:
    """Return the batch normalisation of each hidden layer; empty if there is none."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]


def drop_probability(network: MLP) -> float:
    """Return the probability of dropping a hidden unit during training."""
    return next((module.p for module in network.modules() if isinstance(module, nn.Dropout)), 0.0)
