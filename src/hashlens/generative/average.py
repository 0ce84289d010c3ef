"""Exponential moving averages of the weights of networks."""

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hashlens.nets.copying import copied

AVERAGED = "mean "
"""Prefix of the name of an averaged network."""


class Averages:
    """Exponential moving averages of the weights of some networks; buffers are those of the last step.

    Parameters
    ----------
    networks : torch.nn.ModuleDict
        The networks, and their averages under the same names with the prefix ``mean``, which :func:`add_averages` adds.
    names : sequence of str
        Names of the networks that are averaged.
    decay : float
        Decay of the average, from 0 to below 1.
    """

    def __init__(self, networks: nn.ModuleDict, names: tuple[str, ...], decay: float) -> None:
        self.pairs = [(networks[AVERAGED + name], networks[name]) for name in names]
        self.move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def follow(self) -> None:
        """Update the averages with the current weights."""
        for mean, network in self.pairs:
            self.move(list(mean.parameters()), list(network.parameters()), None)
            for kept, now in zip(mean.buffers(), network.buffers(), strict=True):
                kept.copy_(now)


def add_averages(networks: nn.ModuleDict, names: tuple[str, ...]) -> None:
    """Add copies of some networks, the initial values of their averages."""
    for name in names:
        networks[AVERAGED + name] = copied(networks[name]).requires_grad_(False)
