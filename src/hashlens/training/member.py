"""A member of an ensemble: one network with its data, recipe and seed, and the progress of its training."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch

from hashlens.data.examples import ArrayExamples
from hashlens.nets.mlp import MLP
from hashlens.training.fitted import Epoch, Fitted, has_stalled
from hashlens.training.recipe import Recipe

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble, with everything that its training depends on.

    Attributes
    ----------
    network : MLP
        Network of any width, float32 or float64; trained in place.
    train : ArrayExamples
        n labelled examples.
    recipe : Recipe
        Epochs, batch size, learning rate, regularisation and patience of this member.
    seed : int
        Seed of the order of its batches and of dropout.
    epoch_size : int, optional
        Number of examples per epoch, n or more; by default n. The n examples are repeated, so that networks with few
        examples take as many steps as others. It is like training on ``tile(train, epoch_size)``, without the copy.
    checkpoints : collection of int
        Epochs whose weights are kept; 0 is the initial network.
    """

    network: MLP
    train: ArrayExamples
    recipe: Recipe
    seed: int
    epoch_size: int | None = None
    checkpoints: Collection[int] = ()

    @property
    def examples_per_epoch(self) -> int:
        """Number of examples in one epoch, including repetitions."""
        return len(self.train) if self.epoch_size is None else self.epoch_size


def inputs_key(examples: ArrayExamples) -> tuple[object, ...]:
    """Return a key that is equal for examples with the same inputs, even if their labels differ."""
    inputs = examples.inputs
    # Strides are part of the key: every second row, and the first half, have the same address and shape.
    return inputs.data_ptr(), tuple(inputs.shape), inputs.stride(), inputs.dtype, examples.scale


@dataclass(frozen=True, eq=False)
class MemberFitted:
    """Result of the training of one member.

    Attributes
    ----------
    fitted : Fitted
        Epochs of the member; the seconds are the member's share of the time.
    checkpoints : mapping of int to mapping
        Weights (a state dict on the CPU) of the requested epochs that training reached.
    failure : str or None
        Why the training of this member failed, in one line; the other members continue.
    """

    fitted: Fitted
    checkpoints: Mapping[int, Weights]
    failure: str | None = None


@dataclass
class MemberProgress:
    """Progress of one member, updated by the code that trains it (`side_by_side` or `stacked`)."""

    member: Member
    history: list[Epoch] = field(default_factory=list)
    weights: dict[int, Weights] = field(default_factory=dict)
    failure: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the member has no epochs left."""
        recipe = self.member.recipe
        done = len(self.history) >= recipe.epochs or has_stalled(
            [epoch.loss for epoch in self.history], recipe.patience
        )
        return done or self.failure is not None

    def keep_weights(self) -> None:
        """Keep the current weights of the network, if a checkpoint is requested for this epoch."""
        epoch = len(self.history)
        if epoch in self.member.checkpoints and epoch not in self.weights:
            weights = self.member.network.state_dict()
            self.weights[epoch] = {name: value.detach().cpu().clone() for name, value in weights.items()}

    def result(self) -> MemberFitted:
        """Return the result, and set the network to evaluation mode."""
        self.member.network.eval()
        early = self.failure is None and len(self.history) < self.member.recipe.epochs
        fitted = Fitted(tuple(self.history), early, 0, (), self.member.recipe.loss)
        return MemberFitted(fitted, self.weights, self.failure)
