"""Train one network."""

import math
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from hashlens.arguments import is_whole, shortly
from hashlens.data.examples import ArrayExamples, Examples
from hashlens.data.finite import require_finite
from hashlens.device import find_device
from hashlens.errors import ModelError
from hashlens.files import as_path
from hashlens.nets.digest import parameters_digest
from hashlens.nets.folder import NetworkInfo
from hashlens.seeds import torch_seed
from hashlens.training.evaluate import accuracy, check_examples, network_device, network_dtype
from hashlens.training.fitted import Epoch, Fitted, stalled
from hashlens.training.journal import Journal
from hashlens.training.order import batch_order
from hashlens.training.recipe import Recipe, find_recipe
from hashlens.training.steps import recipe_optimizer, train_epoch

# Examples up to this size, in bytes, are moved to the device once; larger ones batch by batch.
RESIDENT = 2**30


def fit(
    network: nn.Module,
    train: Examples,
    *,
    recipe: str | Recipe = "figures",
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

    The same arguments give the same weights on the same machine and thread count, also when training is interrupted
    and called again with the same `out`. Global random generators are left as they are.

    Parameters
    ----------
    network : torch.nn.Module
        Returns logits ``(b, classes)``; left in evaluation mode, on the device it came on.
    train : Examples
        With labels; held whole in memory.
    recipe : str or Recipe
        Optimizer, learning rate and batch size. Its `batch_norm` and `init` are for whoever builds the network.
    epochs : int, optional
        In place of the recipe's.
    seed : int
        What the order of the batches and dropout are drawn from.
    validation : Examples, optional
        Examples whose accuracy is computed after every epoch; they change nothing.
    checkpoints : collection of int
        Epochs after which the network is saved to ``out/checkpoints/epoch-0010``; 0 is the initialisation.
    out : str or Path, optional
        Folder for checkpoints and, until training ends, for the state to resume from.
    info : NetworkInfo, optional
        What the checkpoints say about the network; without it they hold the weights of an unnamed module.
    device : str or torch.device, optional
        Where to train; the network's own device by default.
    on_epoch : callable, optional
        Called with each `Epoch` when it is over and on disk.
    resume : bool
        Whether to go on from a state in `out`; otherwise what an earlier training left there is removed.

    Raises
    ------
    DataError
        If there are no examples, no labels, labels that the network has no output for, or inputs that are not finite.
    ModelError
        If the network rejects the examples, the loss is no longer finite, or the state is of another run.
    OutputError
        If `out` cannot be written.
    """
    recipe = find_recipe(recipe)
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    if checkpoints and out is None:
        raise ModelError("checkpoints need a folder to be written to: give out")
    check_checkpoints(checkpoints, recipe.epochs)
    examples = train.load()
    home = network_device(network)
    away = home if device is None else find_device(device)
    try:
        network.to(away)
        check_examples(network, examples)
        for split, part in (("train", examples), ("validation", validation)):
            if part is not None:
                require_finite(split, part, network_dtype(network))
        journal = None if out is None else _journal(network, examples, recipe, seed, checkpoints, as_path(out), info)
        if journal is not None and not resume:
            journal.clear()
        with torch.random.fork_rng(devices=[away] if away.type == "cuda" else []):
            return _run(network, examples, recipe, seed, validation, journal, on_epoch)
    finally:
        network.to(home)
        # An exported program has one mode only.
        with suppress(NotImplementedError):
            network.eval()


def _run(
    network: nn.Module,
    examples: ArrayExamples,
    recipe: Recipe,
    seed: int,
    validation: Examples | None,
    journal: Journal | None,
    on_epoch: Callable[[Epoch], None] | None,
) -> Fitted:
    device = network_device(network)
    optimizer = recipe_optimizer(network, recipe)
    history: list[Epoch] = [] if journal is None else journal.restore(network, optimizer)
    resumed_at = len(history)
    if journal is not None and not history:
        journal.record(network, optimizer, history)
    labels = torch.from_numpy(examples.labels).to(device)
    if examples.inputs.nbytes <= RESIDENT:
        examples = replace(examples, inputs=examples.inputs.to(device))
    while len(history) < recipe.epochs and not stalled(history, recipe.patience):
        number = len(history) + 1
        rate = _set_learning_rate(optimizer, recipe, number)
        _seed_dropout(device, torch_seed(seed, "dropout", number))
        started = time.perf_counter()
        order = batch_order(len(examples), seed, number)
        try:
            loss, hits = train_epoch(network, examples, labels, optimizer, order, recipe.batch_size)
        except (ValueError, RuntimeError) as error:
            # One example with BatchNorm, memory that does not suffice, or what else only training shows.
            reason = str(error).split("\n")[0]
            raise ModelError(f"training {type(network).__name__} failed in epoch {number}: {reason}") from error
        seconds = time.perf_counter() - started
        check_finite(loss, number, rate)
        validated = None if validation is None else accuracy(network, validation)
        history.append(Epoch(number, loss, hits, validated, rate, seconds))
        if journal is not None:
            journal.record(network, optimizer, history)
        if on_epoch is not None:
            on_epoch(history[-1])
    if journal is not None:
        journal.close()
    written = (
        () if journal is None else tuple(journal.checkpoint(n) for n in sorted(journal.wanted) if n <= len(history))
    )
    return Fitted(tuple(history), len(history) < recipe.epochs, resumed_at, written)


def check_checkpoints(checkpoints: Collection[int], epochs: int) -> None:
    """Raise ModelError unless `checkpoints` are epochs of a training of so many."""
    if not isinstance(checkpoints, Collection):
        raise ModelError(f"checkpoints must be a list of epochs, such as [{epochs}], received {shortly(checkpoints)}")
    for epoch in checkpoints:
        if not is_whole(epoch) or not 0 <= epoch <= epochs:
            raise ModelError(f"checkpoints must be epochs from 0 to {epochs}, received {epoch!r}")


def _journal(
    network: nn.Module,
    examples: ArrayExamples,
    recipe: Recipe,
    seed: int,
    checkpoints: Collection[int],
    out: Path,
    info: NetworkInfo | None,
) -> Journal:
    data = {"name": examples.name, "digest": examples.digest(), "n": len(examples)}
    plain_recipe = asdict(recipe)
    info = info or NetworkInfo(None, tuple(examples.tensor(slice(0, 1)).shape[1:]), 0)
    info = replace(info, seed=seed, data=data, recipe=plain_recipe)
    run = {**plain_recipe, "seed": seed, "data": data["digest"], "initial network": parameters_digest(network)}
    return Journal(out, frozenset(checkpoints), run, info)


def _set_learning_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: int) -> float:
    rate = recipe.rate(epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def _seed_dropout(device: torch.device, seed: int) -> None:
    # Only the generator that dropout on this device reads: torch.manual_seed would reseed all devices.
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def check_finite(loss: float, epoch: int, rate: float) -> None:
    """Raise ModelError, with the way out, for a loss that is no longer a number."""
    if not math.isfinite(loss):
        raise ModelError(
            f"the training loss is {loss} in epoch {epoch} at learning rate {rate:g}: "
            "lower the learning rate, or bring the inputs nearer to 0"
        )
