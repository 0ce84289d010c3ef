"""The running mean of networks' weights: smoother than the networks of any one step."""

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hashlens.nets.copying import copied

AVERAGED = "mean "
"""Before the name of a network that is a running mean."""


class Averages:
    """Running means of some networks, which follow them step by step; buffers are those of the last step.

    Parameters
    ----------
    networks : torch.nn.ModuleDict
        Holds the networks; their means are added to it, under the same names with ``mean`` before them.
    names : sequence of str
        Which networks have one.
    decay : float
        From 0 to below 1.
    """

    def __init__(self, networks: nn.ModuleDict, names: tuple[str, ...], decay: float) -> None:
        self.pairs = [(networks[AVERAGED + name], networks[name]) for name in names]
        self.move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def follow(self) -> None:
        """Move the means towards the networks as they are."""
        for mean, network in self.pairs:
            self.move(list(mean.parameters()), list(network.parameters()), None)
            for kept, now in zip(mean.buffers(), network.buffers(), strict=True):
                kept.copy_(now)


def add_means(networks: nn.ModuleDict, names: tuple[str, ...]) -> None:
    """Add a copy of some networks, from which their running means start."""
    for name in names:
        networks[AVERAGED + name] = copied(networks[name]).requires_grad_(False)
