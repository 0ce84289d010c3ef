"""Label noise and random inputs, from a generator that the caller passes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.examples import ArrayExamples, Examples
from hashlens.data.labels import has_label
from hashlens.errors import DataError, nearest

KINDS = ("bytes", "uniform")


def shuffle_labels(examples: Examples, fraction: float, generator: np.random.Generator) -> ArrayExamples:
    """Return the examples with a fraction of the labels shuffled among themselves.

    The class counts do not change, and some of the shuffled labels stay right by chance.

    Parameters
    ----------
    examples : Examples
        n labelled examples.
    fraction : float
        Share of labels to shuffle, 0 to 1: ``round(fraction * n)`` labels.
    generator : numpy.random.Generator
        Generator that chooses and shuffles them.

    Raises
    ------
    DataError
        If there are no labels, or `fraction` is out of range.
    """
    whole, labels, rows = _rows_for_noise(examples, fraction, generator)
    labels[rows] = labels[generator.permutation(rows)]
    return replace(whole, labels=labels, name=f"{whole.name} | shuffle_labels({fraction:g})")


def uniform_labels(examples: Examples, fraction: float, generator: np.random.Generator) -> ArrayExamples:
    """Return the examples with a fraction of the labels replaced by labels drawn uniformly over the classes.

    Parameters
    ----------
    examples : Examples
        n labelled examples. The classes are those of `class_names`, or 0 to the largest label without names.
    fraction : float
        Share of labels to replace, 0 to 1: ``round(fraction * n)`` labels.
    generator : numpy.random.Generator
        Generator that chooses and draws them.

    Raises
    ------
    DataError
        If there are no labels, or `fraction` is out of range.
    """
    whole, labels, rows = _rows_for_noise(examples, fraction, generator)
    classes = len(whole.class_names) if whole.class_names else int(labels.max()) + 1
    labels[rows] = generator.integers(classes, size=len(rows))
    return replace(whole, labels=labels, name=f"{whole.name} | uniform_labels({fraction:g})")


def swap_labels(
    examples: Examples, fraction: float, pairs: Sequence[tuple[int, int]], generator: np.random.Generator
) -> ArrayExamples:
    """Return the examples with a fraction of the labels in pairs of classes swapped.

    This models the mistakes of people who confuse classes that look alike.

    Parameters
    ----------
    examples : Examples
        Labelled examples.
    fraction : float
        Share of the labels of paired classes to change, 0 to 1: ``round(fraction * m)`` of their m examples.
    pairs : sequence of pairs of int
        Pairs of classes: with ``[(4, 9), (3, 5)]``, 4 becomes 9, 9 becomes 4, and so on.
    generator : numpy.random.Generator
        Generator that chooses the examples.

    Raises
    ------
    DataError
        If there are no labels, `fraction` is out of range, or a class is in two pairs or has no example.
    """
    whole, labels, _ = _rows_for_noise(examples, 0.0, generator)
    _require_fraction(whole, fraction)
    partners = {one: other for a, b in pairs for one, other in ((a, b), (b, a))}
    if len(partners) != 2 * len(pairs) or not set(partners) <= set(labels.tolist()):
        raise DataError(
            f"{whole.name}: pairs must be of different classes that occur, each in one pair, received {pairs!r}"
        )
    rows = np.flatnonzero(np.isin(labels, list(partners)))
    rows = generator.choice(rows, round(fraction * len(rows)), replace=False)
    labels[rows] = [partners[label] for label in labels[rows].tolist()]
    return replace(whole, labels=labels, name=f"{whole.name} | swap_labels({fraction:g})")


def random_inputs(
    examples_like: Examples,
    n: int,
    generator: np.random.Generator,
    kind: Literal["uniform", "bytes"] = "uniform",
) -> ArrayExamples:
    """Return random inputs with the shape of `examples_like`, without labels.

    Parameters
    ----------
    examples_like : Examples
        Examples whose first input has the required shape.
    n : int
        Number of inputs.
    generator : numpy.random.Generator
        Generator that draws them.
    kind : {"uniform", "bytes"}
        Distribution: uniform on (0, 1) in float32, or uniform bytes scaled by 1/255.

    Raises
    ------
    DataError
        If `n` is not positive, `kind` is not known, or the inputs are not single tensors.
    """
    if n < 1:
        raise DataError(f"requested {n} random inputs; expected 1 or more")
    first = next(examples_like.batches(1)).inputs
    if not isinstance(first, torch.Tensor):
        raise DataError(
            f"{examples_like.name}: inputs come as {type(first).__name__}; random inputs can be drawn for tensors only"
        )
    shape = (n, *first.shape[1:])
    inputs: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    if kind == "uniform":
        inputs, scale = generator.random(shape, np.float32), 1.0
    elif kind == "bytes":
        inputs, scale = generator.integers(256, size=shape, dtype=np.uint8), 1 / 255
    else:
        raise DataError(f"there are no random inputs of kind {kind!r}; {nearest(kind, KINDS)}")
    name = f"{examples_like.name} | random_inputs({kind})"
    return ArrayExamples(torch.from_numpy(inputs), None, np.arange(n), name, None, scale)


def _rows_for_noise(
    examples: Examples, fraction: float, generator: np.random.Generator
) -> tuple[ArrayExamples, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the examples in memory, a copy of their labels, and the labelled rows chosen for noise."""
    loaded = examples.load()
    if loaded.labels is None:
        raise DataError(f"{loaded.name}: there are no labels to add noise to")
    _require_fraction(loaded, fraction)
    labelled = np.flatnonzero(has_label(loaded.labels))
    chosen = generator.choice(len(labelled), round(fraction * len(labelled)), replace=False)
    return loaded, loaded.labels.copy(), labelled[chosen]


def _require_fraction(examples: Examples, fraction: float) -> None:
    if not 0 <= fraction <= 1:
        raise DataError(f"{examples.name}: the fraction of noise is {fraction}; expected 0 to 1")
