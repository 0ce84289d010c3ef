"""What the study of finite and infinite networks works on: images, and what repeats draw of them."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.examples import ArrayExamples
from hashlens.data.sources import load_data
from hashlens.errors import StudyError
from hashlens.kernels.whitening import ZCA
from hashlens.result import Split
from hashlens.seeds import numpy_generator
from hashlens.study.cells import Cell
from hashlens.study.experiment import Resources

Array = npt.NDArray[Any]
T = TypeVar("T")
IMAGES = ("digits", "mnist", "mnist 7x7", "cifar10", "cifar10 8x8")
"""Sets of images; those with a size are means over squares of pixels."""
LARGE_RESULTS = 12
"""Number of large results, such as kernels, that are kept in memory."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Training and test images of one repeat.

    If the cell has a regularisation of ZCA, they are whitened; the whitening is fitted to all training images of the
    set.

    Attributes
    ----------
    x, test : numpy.ndarray
        float64 ``(n, channels, height, width)``.
    targets : numpy.ndarray
        ``(n, classes)``: 1 - 1/K for the right class, -1/K for the others.
    labels, test_labels : numpy.ndarray
        int64.
    """

    x: Array
    test: Array
    targets: Array
    labels: npt.NDArray[np.int64]
    test_labels: npt.NDArray[np.int64]

    @cached_property
    def test_targets(self) -> Array:
        """Targets of the test images."""
        return one_hot(self.test_labels, self.targets.shape[1])


def one_hot(labels: npt.NDArray[np.int64], classes: int) -> Array:
    """Return the targets of labels, ``(n, classes)``, whose rows sum to 0."""
    return np.asarray((np.eye(classes) - 1 / classes)[labels])


@dataclass(frozen=True, eq=False)
class FiniteInfiniteResources(Resources):
    """Images, and what runs have computed that others need too.

    Attributes
    ----------
    images : dict of str to Split of ArrayExamples
        Training and test images of each set that the study has.
    """

    images: dict[str, Split[ArrayExamples]] = field(kw_only=True)
    _small: dict[Any, Any] = field(default_factory=dict)
    _large: "OrderedDict[Any, Any]" = field(default_factory=OrderedDict)

    @property
    def digests(self) -> dict[str, str]:
        """Digests of the images, before any are made smaller."""
        return {
            f"{name}, {split}": part.digest()
            for name, of in self.images.items()
            for split, part in (("train", of.train), ("test", of.test))
            if " " not in name
        }

    def compute_once(self, key: Any, make: Callable[[], T], large: bool = False) -> T:
        """Return the result of `make`, which is called once for each key.

        Only the last `LARGE_RESULTS` large results are kept: an older one is computed again.
        """
        results = self._large if large else self._small
        if key not in results:
            results[key] = make()
            if large and len(self._large) > LARGE_RESULTS:
                self._large.popitem(last=False)
        if large:
            self._large.move_to_end(key)
        found: T = results[key]
        return found

    def draw(self, cell: Cell, repeat: int) -> Draw:
        """Return the images of a repeat: with more examples, further ones are added to those of fewer."""
        key = ("draw", cell["images"], cell["examples"], cell["zca"], is_convolutional(cell), repeat)
        return self.compute_once(key, lambda: self._make_draw(cell, repeat), large=True)

    def _make_draw(self, cell: Cell, repeat: int) -> Draw:
        spec, name, of = self.spec, cell["images"], self.images[cell["images"]]
        n = cell["examples"]
        if n > len(of.train):
            raise StudyError(f"{name} has {len(of.train):,} training images here, and a cell has {n:,}: raise pool")
        source = name.partition(" ")[0]
        rows = [
            numpy_generator(spec.seed, "images", source, split, repeat).permutation(len(part))[:count]
            for split, part, count in (
                ("train", of.train, n),
                ("test", of.test, spec.test_convolutional if is_convolutional(cell) else spec.test),
            )
        ]
        x, test = (part.tensor(chosen).double().numpy() for part, chosen in zip((of.train, of.test), rows, strict=True))
        labels, test_labels = (
            np.asarray(part.labels)[chosen] for part, chosen in zip((of.train, of.test), rows, strict=True)
        )
        if cell["zca"]:
            whiten = self.compute_once(
                ("whitening", name, cell["zca"]), lambda: ZCA.fit(of.train.tensor(), cell["zca"])
            )
            x, test = whiten(x), whiten(test)
        classes = len(of.train.class_names or ()) or int(np.asarray(of.train.labels).max()) + 1
        return Draw(x, test, one_hot(labels, classes), labels, test_labels)


def is_convolutional(cell: Cell) -> bool:
    """Return whether the network of a cell has convolutions."""
    return not str(cell["network"]).startswith("fc:")


def open_all(names: Iterable[str], folder: str, pool: int) -> dict[str, Split[ArrayExamples]]:
    """Return the training and test images of sets by name.

    Sets with a size, such as ``mnist 7x7``, are means over squares of pixels of another set, which is returned too.
    Of each split the first `pool` images are read; digits are read whole.
    """
    found = {source: open_images(source, folder, pool) for source in {name.partition(" ")[0]: 0 for name in names}}
    for name in names:
        source, _, size = name.partition(" ")
        if size:
            whole = found[source]
            found[name] = Split(*(_shrink(part, int(size.partition("x")[0])) for part in (whole.train, whole.test)))
    return found


def open_images(source: str, folder: str, pool: int) -> Split[ArrayExamples]:
    """Return the training and test images of a set of original size: the first `pool` of each, digits whole."""
    if source == "digits":
        parts = [load_data(f"digits#{split}").load() for split in ("train", "test")]
    elif not folder:
        raise StudyError(f"the study needs {source}: give folder, a folder with {source} and its Parquet files")
    else:
        place = Path(folder) / source
        parts = [load_data(f"parquet:{place}#{split}[:{pool}]").load() for split in ("train", "test")]
    for part in parts:
        if part.labels is None:
            raise StudyError(f"{part.name} has no labels, which the study needs")
    return Split(*parts)


def _shrink(examples: ArrayExamples, size: int) -> ArrayExamples:
    """Return images of another size: means over squares."""
    values = examples.tensor().double()
    small = torch.nn.functional.avg_pool2d(values, values.shape[-1] // size).float()
    return ArrayExamples(small, examples.labels, examples.ids, examples.name, examples.class_names)
