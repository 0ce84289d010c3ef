"""hl.train: build a network by name, train it, and save it."""

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
from hashlens.training.evaluate import accuracy, check_test_examples
from hashlens.training.fit import fit
from hashlens.training.fitted import Epoch, Fitted
from hashlens.training.recipe import Recipe, find_recipe

log = logging.getLogger("hashlens")


@dataclass(frozen=True)
class Trained:
    """A trained network with its history.

    Attributes
    ----------
    network : torch.nn.Module
        The network, in evaluation mode on the CPU.
    fitted : Fitted
        History of the training.
    info : NetworkInfo
        Architecture, recipe, data and accuracies, which are saved with the weights.
    folder : Path or None
        Folder that it was saved to; None if it was not saved.
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
        Name of an architecture, as in `hashlens.nets.build`.
    data : str, Examples, pair, Dataset or DataLoader
        Labelled training data, in any form that :func:`hashlens.load_data` takes.
    recipe : str or Recipe
        Training recipe. Its `batch_norm` and `init` are used unless `arguments` override them or the architecture does
        not offer the choice.
    epochs : int, optional
        Number of epochs; by default the recipe's.
    seed : int
        Seed of the initial weights, of the order of batches and of dropout.
    test : as `data`, optional
        Test data whose accuracy is measured too. The examples of a class that no training example has count as wrong,
        with a warning; a class that the network has no output for is an error.
    checkpoints : collection of int
        Epochs after which the network is saved too; 0 is the initial network.
    out : str or Path, optional
        Folder to save to; an interrupted training resumes from there. By default nothing is saved.
    overwrite : bool
        Whether an existing network in `out` is replaced, and an interrupted training restarted.
    device : str or torch.device, optional
        Device to train on; the CPU by default.
    on_epoch : callable, optional
        Called with each `Epoch` after it has ended.
    **arguments
        Arguments of the architecture, such as ``width=100`` and ``depth=2``.

    Returns
    -------
    Trained
        The network on the CPU in evaluation mode, its history, and its accuracies.

    Raises
    ------
    DataError
        If there are no examples or no labels, inputs are not finite, or a network trained on `data` has no output for
        a test label.
    ModelError
        If the architecture, the recipe or an argument is unknown, or training fails.
    OutputError
        If `out` already holds a network, or cannot be written.
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
        # The test examples are checked before the training, since an error afterwards would waste it.
        _, test_examples = with_one_numbering(examples, test_examples)
        require_finite("test", test_examples)
        check_test_examples(network, test_examples)
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
    used_recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    info = replace(
        info,
        epochs=fitted.epochs,
        recipe=asdict(used_recipe),
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
