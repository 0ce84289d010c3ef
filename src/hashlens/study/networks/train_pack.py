"""Training of the networks of one pack: multilayer perceptrons as an ensemble, others one by one."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from hashlens.data.examples import ArrayExamples
from hashlens.data.noise import shuffle_labels
from hashlens.data.subset import tile
from hashlens.errors import ModelError
from hashlens.nets import build
from hashlens.nets.mlp import MLP
from hashlens.seeds import numpy_generator
from hashlens.study.cells import Run
from hashlens.study.networks.cells import Cell
from hashlens.training.ensemble import fit_ensemble
from hashlens.training.fit import fit
from hashlens.training.fitted import Epoch, Fitted
from hashlens.training.member import Member, MemberFitted, Weights
from hashlens.training.recipe import Recipe

OnEpoch = Callable[[int, Epoch], None]


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run whose network is trained.

    Attributes
    ----------
    run : Run
        The run.
    network : torch.nn.Module
        The network at the end of training.
    fitted : Fitted
        History of its training.
    checkpoints : mapping of int to mapping
        Weights by epoch.
    failure : str or None
        Why training failed; None if it did not.
    """

    run: Run
    network: torch.nn.Module
    fitted: Fitted
    checkpoints: Mapping[int, Weights]
    failure: str | None

    def last_epoch(self, epoch: int) -> int:
        """Return `epoch`, or the last epoch if training stopped before it."""
        return min(epoch, self.fitted.epochs)

    def loss(self, epoch: int) -> float | None:
        """Return the mean training loss at `epoch`, or at the last one, in the unit of the recipe's loss; None at 0."""
        last = self.last_epoch(epoch)
        return self.fitted.history[last - 1].loss if last else None

    @contextmanager
    def at_epoch(self, epoch: int) -> Iterator[torch.nn.Module]:
        """Give the network its weights after `epoch` epochs (or its last ones) during the body, then restore them."""
        final_weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        try:
            self.network.load_state_dict(dict(self.checkpoints.get(epoch, final_weights)))
            yield self.network
        finally:
            self.network.load_state_dict(final_weights)


def train_pack(
    runs: Sequence[Run],
    train: ArrayExamples,
    classes: int,
    recipe: Recipe,
    checkpoints: Collection[int],
    *,
    device: str | torch.device | None = None,
    on_epoch: OnEpoch | None = None,
) -> list[TrainedRun]:
    """Train all networks of a pack.

    Parameters
    ----------
    runs : sequence of Run
        Runs of the pack.
    train : ArrayExamples
        All n training examples; a run uses the first ``samples`` of them, repeated to n.
    classes : int
        Number of outputs of the networks.
    recipe : Recipe
        Training recipe; weight decay and batch normalisation are those of the run's cell.
    checkpoints : collection of int
        Epochs after which weights are kept, to be measured.
    device : str or torch.device, optional
        Device to train on; the CPU by default.
    on_epoch : callable, optional
        Called with the index of a run and its `Epoch`.
    """
    members = [_member(run, train, classes, recipe, checkpoints) for run in runs]
    if all(isinstance(member.network, MLP) for member in members):
        fitted = fit_ensemble(members, device=device, on_epoch=on_epoch)
    else:
        fitted = tuple(_train_alone(i, member, device, on_epoch) for i, member in enumerate(members))
    return [
        TrainedRun(run, member.network, result.fitted, result.checkpoints, result.failure)
        for run, member, result in zip(runs, members, fitted, strict=True)
    ]


def noisy_examples(train: ArrayExamples, cell: Cell, seed: int) -> ArrayExamples:
    """Return the training examples of a run: the first ``samples`` examples, with a share of the labels shuffled."""
    first = train.narrow(0, cell.samples)
    if not cell.label_noise:
        return first
    return shuffle_labels(first, cell.label_noise, numpy_generator(seed, "label noise"))


def _member(run: Run, train: ArrayExamples, classes: int, recipe: Recipe, checkpoints: Collection[int]) -> Member:
    network = build(
        run.cell.architecture, input_shape=tuple(train.inputs.shape[1:]), classes=classes, seed=run.seed,
        init=recipe.init, **run.cell.arguments(),
    )  # fmt: skip
    cell_recipe = replace(recipe, weight_decay=run.cell.weight_decay, batch_norm=run.cell.batch_norm)
    examples = noisy_examples(train, run.cell, run.seed)
    # Only multilayer perceptrons are trained as an ensemble; others are trained one by one from the same description.
    return Member(network, examples, cell_recipe, run.seed, len(train), tuple(checkpoints))  # type: ignore[arg-type]


def _train_alone(
    position: int, member: Member, device: str | torch.device | None, on_epoch: OnEpoch | None
) -> MemberFitted:
    weights: dict[int, Weights] = {}

    def keep_weights(epoch: int) -> None:
        if epoch in member.checkpoints:
            weights[epoch] = {name: value.detach().cpu().clone() for name, value in member.network.state_dict().items()}

    def after_epoch(epoch: Epoch) -> None:
        keep_weights(epoch.number)
        if on_epoch is not None:
            on_epoch(position, epoch)

    keep_weights(0)
    try:
        fitted = fit(
            member.network, tile(member.train, member.examples_per_epoch), recipe=member.recipe, seed=member.seed,
            device=device, on_epoch=after_epoch,
        )  # fmt: skip
    except ModelError as error:
        return MemberFitted(Fitted((), True, 0, ()), weights, str(error))
    return MemberFitted(fitted, weights, None)
