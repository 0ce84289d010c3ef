"""Out of sample: predictions and codes of every example by a network that was not trained on it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import require_whole, shortly
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
    """Some examples, and the network that was trained on all others.

    Attributes
    ----------
    rows : numpy.ndarray
        int64 ``(h,)``: the examples held out.
    others : numpy.ndarray
        int64 ``(n - h,)``: those that the network was trained on.
    codes : Codes
        Their codes, ``h`` rows.
    reference : Codes
        Codes of the others by the same network.
    network : torch.nn.Module
        In evaluation mode.
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
        int64 ``(n,)``, given.
    ids : numpy.ndarray
        int64 or str ``(n,)``.
    probabilities : numpy.ndarray
        float64 ``(n, c)``.
    folds : tuple of Fold
        Codes of two of them are those of two networks, and are never compared.
    rows : numpy.ndarray or None
        int64 ``(n,)``: which rows of the data they are, where some have no label and are left out; None for all.
    class_names : tuple of str
        Name of class 0, 1, ...; empty where classes have none.
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
        """Share of examples whose label the network that was not trained on them predicts."""
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
    """Predict and encode every example by a network that was trained on the others, fold by fold.

    A network that was trained on a wrong label has learnt to give it. Cross-validation gives each label to networks
    that never saw it.

    Parameters
    ----------
    train_network : str or callable
        An architecture of `hashlens.nets.build`, trained as :func:`hashlens.train` would; the perceptrons of all folds
        in one pass. Or ``train_network(examples, seed=...)``, which trains a fresh network on `ArrayExamples` and
        returns it: your own, or ``functools.partial(hashlens.train, "cnn", epochs=5)``.
    data : str, Examples, pair, Dataset or DataLoader
        n labelled examples, what :func:`hashlens.load_data` takes; held whole in memory. Those without a label are
        left out.
    folds : int
        Networks to train, at least 2; each is trained on all but n / folds examples. Classes are spread evenly.
    reading, **options
        How the networks are read: a :class:`hashlens.Reading`, or its fields; by default ``bits=1024`` and
        ``batch_size=256``. Folds, weights and orders are drawn from ``seed`` too, and an architecture is trained on
        ``device``. Other options are those of the architecture, as :func:`hashlens.train` takes them.
    recipe, epochs
        As in :func:`hashlens.train`, for an architecture.

    Returns
    -------
    OutOfSample
        Takes the place of codes in :func:`hashlens.audit.label_issues`.

    Raises
    ------
    AuditError
        If the examples have no labels or are too few, or a network has no output for one.
    HashlensError
        As :func:`hashlens.train` and :func:`hashlens.encode` raise.
    """
    read, arguments = split_options(options)
    how = Reading.from_options(out_of_sample, reading, read, bits=1024, batch_size=256)
    seed = how.seed
    examples = load_data(data).load()
    require_whole(AuditError, "folds", folds, 2)
    examples, labelled_rows = _labelled(examples)
    labels, classes = _checked(examples, folds)
    if callable(train_network) and (arguments or epochs is not None):
        raise AuditError("epochs and arguments are for an architecture's name: a function brings its own")
    held_out = [np.flatnonzero(_folds(labels, folds, seed) == fold) for fold in range(folds)]
    # A class that one part has no example of needs an output all the same.
    named = replace(examples, class_names=examples.class_names or tuple(map(str, range(classes))))
    parts = (named.select(_without(len(labels), rows)) for rows in held_out)
    seeds = [torch_seed(seed, "fold", fold) for fold in range(folds)]
    networks: Iterator[torch.nn.Module]
    if callable(train_network):
        networks = (
            _network(train_network(part, seed=network_seed)) for part, network_seed in zip(parts, seeds, strict=True)
        )
    else:
        networks = _trained(train_network, parts, seeds, find_recipe(recipe), epochs, how.device, arguments)
    probabilities = np.empty((len(labels), classes))
    fold_list = []
    with bar("out of sample", folds) as advance:
        for rows, network in zip(held_out, networks, strict=True):
            predictions = predict(network, examples, how)
            if predictions.probabilities.shape[1] != classes:
                raise AuditError(
                    f"the labels tell {classes} classes apart and the network {predictions.probabilities.shape[1]}: "
                    "train_network must return one with an output for each class"
                )
            probabilities[rows] = predictions.probabilities[rows]
            others = _without(len(labels), rows)
            fold_list.append(Fold(rows, others, predictions.codes[rows], predictions.codes[others], network))
            advance("")
    return OutOfSample(labels, examples.ids, probabilities, tuple(fold_list), labelled_rows, examples.class_names or ())


def _labelled(examples: ArrayExamples) -> tuple[ArrayExamples, npt.NDArray[np.int64] | None]:
    """Return the examples that have a label, and which they are; None for all."""
    labelled = None if examples.labels is None else has_label(examples.labels)
    if labelled is None or labelled.all() or not labelled.any():
        return (examples if labelled is None or labelled.any() else replace(examples, labels=None)), None
    rows = np.flatnonzero(labelled)
    return examples.select(rows), rows


def _checked(examples: ArrayExamples, folds: int) -> tuple[Labels, int]:
    """Return the labels, and how many classes they are of."""
    if examples.labels is None:
        raise AuditError(f"{examples.name} has no labels, and there are none to look for mistakes in: give labels")
    if len(examples) < 2 * folds:
        raise AuditError(f"{examples.name}: {folds} folds need at least {2 * folds} examples, received {len(examples)}")
    named = 0 if examples.class_names is None else len(examples.class_names)
    return examples.labels, max(int(examples.labels.max()) + 1, named, 2)


def _folds(labels: Labels, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the fold of each example, drawn at random, with the same share of each class in all."""
    order = np.lexsort([numpy_generator(seed, "folds").random(len(labels)), labels])
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def _without(count: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return all of `count` rows but these."""
    return np.setdiff1d(np.arange(count), rows)


def _network(returned: Any) -> torch.nn.Module:
    network = returned.network if isinstance(returned, Trained) else returned
    if not isinstance(network, torch.nn.Module):
        raise AuditError(f"train_network must return a torch.nn.Module, received {shortly(returned)}")
    return network.eval()


def _trained(
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
    """Train a perceptron on each part, all in one pass."""
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
