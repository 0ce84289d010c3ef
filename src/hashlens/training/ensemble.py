"""Train many perceptrons in one pass, each as it would be trained alone."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from hashlens.data.examples import ArrayExamples
from hashlens.device import find_device
from hashlens.errors import HashlensError, ModelError
from hashlens.nets.mlp import MLP
from hashlens.training.evaluate import check_examples
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
class Diary:
    """The epochs of one member as they are written down by an engine."""

    member: Member
    history: list[Epoch] = field(default_factory=list)
    kept: dict[int, Weights] = field(default_factory=dict)
    failure: str | None = None

    @property
    def over(self) -> bool:
        """Whether the member has no epoch left."""
        recipe = self.member.recipe
        done = len(self.history) >= recipe.epochs or stalled(self.history, recipe.patience)
        return done or self.failure is not None

    def keep(self) -> None:
        """Keep the network's present weights, when a checkpoint asks for them."""
        epoch = len(self.history)
        if epoch in self.member.checkpoints and epoch not in self.kept:
            weights = self.member.network.state_dict()
            self.kept[epoch] = {name: value.detach().cpu().clone() for name, value in weights.items()}

    def finished(self) -> MemberFitted:
        """Return what stands in the diary, and leave the network in evaluation mode."""
        self.member.network.eval()
        early = len(self.history) < self.member.recipe.epochs
        return MemberFitted(Fitted(tuple(self.history), early, 0, ()), self.kept, self.failure)


def fit_ensemble(
    members: Sequence[Member],
    *,
    device: str | torch.device | None = None,
    threads: int | None = None,
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> tuple[MemberFitted, ...]:
    """Train many perceptrons in one pass, in place.

    Every member is trained exactly as :func:`hashlens.training.fit` would train it alone with the same seed: its own
    order of batches, dropout, early stopping and checkpoints. In float64 the weights agree to rounding; in float32
    rounding differs and grows from step to step, as it does between any two machines.

    On the CPU each network is trained by one compiled loop on one core, whose cache it stays in, several side by side.
    On a GPU networks of equal depth are stacked and trained by batched products.

    Parameters
    ----------
    members : sequence of Member
        Networks of any widths, depths and recipes.
    device : str or torch.device, optional
        Where to train; the CPU by default. Networks are handed back on the device that they came on.
    threads : int, optional
        Networks trained side by side on the CPU; torch's number of threads by default.
    on_epoch : callable, optional
        Called with a member's position and its `Epoch`, from any thread. What it raises ends the training.

    Returns
    -------
    tuple of MemberFitted
        In the order of `members`.

    Raises
    ------
    DataError
        If a member has no examples, no labels, or labels that its network has no output for.
    ModelError
        If a network is not an MLP of this library, or a checkpoint lies past the last epoch.
    """
    for at, member in enumerate(members):
        _check(at, member)
    home = torch.device("cpu") if device is None else find_device(device)
    diaries = [Diary(member) for member in members]
    if home.type == "cpu":
        from hashlens.training.side_by_side import train_side_by_side

        train_side_by_side(diaries, threads or torch.get_num_threads(), on_epoch)
    else:
        from hashlens.training.stacked import train_stacked

        train_stacked(diaries, home, on_epoch)
    return tuple(diary.finished() for diary in diaries)


def _check(at: int, member: Member) -> None:
    if not isinstance(member.network, MLP):
        raise ModelError(
            f"member {at} of the ensemble is a {type(member.network).__name__}: ensembles train hashlens.nets.MLP; "
            "train other networks one by one with hashlens.training.fit"
        )
    if next(member.network.parameters()).dtype not in (torch.float32, torch.float64):
        raise ModelError(f"member {at} of the ensemble must be float32 or float64")
    if member.steps_of is not None and member.steps_of < len(member.train):
        raise ModelError(
            f"member {at} of the ensemble has {len(member.train)} examples and steps_of={member.steps_of}: "
            "an epoch takes every example at least once"
        )
    past = [epoch for epoch in member.checkpoints if not 0 <= epoch <= member.recipe.epochs]
    if past:
        raise ModelError(
            f"member {at} of the ensemble: checkpoints must be epochs from 0 to {member.recipe.epochs}, "
            f"received {past[0]}"
        )
    try:
        # One label outside the range would be read past the end of a row.
        check_examples(member.network, member.train)
    except HashlensError as error:
        raise type(error)(f"member {at} of the ensemble: {error}") from error
