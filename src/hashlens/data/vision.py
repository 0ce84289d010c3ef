"""The data sets of torchvision, as they lie on disk."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from hashlens.data.address import Address
from hashlens.data.images import Encoded, ImageExamples, checked
from hashlens.data.labels import class_labels
from hashlens.data.reading import reading
from hashlens.errors import DataError, MissingExtraError, nearest


def open_vision(address: Address) -> "VisionExamples":
    """Return a data set of torchvision by class name and root folder; nothing is downloaded.

    The split is handed over as ``train=`` or ``split=``, whichever the class takes.

    Raises
    ------
    MissingExtraError
        When torchvision is not installed.
    DataError
        When the class is not known, or its files are missing or hold no labelled images.
    """
    try:
        with reading("torchvision", RuntimeError, way_out="install the version that was built for this torch"):
            from torchvision import datasets
    except ImportError:
        raise MissingExtraError("torchvision", "vision", address.text) from None
    name, separator, root = address.place.partition(":")
    if not separator or not root:
        raise DataError(f"{address.text}: expected torchvision:NAME:ROOT#SPLIT, as in torchvision:MNIST:data#train")
    known = {each: kind for each in datasets.__all__ if _takes_root(kind := getattr(datasets, each))}
    if name not in known:
        raise DataError(f"{address.text}: torchvision has no data set {name!r}; {nearest(name, known)}")
    arguments = _arguments(address, known[name])
    # Each class of torchvision has its own way to say that files are missing or broken.
    with reading(f"{address.text}: {root!r}", Exception):
        dataset = known[name](root, **arguments)
        labels = _labels(dataset)
    if len(dataset) == 0:
        raise DataError(f"{address.text}: there are no examples in {root!r}")
    if not isinstance(image := dataset[0][0], Image.Image):
        raise DataError(f"{address.text}: {name} gives {type(image).__name__}, expected images")
    codes, _ = class_labels(labels, address.text)
    classes = getattr(dataset, "classes", None)
    return VisionExamples(
        name=address.text,
        labels=codes,
        ids=np.arange(len(dataset)),
        class_names=tuple(map(str, classes)) if classes else None,
        shape=checked(image, None, address.text, 0).shape,
        dataset=dataset,
    )


@dataclass(eq=False, kw_only=True)
class VisionExamples(ImageExamples):
    """Images of a map-style `dataset` that gives pairs of an image and a label."""

    dataset: Any

    def _encoded(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        for start in range(0, len(self), batch_size):
            rows = self.ids[start : start + batch_size]
            with reading(f"{self.name}: one of rows {rows[0]} to {rows[-1]}", Exception):
                images = [self.dataset[int(row)][0] for row in rows]
            yield images


def _takes_root(kind: Any) -> bool:
    return inspect.isclass(kind) and "root" in inspect.signature(kind).parameters


def _arguments(address: Address, kind: Any) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"download": False} if "download" in parameters else {}
    if "train" in parameters:
        arguments["train"] = address.choose(["train", "test"]) == "train"
    elif "split" in parameters:
        if address.split is None:
            raise DataError(f"{address.text}: say which split: {address.whole}#train or {address.whole}#test")
        arguments["split"] = address.split
    elif address.split:
        raise DataError(f"{address.text}: this data set has no splits; leave out #{address.split}")
    return arguments


def _labels(dataset: Any) -> Any:
    for attribute in ("targets", "labels"):
        if hasattr(dataset, attribute):
            return getattr(dataset, attribute)
    return [dataset[row][1] for row in range(len(dataset))]
