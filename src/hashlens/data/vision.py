"""Data sets of torchvision that are on disk."""

import inspect
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hashlens.data.address import Address
from hashlens.data.decode import Decoding, Encoded
from hashlens.data.images import ImageExamples, decode_named
from hashlens.data.labels import ClassNames, Labels, class_labels
from hashlens.data.reading import reading
from hashlens.data.walk import is_hidden, skipped_line
from hashlens.errors import DataError, MissingExtraError, nearest

_log = logging.getLogger("hashlens")


def open_vision(address: Address) -> "VisionExamples":
    """Return a data set of torchvision by class name and root folder; nothing is downloaded.

    The split is passed as ``train=`` or ``split=``, whichever the class takes.

    Raises
    ------
    MissingExtraError
        If torchvision is not installed.
    DataError
        If the class is not known, or its files are missing or hold no labelled images.
    """
    try:
        with reading("torchvision", RuntimeError, hint="install the version that was built for this torch"):
            from torchvision import datasets
    except ImportError:
        raise MissingExtraError("torchvision", "vision", address.text) from None
    name, separator, root = address.place.partition(":")
    if not separator or not root:
        raise DataError(f"{address.text}: expected torchvision:NAME:ROOT#SPLIT, as in torchvision:MNIST:data#train")
    classes = {each: kind for each in datasets.__all__ if _takes_root(kind := getattr(datasets, each))}
    if name not in classes:
        raise DataError(f"{address.text}: torchvision has no data set {name!r}; {nearest(name, classes)}")
    arguments, decoding = _arguments(address, classes[name]), Decoding.from_address(address)
    # Each class of torchvision raises other errors for missing or damaged files.
    with reading(f"{address.text}: {root!r}", Exception):
        dataset = classes[name](root, **arguments)
        labels = _labels(dataset)
    if len(dataset) == 0:
        raise DataError(f"{address.text}: there are no examples in {root!r}")
    numbers, _ = class_labels(labels, address.text)
    rows, numbers, class_names = _visible_rows(dataset, numbers)
    if len(rows) < len(dataset):
        _log.warning("%s: %s", address.text, skipped_line(Counter({"hidden": len(dataset) - len(rows)})))
    if not len(rows):
        raise DataError(f"{address.text}: there are no examples in {root!r} that are not hidden")
    with reading(f"{address.text}: row {rows[0]}", Exception):
        image = dataset[int(rows[0])][0]
    if not isinstance(image, Image.Image | Path):
        raise DataError(f"{address.text}: {name} gives {type(image).__name__}, expected images")
    # torchvision itself decodes every image file as colour.
    channels = 3 if isinstance(image, Path) else None
    return VisionExamples(
        name=address.text,
        labels=numbers,
        ids=rows,
        class_names=class_names,
        shape=decode_named(image, address.text, int(rows[0]), decoding, channels=channels).pixels.shape,
        decoding=decoding,
        dataset=dataset,
    )


@dataclass(eq=False, kw_only=True)
class VisionExamples(ImageExamples):
    """Images of a map-style `dataset` of pairs (image, label)."""

    dataset: Any

    def _encode(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        for start in range(0, len(self), batch_size):
            rows = self.ids[start : start + batch_size]
            with reading(f"{self.name}: one of rows {rows[0]} to {rows[-1]}", Exception):
                images = [self.dataset[int(row)][0] for row in rows]
            yield images


def _visible_rows(dataset: Any, labels: Labels) -> tuple[Labels, Labels, ClassNames]:
    """Return the rows that are not hidden files, their labels, and the class names.

    Data sets that walk a folder include hidden files and folders; the others list their files themselves.
    """
    rows, names = np.arange(len(labels)), tuple(map(str, getattr(dataset, "classes", None) or ()))
    samples = getattr(dataset, "samples", None)
    if not hasattr(dataset, "find_classes") or not isinstance(samples, list):
        return rows, labels, names or None
    visible = np.array([not is_hidden(Path(path).relative_to(dataset.root)) for path, _ in samples], np.bool_)
    visible_names = np.array([not is_hidden(name) for name in names], np.bool_)
    rows = rows[visible]
    return (
        rows,
        (np.cumsum(visible_names) - 1)[labels[rows]],
        tuple(name for name, is_visible in zip(names, visible_names, strict=True) if is_visible),
    )


def _takes_root(kind: Any) -> bool:
    return inspect.isclass(kind) and "root" in inspect.signature(kind).parameters


def _arguments(address: Address, kind: Any) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"download": False} if "download" in parameters else {}
    if "loader" in parameters:
        arguments["loader"] = Path
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
