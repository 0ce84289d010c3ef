"""Out-of-sample predictions and codes: those of every example by a network that was not trained on it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import excerpt, require_whole
from hashlens.audit.predictions import predict
from hashlens.codes.codes import Codes
from hashlens.codes.reading import Reading, split_options
from hashlens.data.examples import ArrayExamples
from hashlens.data.labels import has_label
from hashlens.data.sources import load_data
from hashlens.errors import AuditError, ModelError
from hashlens.measures.classes import Labels
from hashlens.nets.build import architecture_arguments, build
from hashlens.progress import bar
from hashlens.seeds import numpy_generator, torch_seed
from hashlens.training.ensemble import fit_ensemble
from hashlens.training.member import Member
from hashlens.training.recipe import Recipe, find_recipe
from hashlens.training.train import Trained, train

TrainNetwork = Callable[..., torch.nn.Module | Trained]


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of cross-validation: its held-out examples, and the network trained on all others.

    Attributes
    ----------
    rows : numpy.ndarray
        int64 ``(h,)``: rows of the held-out examples.
    others : numpy.ndarray
        int64 ``(n - h,)``: rows of the examples that the network was trained on.
    codes : Codes
        Codes of the held-out examples, h rows.
    reference : Codes
        Codes of the other examples, by the same network.
    network : torch.nn.Module
        The network, in evaluation mode.
    """

    rows: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]
    codes: Codes
    reference: Codes
    network: torch.nn.Module


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """n examples, each predicted and encoded by a network that was not trained on it.

    Attributes
    ----------
    labels : numpy.ndarray
        int64 ``(n,)``: labels of the data set.
    ids : numpy.ndarray
        int64 or str ``(n,)``: identifiers of the examples.
    probabilities : numpy.ndarray
        float64 ``(n, c)``: class probabilities by the network that was not trained on the example.
    folds : tuple of Fold
        The folds. Their codes come from different networks, and are never compared between folds.
    rows : numpy.ndarray or None
        int64 ``(n,)``: rows of the labelled examples in the data; None if all have labels.
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where classes have none.
    """

    labels: Labels
    ids: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64]
    folds: tuple[Fold, ...]
    rows: npt.NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"OutOfSample({len(self):,} examples in {len(self.folds)} folds, accuracy {self.accuracy:.4f})"

    @property
    def accuracy(self) -> float:
        """Cross-validated accuracy: share of examples whose label is predicted by the network not trained on them."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())


def out_of_sample(
    train_network: str | TrainNetwork,
    data: Any,
    *,
    folds: int = 5,
    reading: Reading | None = None,
    recipe: str | Recipe = "figures",
    epochs: int | None = None,
    **options: Any,
) -> OutOfSample:
    """Predict and encode every example by a network that was not trained on it, by cross-validation.

    A network that was trained on a wrong label has learnt to predict it. With cross-validation each label is judged by
    a network that has not seen it.

    Parameters
    ----------
    train_network : str or callable
        Name of an architecture of `hashlens.nets.build`, which is trained as by :func:`hashlens.train`; multilayer
        perceptrons of all folds are trained at the same time. Or a function ``train_network(examples, seed=...)`` that
        trains a new network on `ArrayExamples` and returns it: your own, or
        ``functools.partial(hashlens.train, "cnn", epochs=5)``.
    data : str, Examples, pair, Dataset or DataLoader
        n labelled examples, in any form that :func:`hashlens.load_data` takes. All are loaded into memory. Examples
        without a label are left out.
    folds : int
        Number of folds and networks, at least 2; each network is trained on all but n / folds examples. The folds are
        stratified by class.
    reading, **options
        How the networks are read: a :class:`hashlens.Reading`, or its fields; by default ``bits=1024`` and
        ``batch_size=256``. ``seed`` also draws folds, initial weights and orders of examples, and an architecture is
        trained on ``device``. Other options are those of the architecture, as :func:`hashlens.train` takes them.
    recipe, epochs
        How an architecture is trained, as in :func:`hashlens.train`.

    Returns
    -------
    OutOfSample
        The result; :func:`hashlens.audit.label_issues` takes it in place of codes.

    Raises
    ------
    AuditError
        If the examples have no labels or are too few, or a network lacks an output for a class.
    HashlensError
        If :func:`hashlens.train` or :func:`hashlens.encode` raises it.
    """
    read, arguments = split_options(options)
    reading = Reading.from_options(out_of_sample, reading, read, bits=1024, batch_size=256)
    seed = reading.seed
    examples = load_data(data).load()
    require_whole(AuditError, "folds", folds, 2)
    examples, labelled_rows = _with_labels(examples)
    labels, classes = _labels_and_classes(examples, folds)
    if callable(train_network) and (arguments or epochs is not None):
        raise AuditError("epochs and arguments need the name of an architecture: a function sets its own")
    held_out = [np.flatnonzero(_folds(labels, folds, seed) == fold) for fold in range(folds)]
    # The network needs an output for each class, also for one without examples in its part.
    named = replace(examples, class_names=examples.class_names or tuple(map(str, range(classes))))
    parts = (named.select(_without(len(labels), rows)) for rows in held_out)
    seeds = [torch_seed(seed, "fold", fold) for fold in range(folds)]
    networks: Iterator[torch.nn.Module]
    if callable(train_network):
        networks = (
            _returned_network(train_network(part, seed=network_seed))
            for part, network_seed in zip(parts, seeds, strict=True)
        )
    else:
        networks = _train(train_network, parts, seeds, find_recipe(recipe), epochs, reading.device, arguments)
    probabilities = np.empty((len(labels), classes))
    fold_list = []
    with bar("out of sample", folds) as advance:
        for rows, network in zip(held_out, networks, strict=True):
            predictions = predict(network, examples, reading)
            if predictions.probabilities.shape[1] != classes:
                raise AuditError(
                    f"the labels have {classes} classes, but the network has "
                    f"{predictions.probabilities.shape[1]}: train_network must return one with an output for "
                    "each class"
                )
            probabilities[rows] = predictions.probabilities[rows]
            others = _without(len(labels), rows)
            fold_list.append(Fold(rows, others, predictions.codes[rows], predictions.codes[others], network))
            advance("")
    return OutOfSample(labels, examples.ids, probabilities, tuple(fold_list), labelled_rows, examples.class_names or ())


def _with_labels(examples: ArrayExamples) -> tuple[ArrayExamples, npt.NDArray[np.int64] | None]:
    """Return the examples that have a label, and their rows; None for all rows."""
    labelled = None if examples.labels is None else has_label(examples.labels)
    if labelled is None or labelled.all() or not labelled.any():
        return (examples if labelled is None or labelled.any() else replace(examples, labels=None)), None
    rows = np.flatnonzero(labelled)
    return examples.select(rows), rows


def _labels_and_classes(examples: ArrayExamples, folds: int) -> tuple[Labels, int]:
    """Return the labels and the number of classes."""
    if examples.labels is None:
        raise AuditError(f"{examples.name} has no labels to check: give labels")
    if len(examples) < 2 * folds:
        raise AuditError(f"{examples.name}: {folds} folds need at least {2 * folds} examples, received {len(examples)}")
    named = 0 if examples.class_names is None else len(examples.class_names)
    return examples.labels, max(int(examples.labels.max()) + 1, named, 2)


def _folds(labels: Labels, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the fold of each example, drawn at random and stratified by class."""
    order = np.lexsort([numpy_generator(seed, "folds").random(len(labels)), labels])
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def _without(count: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row numbers below `count` without these rows."""
    return np.setdiff1d(np.arange(count), rows)


def _returned_network(returned: Any) -> torch.nn.Module:
    network = returned.network if isinstance(returned, Trained) else returned
    if not isinstance(network, torch.nn.Module):
        raise AuditError(f"train_network must return a torch.nn.Module, received {excerpt(returned)}")
    return network.eval()


def _train(
    architecture: str,
    parts: Iterator[ArrayExamples],
    seeds: Sequence[int],
    recipe: Recipe,
    epochs: int | None,
    device: str | torch.device | None,
    arguments: dict[str, Any],
) -> Iterator[torch.nn.Module]:
    """Return the networks of an architecture by name, one trained on each part."""
    architecture_arguments(architecture)
    if architecture == "mlp":
        return iter(_perceptrons(list(parts), seeds, recipe, epochs, device, arguments))
    return (
        train(architecture, part, recipe=recipe, epochs=epochs, seed=seed, device=device, **arguments).network
        for part, seed in zip(parts, seeds, strict=True)
    )


def _perceptrons(
    parts: list[ArrayExamples],
    seeds: Sequence[int],
    recipe: Recipe,
    epochs: int | None,
    device: str | torch.device | None,
    arguments: dict[str, Any],
) -> list[torch.nn.Module]:
    """Train a multilayer perceptron on each part, all at the same time."""
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    arguments = {"init": recipe.init, "batch_norm": recipe.batch_norm, **arguments}
    members = []
    for part, seed in zip(parts, seeds, strict=True):
        shape, classes = tuple(part.inputs.shape[1:]), len(part.class_names or ())
        network: Any = build("mlp", input_shape=shape, classes=classes, seed=seed, **arguments)
        members.append(Member(network, part, recipe, seed))
    for fitted in fit_ensemble(members, device=device):
        if fitted.failure is not None:
            raise ModelError(fitted.failure)
    return [member.network for member in members]
