"""Wrapper of a network that is called by a user's function; modules, names and weights stay the same."""

from collections.abc import Callable, Iterator
from typing import Any

import torch


class Forwarded(torch.nn.Module):
    """Wrapper that calls a network by ``forward(network, batch)``.

    It adds no modules: names, weights and modes are those of the network, so that hooks, copies and codes see the
    network itself.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    forward : callable
        Function ``forward(network, batch)`` that returns the output.
    """

    network: torch.nn.Module
    call: Callable[[torch.nn.Module, Any], Any]

    def __init__(self, network: torch.nn.Module, forward: Callable[[torch.nn.Module, Any], Any]) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "call", forward)
        self.training = network.training

    def forward(self, batch: Any) -> Any:
        """Return the output of the function for a batch."""
        return self.call(self.network, batch)

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, torch.nn.Module]]:
        """Yield the modules of the network; the first is the network itself."""
        yield from self.network.named_modules(*args, **kwargs)

    def named_children(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """Yield the children of the network."""
        yield from self.network.named_children()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weights of the network."""
        return self.network.state_dict(*args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> "Forwarded":
        self.network._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self
