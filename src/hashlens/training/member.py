"""A member of an ensemble: one network and all that its training depends on, and the training progress."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch

from hashlens.data.examples import ArrayExamples
from hashlens.nets.mlp import MLP
from hashlens.training.fitted import Epoch, Fitted, stalled
from hashlens.training.recipe import Recipe

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble, and all that its training depends on.

    Attributes
    ----------
    network : MLP
        Trained in place; of any width, float32 or float64.
    train : ArrayExamples
        n labelled examples.
    recipe : Recipe
        Epochs, batch size, learning rate, regularization and patience, all of them this member's own.
    seed : int
        What the order of its batches and dropout are drawn from.
    steps_of : int, optional
        Examples an epoch: the n examples are taken over and over to fill it, so that networks with few examples take
        as many steps as others. As training on ``tile(train, steps_of)``, without the copy.
    checkpoints : collection of int
        Epochs whose weights are kept; 0 is the initialisation.
    """

    network: MLP
    train: ArrayExamples
    recipe: Recipe
    seed: int
    steps_of: int | None = None
    checkpoints: Collection[int] = ()

    @property
    def examples_per_epoch(self) -> int:
        """Examples that one epoch takes, repetitions included."""
        return len(self.train) if self.steps_of is None else self.steps_of


def inputs_key(examples: ArrayExamples) -> tuple[object, ...]:
    """Return what examples of the same inputs have in common, whatever their labels."""
    inputs = examples.inputs
    # Strides too: every second row and the first half begin at one address and have one shape.
    return inputs.data_ptr(), tuple(inputs.shape), inputs.stride(), inputs.dtype, examples.scale


@dataclass(frozen=True, eq=False)
class MemberFitted:
    """What the training of one member did.

    Attributes
    ----------
    fitted : Fitted
        Its epochs; seconds are those of its share of the pass.
    checkpoints : mapping of int to mapping
        Weights (a state dict on the CPU) by epoch, of those asked for that training reached.
    failure : str or None
        Why this member's training ended before its time, in one line; the others go on.
    """

    fitted: Fitted
    checkpoints: Mapping[int, Weights]
    failure: str | None = None


@dataclass
class MemberProgress:
    """The epochs of one member as they are written down by an engine."""

    member: Member
    history: list[Epoch] = field(default_factory=list)
    weights: dict[int, Weights] = field(default_factory=dict)
    failure: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the member has no epoch left."""
        recipe = self.member.recipe
        done = len(self.history) >= recipe.epochs or stalled([epoch.loss for epoch in self.history], recipe.patience)
        return done or self.failure is not None

    def keep_weights(self) -> None:
        """Keep the network's present weights, when a checkpoint asks for them."""
        epoch = len(self.history)
        if epoch in self.member.checkpoints and epoch not in self.weights:
            weights = self.member.network.state_dict()
            self.weights[epoch] = {name: value.detach().cpu().clone() for name, value in weights.items()}

    def result(self) -> MemberFitted:
        """Return the result, and leave the network in evaluation mode."""
        self.member.network.eval()
        early = self.failure is None and len(self.history) < self.member.recipe.epochs
        fitted = Fitted(tuple(self.history), early, 0, (), self.member.recipe.loss)
        return MemberFitted(fitted, self.weights, self.failure)
