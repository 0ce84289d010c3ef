"""Centred networks: the change of a network's outputs since the start of training, ``f_t - f_0``."""

import copy

import torch
from torch import nn


class Centred(nn.Module):
    """A network minus its initial outputs: the output is 0 for every input before training.

    Training changes only the weights of the network, not those of its initial copy. An ensemble of centred networks,
    or a single wide one, follows the mean of infinitely wide networks, without the variance of random initial weights.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is trained in place; a copy keeps its initial weights.

    References
    ----------
    Lee, Schoenholz, Pennington, Adlam, Xiao, Novak, Sohl-Dickstein (2020): Finite versus infinite neural networks: an
    empirical study. NeurIPS.

    Examples
    --------
    >>> Centred(nn.Linear(3, 2))(torch.ones(1, 3)).tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.start = copy.deepcopy(network).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs minus the initial outputs."""
        found: torch.Tensor = self.network(x) - self.start(x)
        return found
