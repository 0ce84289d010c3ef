"""Examples from NumPy ``.npz`` files."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.data.address import Address
from hashlens.data.arrays import from_arrays
from hashlens.data.examples import ArrayExamples
from hashlens.data.reading import reading
from hashlens.errors import DataError

# Common key names of inputs and labels. The first pair whose inputs are present is used.
KEYS = (("x", "y"), ("X", "y"), ("inputs", "labels"), ("images", "labels"), ("data", "target"))
SPLIT_KEYS = (("x_{}", "y_{}"), ("X_{}", "y_{}"), ("{}_images", "{}_labels"))


def open_npz(address: Address) -> ArrayExamples:
    """Return the inputs and labels in an ``.npz`` file.

    The keys are a pair of `KEYS`, or split keys (`SPLIT_KEYS`) as in the data sets of Keras: ``x_train``, ``y_train``,
    ``x_test``, ``y_test``. ``#train`` or ``#test`` in the address selects one of the splits. Labels may be missing.

    uint8 arrays are images of shape ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)``. They are scaled by 1/255.
    float64 is converted to float32. Other types are not changed.

    Raises
    ------
    DataError
        If the file is broken, has none of these keys, or contains Python objects. Pickles are never loaded.
    """
    path = address.path()
    broken = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
    converted_errors = reading(
        f"{address.text}: {str(path)!r}", *broken, hint="expected an .npz file without Python objects"
    )
    # The file is opened here, since NumPy does not close a file that is not a zip archive.
    with converted_errors, path.open("rb") as stream:
        file = np.load(stream, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array")
        inputs_key, labels_key = _keys(address, file.files)
        inputs = file[inputs_key]
        labels = file[labels_key] if labels_key in file.files else None
    images = inputs.dtype == np.uint8
    if images:
        inputs = _channels_first(inputs, f"{address.text}: array {inputs_key!r}")
    elif inputs.dtype == np.float64:
        inputs = inputs.astype(np.float32)
    return from_arrays(inputs, labels, name=address.text, scale=1 / 255 if images else 1.0)


def _keys(address: Address, present: list[str]) -> tuple[str, str]:
    unsplit = [pair for pair in KEYS if pair[0] in present]
    splits = dict(_splits(present))
    if unsplit and not address.split:
        return unsplit[0]
    if splits:
        return splits[address.choose(splits)]
    expected = "x and y, x_train and y_train with #train, inputs and labels, images and labels, data and target"
    problem = f"split {address.split!r} has no arrays" if unsplit else "no array of inputs"
    raise DataError(f"{address.text}: {problem}; expected {expected}; the file has {', '.join(present) or 'nothing'}")


def _splits(present: list[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the name of each split with the keys of its inputs and labels."""
    for inputs, labels in SPLIT_KEYS:
        prefix, suffix = inputs.split("{}")
        for key in present:
            split = key.removeprefix(prefix).removesuffix(suffix)
            if split and key == inputs.format(split):
                yield split, (key, labels.format(split))


def _channels_first(images: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return images
    raise DataError(
        f"{name}: uint8 is read as images, (n, h, w) or (n, h, w, c) with 1 or 3 channels, received "
        f"{images.shape}; save other inputs as float32"
    )
