"""Build a network by name, train it, and save it."""

import logging
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Group, RenderableType
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.data.finite import require_finite
from hashlens.data.labels import unseen_classes
from hashlens.data.numbering import with_one_numbering
from hashlens.data.sources import load_data, load_training_data
from hashlens.errors import DataError
from hashlens.files import as_path
from hashlens.nets.build import architecture_arguments, build
from hashlens.nets.class_names import declare_classes
from hashlens.nets.folder import NetworkInfo, check_free, save_network
from hashlens.nets.output import Output, declare_output
from hashlens.training.evaluate import accuracy, check_accepted
from hashlens.training.fit import fit
from hashlens.training.fitted import Epoch, Fitted
from hashlens.training.recipe import Recipe, find_recipe

log = logging.getLogger("hashlens")


@dataclass(frozen=True)
class Trained:
    """A trained network and how it came about.

    Attributes
    ----------
    network : torch.nn.Module
        In evaluation mode, on the CPU.
    fitted : Fitted
        The epochs.
    info : NetworkInfo
        Architecture, recipe, data and accuracies: what is saved beside the weights.
    folder : Path or None
        Where it was saved.
    """

    network: nn.Module
    fitted: Fitted
    info: NetworkInfo
    folder: Path | None

    def __rich__(self) -> RenderableType:
        return Group(self.fitted, self.info)


def train(
    architecture: str,
    data: Any,
    *,
    recipe: str | Recipe = "figures",
    epochs: int | None = None,
    seed: int = 0,
    test: Any = None,
    checkpoints: Collection[int] = (),
    out: str | Path | None = None,
    overwrite: bool = False,
    device: str | torch.device | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    **arguments: Any,
) -> Trained:
    """Build a network by name for `data`, train it, measure its accuracy, and save it.

    Parameters
    ----------
    architecture : str
        See `hashlens.nets.build`.
    data : str, Examples, pair, Dataset or DataLoader
        What to train on, with labels; what :func:`hashlens.load_data` takes.
    recipe : str or Recipe
        How; `batch_norm` and `init` hold unless `arguments` say otherwise or the architecture leaves no choice.
    epochs : int, optional
        In place of the recipe's.
    seed : int
        What the initial weights, the order of the batches and dropout are drawn from.
    test : as `data`, optional
        What the accuracy is measured on besides the training examples. Classes that occur here alone count as wrong,
        of which a warning tells.
    checkpoints : collection of int
        Epochs after which the network is saved as well; 0 is the initialisation.
    out : str or Path, optional
        Folder to save to. An interrupted training goes on from there.
    overwrite : bool
        Whether a network that `out` already holds is replaced, and an interrupted training begun afresh.
    device : str or torch.device, optional
        Where to train; the CPU by default.
    on_epoch : callable, optional
        Called with each `Epoch` when it is over.
    **arguments
        For the architecture: ``width=100``, ``depth=2`` ...

    Returns
    -------
    Trained
        The network on the CPU in evaluation mode, its history, and its accuracies.

    Raises
    ------
    DataError
        If there are no examples or no labels, inputs that are not finite, or test labels that a network trained on
        `data` has no output for.
    ModelError
        If the architecture, the recipe or an argument is unknown, or training fails.
    OutputError
        If `out` holds a network already, or cannot be written.
    """
    recipe = find_recipe(recipe)
    if out is not None and not overwrite:
        check_free(as_path(out))
    examples = load_training_data(data).load()
    test_examples = None if test is None else load_data(test)
    defaults: dict[str, Any] = {"init": recipe.init}
    if "batch_norm" in architecture_arguments(architecture):
        defaults["batch_norm"] = recipe.batch_norm
    arguments = {**defaults, **arguments}
    input_shape, classes = _input_shape(examples), _classes(examples)
    network = build(architecture, input_shape=input_shape, classes=classes, seed=seed, **arguments)
    if test_examples is not None:
        # Before the training, which a mistake here would waste.
        _, test_examples = with_one_numbering(examples, test_examples)
        require_finite("test", test_examples)
        check_accepted(network, test_examples)
        if unseen := unseen_classes(examples.labels, test_examples.labels, examples.class_names):
            log.warning("%s", unseen)
    declare_classes(network, examples.class_names)
    declare_output(network, Output("logits", "as hashlens.train makes it"))
    info = NetworkInfo(
        architecture, input_shape, classes, arguments, seed, class_names=examples.class_names, output="logits"
    )
    fitted = fit(
        network,
        examples,
        recipe=recipe,
        epochs=epochs,
        seed=seed,
        checkpoints=checkpoints,
        out=out,
        info=info,
        device=device,
        on_epoch=on_epoch,
        resume=not overwrite,
    )
    metrics = {"train_accuracy": accuracy(network, examples)}
    if test_examples is not None:
        metrics["test_accuracy"] = accuracy(network, test_examples)
    if fitted.history:
        metrics["train_loss"] = fitted.history[-1].loss
    planned = recipe if epochs is None else replace(recipe, epochs=epochs)
    info = replace(
        info,
        epochs=fitted.epochs,
        recipe=asdict(planned),
        data={"name": examples.name, "digest": examples.digest(), "n": len(examples)},
        metrics=metrics,
    )
    folder = None if out is None else save_network(out, network, info, overwrite=overwrite)
    return Trained(network, fitted, info, folder)


def _input_shape(examples: ArrayExamples) -> tuple[int, ...]:
    if not len(examples):
        raise DataError(f"{examples.name} is empty: training needs at least one example")
    return tuple(examples.inputs.shape[1:])


def _classes(examples: ArrayExamples) -> int:
    if examples.labels is None:
        raise DataError(f"{examples.name} has no labels: training needs them")
    if examples.class_names is not None:
        return len(examples.class_names)
    return int(examples.labels.max()) + 1
