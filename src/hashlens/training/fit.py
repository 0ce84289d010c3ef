"""Train one network."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hashlens.data.digest import tensor_digest
from hashlens.data.examples import ArrayExamples, Examples
from hashlens.data.finite import require_finite
from hashlens.device import find_device
from hashlens.errors import ModelError
from hashlens.files import as_path
from hashlens.nets.digest import parameters_digest
from hashlens.nets.folder import NetworkInfo
from hashlens.training.checkpoints import Checkpoints, check_checkpoints
from hashlens.training.evaluate import accuracy, network_device, network_dtype
from hashlens.training.fitted import Epoch, Fitted, has_stalled
from hashlens.training.journal import Journal
from hashlens.training.loop import run_loop
from hashlens.training.losses import LOSSES
from hashlens.training.order import batch_order, split_batches
from hashlens.training.recipe import Recipe, find_recipe
from hashlens.training.state import LoopEpoch, TrainingState
from hashlens.training.steps import SupervisedStep, recipe_optimizer
from hashlens.training.targets import training_targets

# Examples up to this total size, in bytes, are moved to the device once; larger ones batch by batch.
RESIDENT = 2**30


def fit(
    network: nn.Module,
    train: Examples,
    *,
    recipe: str | Recipe = "figures",
    targets: Any = None,
    epochs: int | None = None,
    seed: int = 0,
    validation: Examples | None = None,
    checkpoints: Collection[int] = (),
    out: str | Path | None = None,
    info: NetworkInfo | None = None,
    device: str | torch.device | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    resume: bool = True,
) -> Fitted:
    """Train `network` in place.

    The same arguments give the same weights on the same machine with the same number of threads, also if training is
    interrupted and `fit` is called again with the same `out`. The global random generators do not change.

    Parameters
    ----------
    network : torch.nn.Module
        Network that returns logits ``(b, classes)``, or the outputs of a regression. It ends in evaluation mode, on its
        own device.
    train : Examples
        Training examples, with labels unless there are `targets`; all are loaded into memory.
    recipe : str or Recipe
        Loss, optimizer, learning rate and batch size. The fields `batch_norm` and `init` have no effect here, since the
        network is already built.
    targets : array_like or torch.Tensor, optional
        Targets of a regression, used instead of labels: float ``(n, outputs)``, or ``(n,)`` for one output. The
        recipe's loss must then be ``mse``.
    epochs : int, optional
        Number of epochs; by default the recipe's.
    seed : int
        Seed of the order of batches and of dropout.
    validation : Examples, optional
        Examples whose accuracy is computed after every epoch; they have no effect on training.
    checkpoints : collection of int
        Epochs after which the network is saved, as ``out/checkpoints/epoch-0010``; 0 is the initial network.
    out : str or Path, optional
        Folder for checkpoints and, until training ends, for the state to resume from. By default nothing is written.
    info : NetworkInfo, optional
        Information about the network, stored in the checkpoints; without it they hold only the weights.
    device : str or torch.device, optional
        Device to train on; by default the network's own.
    on_epoch : callable, optional
        Called with each `Epoch` after it has ended and was written.
    resume : bool
        Whether to resume from a state in `out`; if not, the files of an earlier training are removed.

    Raises
    ------
    DataError
        If there are no examples, no labels, labels that the network has no output for, targets that do not fit the
        network or the loss, or inputs that are not finite.
    ModelError
        If the network rejects the examples, the loss is not finite, or the saved state belongs to another training.
    OutputError
        If `out` cannot be written.
    """
    recipe = find_recipe(recipe)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    if checkpoints and out is None:
        raise ModelError("checkpoints need a folder to be written to: give out")
    check_checkpoints(checkpoints, recipe.epochs)
    if targets is not None and validation is not None:
        raise ModelError(
            "validation= measures the accuracy of classes, but targets= are not classes: leave one of them out"
        )
    examples = train.load()
    own_device = network_device(network)
    training_device = own_device if device is None else find_device(device)
    try:
        network.to(training_device)
        outputs = training_targets(network, examples, recipe, targets)
        for split, part in (("train", examples), ("validation", validation)):
            if part is not None:
                require_finite(split, part, network_dtype(network))
        journal = checkpoint_writer = None
        if out is not None:
            run = _identity(network, examples, recipe, seed, None if targets is None else outputs)
            info = _with_training_details(info, examples, recipe, run)
            journal = Journal(as_path(out), run)
            checkpoint_writer = Checkpoints(as_path(out), frozenset(checkpoints), info)
            if not resume:
                journal.close()
                checkpoint_writer.clear()
        step = _supervised_step(network, examples, outputs, recipe, classes=targets is None)
        return _run(step, recipe, seed, validation, journal, checkpoint_writer, on_epoch)
    finally:
        network.to(own_device)
        # An exported program has only one mode.
        with suppress(NotImplementedError):
            network.eval()


def _supervised_step(
    network: nn.Module, examples: ArrayExamples, targets: torch.Tensor, recipe: Recipe, classes: bool
) -> SupervisedStep:
    device = network_device(network)
    if examples.inputs.nbytes <= RESIDENT:
        examples = replace(examples, inputs=examples.inputs.to(device))
    return SupervisedStep(
        network,
        recipe_optimizer(network, recipe),
        examples,
        targets.to(examples.inputs.device),
        LOSSES[recipe.loss].mean,
        classes,
        device,
        network_dtype(network),
    )


def _run(
    step: SupervisedStep,
    recipe: Recipe,
    seed: int,
    validation: Examples | None,
    journal: Journal | None,
    checkpoint_writer: Checkpoints | None,
    on_epoch: Callable[[Epoch], None] | None,
) -> Fitted:
    network, n, device = step.network, len(step.examples), step.examples.inputs.device

    def order(epoch: int) -> list[torch.Tensor]:
        return split_batches(batch_order(n, seed, epoch).to(device), recipe.batch_size)

    def save(history: Sequence[LoopEpoch]) -> None:
        if checkpoint_writer is not None:
            metrics = {"train_loss": history[-1].values["loss"]} if history else {}
            checkpoint_writer.save(network, len(history), metrics)

    result = run_loop(
        TrainingState({"network": network}, {"network": step.optimizer}, {"network": recipe.rate}),
        step,
        order,
        recipe.epochs,
        seed=seed,
        journal=journal,
        measure=None if validation is None else lambda: {"validation_accuracy": accuracy(network, validation)},
        save=save,
        on_epoch=None if on_epoch is None else lambda epoch: on_epoch(_epoch(epoch)),
        stop=lambda history: has_stalled([epoch.values["loss"] for epoch in history], recipe.patience),
    )
    paths = () if checkpoint_writer is None else checkpoint_writer.paths(len(result.history))
    return Fitted(tuple(map(_epoch, result.history)), result.stopped_early, result.resumed_at, paths, recipe.loss)


def _epoch(epoch: LoopEpoch) -> Epoch:
    values = epoch.values
    return Epoch(
        epoch.number,
        values["loss"],
        values.get("accuracy"),
        values.get("validation_accuracy"),
        epoch.learning_rates["network"],
        epoch.seconds,
    )


def _identity(
    network: nn.Module, examples: ArrayExamples, recipe: Recipe, seed: int, targets: torch.Tensor | None
) -> dict[str, Any]:
    """Return the values that identify a training: a saved state is resumed only if they are the same."""
    run = {**asdict(recipe), "seed": seed, "data": examples.digest(), "initial network": parameters_digest(network)}
    if targets is not None:
        run["targets"] = tensor_digest(targets)
    return run


def _with_training_details(
    info: NetworkInfo | None, examples: ArrayExamples, recipe: Recipe, run: Mapping[str, Any]
) -> NetworkInfo:
    """Return `info` with the details of the training added, for checkpoints."""
    info = info or NetworkInfo(None, tuple(examples.tensor(slice(0, 1)).shape[1:]), 0)
    data = {"name": examples.name, "digest": run["data"], "n": len(examples)}
    return replace(info, seed=run["seed"], data=data, recipe=asdict(recipe))
