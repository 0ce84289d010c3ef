"""State of a training: modules, optimizers and generators, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError, nearest
from hashlens.training.evaluate import network_device

COMPONENT_KINDS = ("modules", "optimizers", "generators")
"""Kinds of components whose state a training is resumed from."""


@dataclass(frozen=True, eq=False)
class TrainingState:
    """All objects that a training step changes, by name, and the schedules of the learning rates.

    A training is resumed from the states of these objects.

    Attributes
    ----------
    modules : mapping of str to torch.nn.Module
        Modules to train, set to training mode at the start of every epoch. Leave out modules that do not change, such
        as a feature extractor with fixed weights.
    optimizers : mapping of str to torch.optim.Optimizer
        Optimizers of the parameters of the modules.
    schedules : mapping of str to callable
        For the name of an optimizer, a function of the number of the epoch (from 1) that returns the learning rate.
        Optimizers without a schedule keep their learning rate.
    generators : mapping of str to torch.Generator
        Generators that the step draws from (latent codes, noise).

    Raises
    ------
    ModelError
        If a schedule has no optimizer of its name.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    schedules: Mapping[str, Callable[[int], float]] = field(default_factory=dict)
    generators: Mapping[str, torch.Generator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.schedules:
            if name not in self.optimizers:
                raise ModelError(
                    f"there is a schedule for {name!r}, but no optimizer of this name: {nearest(name, self.optimizers)}"
                )

    @property
    def devices(self) -> set[torch.device]:
        """Devices of the modules."""
        return {network_device(module) for module in self.modules.values()}

    def set_learning_rates(self, epoch: int) -> dict[str, float]:
        """Set the learning rates of an epoch (counted from 1), and return the learning rate of each optimizer by name.

        The learning rate of an optimizer is that of its first group of parameters; a schedule sets that of all groups.
        """
        for name, schedule in self.schedules.items():
            for group in self.optimizers[name].param_groups:
                group["lr"] = schedule(epoch)
        return {name: float(optimizer.param_groups[0]["lr"]) for name, optimizer in self.optimizers.items()}

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Return tensors and plain values to restore the state from.

        The tensors of modules and optimizers share memory with them; the states of generators are copies.
        """
        return {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Mapping[str, Any]]) -> None:
        """Restore the state from the result of :meth:`state_dict`."""
        for name, module in self.modules.items():
            module.load_state_dict(saved["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved["optimizers"][name])
        for name, generator in self.generators.items():
            generator.set_state(saved["generators"][name])


@dataclass(frozen=True)
class LoopEpoch:
    """One epoch of a training loop.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1.
    values : mapping of str to float
        Means over the examples of the quantities that the step returns, and measurements after the epoch.
    learning_rates : mapping of str to float
        Learning rate of each optimizer, by name.
    seconds : float
        Wall time of the epoch in seconds, including drawing the order of its batches, without measurements and saving.
    """

    number: int
    values: Mapping[str, float]
    learning_rates: Mapping[str, float]
    seconds: float
