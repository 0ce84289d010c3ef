"""Centred networks: what a network has learnt since its start, ``f_t - f_0``."""

import copy

import torch
from torch import nn


class Centred(nn.Module):
    """A network less what it said at its start, which is 0 before training for every input.

    Its training moves the weights of the network alone. An ensemble of centred networks, or a single wide one, follows
    the mean of infinitely wide networks without the variance of random starts.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is trained in place; its weights are copied for the start.

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
        """Return the outputs less those of the start."""
        found: torch.Tensor = self.network(x) - self.start(x)
        return found
