"""One name for every source of examples."""

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset

from hashlens.data.address import Address, parse
from hashlens.data.adult import open_adult
from hashlens.data.arrays import from_arrays
from hashlens.data.columns import from_columns, has_columns
from hashlens.data.decode import Decoding
from hashlens.data.digits import open_digits
from hashlens.data.examples import Examples
from hashlens.data.folder import open_folder
from hashlens.data.hub import open_hub
from hashlens.data.imdb import open_imdb
from hashlens.data.loader import DatasetExamples, from_loader
from hashlens.data.npz import open_npz
from hashlens.data.parquet import open_parquet
from hashlens.data.samples import from_samples, is_array
from hashlens.data.transformed import Transform, TransformedExamples
from hashlens.data.vision import open_vision
from hashlens.errors import DataError, nearest


class Scheme(NamedTuple):
    """How sources of one kind are written, what opens them, and what else is to know of them.

    That is whether opening downloads, whether no split means all of them, and whether they are of image files, which
    take the options of :class:`hashlens.data.decode.Decoding`.
    """

    form: str
    open: Callable[[Address], Examples]
    remote: bool = False
    splits_joined: bool = False
    decoded: bool = False


SCHEMES = {
    "adult": Scheme("adult#SPLIT", open_adult, remote=True),
    "digits": Scheme("digits#SPLIT", open_digits, splits_joined=True),
    "folder": Scheme("folder:DIR#SPLIT", open_folder, decoded=True),
    "hub": Scheme("hub:OWNER/NAME#SPLIT", open_hub, remote=True, decoded=True),
    "imdb": Scheme("imdb#SPLIT", open_imdb, remote=True),
    "npz": Scheme("npz:FILE#SPLIT", open_npz),
    "parquet": Scheme("parquet:DIR#SPLIT", open_parquet, decoded=True),
    "torchvision": Scheme("torchvision:NAME:ROOT#SPLIT", open_vision, decoded=True),
}


def load_data(source: Any, *, transform: Transform | None = None) -> Examples:
    """Return examples from whatever names or holds them.

    Parameters
    ----------
    source : str, Examples, Dataset, DataLoader, tensor, array, a pair of inputs and labels, or a list of samples
        A string is one of

        - ``digits#train``, ``digits#test``, or ``digits`` for both: the digits that scikit-learn ships;
        - ``parquet:DIR#SPLIT``, ``parquet:FILE``: the Hub's layout of images, streamed;
        - ``npz:FILE``, ``npz:FILE#SPLIT``: arrays that NumPy saved;
        - ``folder:DIR``, ``folder:DIR#SPLIT``: class sub-folders of images, streamed;
        - ``torchvision:NAME:ROOT#SPLIT``: a data set of torchvision, streamed;
        - ``hub:OWNER/NAME#SPLIT``: images on the Hugging Face Hub, streamed;
        - ``adult#SPLIT``, ``imdb#SPLIT``: from OpenML and from the Hub;

        and may end in ``[start:stop]``, the rows to take: ``parquet:data/mnist#train[:48000]``. Image files are turned
        upright by their EXIF, and what is transparent is drawn on white; for a network that was fed them as they are
        stored, ``?orientation=ignore`` and ``?transparency=ignore`` stand before the split:
        ``folder:photos?orientation=ignore&transparency=ignore#test``. ``?channels=3`` takes grey images as colour where
        the first one is grey.

        Tensors and arrays are ``(n, ...)`` and keep their dtype; labels are ``(n,)``, class numbers or class names. A
        map-style data set, or a loader over one, is taken in the order of the data set with no row dropped, and ids are
        indices into it, or files where it is of files; a ``Subset`` or ``ConcatDataset`` has the ids of what is
        underneath. Of a data set of `datasets` a column of images is decoded and scaled, in whatever format it is, and
        labels may be names. A list of tensors, of pairs (input, label) or of dicts is one too. A loader with a sampler
        of its own or an iterable data set is used as it is. Batches are a tensor, a tuple (inputs, labels, ...), or a
        dict with ``label`` or ``labels``.
    transform : callable, optional
        Maps the inputs ``(b, ...)`` of a batch to inputs ``(b, ...)``, as a normalisation does.

    Raises
    ------
    DataError
        When the source is not known or not there, broken, empty, or has labels that are not classes.
    MissingExtraError
        When it needs a package that is not installed.

    Examples
    --------
    >>> examples = load_data("digits#train[:1000]")
    >>> len(examples), next(examples.batches(256)).inputs.shape
    (1000, torch.Size([256, 1, 8, 8]))
    """
    examples = _open(source)
    return TransformedExamples(examples, transform) if transform else examples


def load_training_data(source: Any) -> Examples:
    """Return examples to train on, or that a network was trained on: as :func:`load_data`, and never test rows unasked.

    Raises
    ------
    DataError
        When the source is a name whose splits are joined where none is named, as ``digits``: its test rows would be
        among those to train on. Rows that are named, as in ``digits[:1000]``, are taken.
    """
    if isinstance(source, str):
        address = parse(source)
        scheme = SCHEMES.get(address.scheme)
        if scheme is not None and scheme.splits_joined and address.text == address.whole:
            raise DataError(
                f"{source} holds its test examples too: train on {source}#train, or name the rows, as in {source}[0:]"
            )
    return load_data(source)


def check_address(text: str) -> None:
    """Raise the error of :func:`load_data` for a string that it would not take; nothing is downloaded for that.

    Raises
    ------
    DataError
        When the string names no source, or one of this machine that is not there, broken or empty.
    MissingExtraError
        When it needs a package that is not installed.
    """
    address = parse(text)
    if not _scheme(address).remote:
        _open_address(address)


def _open(source: Any) -> Examples:
    if isinstance(source, Examples):
        return source
    if isinstance(source, str):
        return _open_address(parse(source))
    if isinstance(source, DataLoader):
        return from_loader(source)
    if isinstance(source, Dataset):
        return DatasetExamples(source)
    if isinstance(source, tuple | list):
        return from_arrays(source[0], source[1]) if _is_pair(source) else from_samples(source)
    if is_array(source):
        return from_arrays(source)
    if hasattr(source, "packed"):
        raise DataError("these are codes, not the examples that they are of: give the data that was encoded")
    # Other libraries' data sets, as those of Hugging Face, are no subclasses of torch's and serve a loader as well.
    if hasattr(source, "__getitem__") and isinstance(source, Sized) and not isinstance(source, Mapping | bytes):
        return from_columns(source) if has_columns(source) else DatasetExamples(source)
    raise DataError(
        f"{type(source).__name__} is not a source; expected a string, as 'digits', a torch Dataset or DataLoader, a "
        "tensor or array, or a pair (inputs, labels)"
    )


def _scheme(address: Address) -> Scheme:
    scheme = SCHEMES.get(address.scheme)
    if scheme is None:
        hint = nearest(address.scheme, SCHEMES)
        if Path(address.scheme).exists():
            hint = "it is a path: write parquet:, npz: or folder: before it; a CSV file is read by pandas, in Python"
        raise DataError(f"{address.text!r}: there is no source {address.scheme!r}; {hint}")
    if (":" in scheme.form) != bool(address.place):
        raise DataError(f"{address.text!r}: write this source as {scheme.form}")
    if address.options and scheme.decoded:
        Decoding.of(address)
    elif address.options:
        takers = ", ".join(name for name, each in SCHEMES.items() if each.decoded)
        raise DataError(f"{address.text}: {address.scheme} takes no options; those of image files are for {takers}")
    return scheme


def _open_address(address: Address) -> Examples:
    examples = _scheme(address).open(address)
    if address.start is None and address.stop is None:
        return examples
    return examples.narrow(address.start, address.stop)


def _is_pair(source: Sequence[Any]) -> bool:
    """Return whether a tuple or list is inputs and labels of many examples, and not two examples."""
    if len(source) != 2 or not is_array(source[0]):
        return False
    if isinstance(source, tuple):
        return True
    # In a list, two arrays of one shape are two samples, as are any that labels cannot be: labels are (n,).
    shapes = [np.shape(part) if is_array(part) else (len(part),) if isinstance(part, Sized) else () for part in source]
    return shapes[0] != shapes[1] and len(shapes[1]) == 1 and len(shapes[0]) > 1
