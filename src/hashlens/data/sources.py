"""load_data: examples from any source, by its name or from objects."""

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
    """Kind of source.

    Attributes
    ----------
    form : str
        Form of its string.
    open : callable
        Function that opens an address.
    remote : bool
        Whether opening it may download data.
    splits_joined : bool
        Whether an address without a split stands for all splits.
    decoded : bool
        Whether it has image files; they take the options of :class:`hashlens.data.decode.Decoding`.
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
    """Return examples from the name of a source, or from a data set, loader or arrays.

    Parameters
    ----------
    source : str, Examples, Dataset, DataLoader, tensor, array, a pair of inputs and labels, or a list of samples
        A string is one of

        - ``digits#train``, ``digits#test``, or ``digits`` for both: the digits that come with scikit-learn;
        - ``parquet:DIR#SPLIT``, ``parquet:FILE``: the Hub's layout of images, streamed;
        - ``npz:FILE``, ``npz:FILE#SPLIT``: arrays saved by NumPy;
        - ``folder:DIR``, ``folder:DIR#SPLIT``: images with one subfolder for each class, streamed;
        - ``torchvision:NAME:ROOT#SPLIT``: a data set of torchvision, streamed;
        - ``hub:OWNER/NAME#SPLIT``: images on the Hugging Face Hub, streamed;
        - ``adult#SPLIT``, ``imdb#SPLIT``: from OpenML and from the Hub;

        It may end in a range of rows ``[start:stop]``, as in ``parquet:data/mnist#train[:48000]``. Image files are
        turned upright by their EXIF orientation, and transparent ones are drawn on white. A network may have been
        trained on the stored images without these changes: then put ``?orientation=ignore`` and
        ``?transparency=ignore`` before the split: ``folder:photos?orientation=ignore&transparency=ignore#test``.
        ``?channels=3`` decodes all images as colour, even if the first one is grey.

        Tensors and arrays are ``(n, ...)`` and keep their dtype; labels are ``(n,)``, class numbers or class names. A
        map-style data set, or a loader over one, is read in the order of the data set without dropping rows; ids are
        its indices, or names of files. A ``Subset`` or ``ConcatDataset`` has the ids of the underlying data sets. A
        data set of Hugging Face `datasets` may have a column of images in any format, which are decoded and scaled, and
        labels that are names. A list of tensors, of pairs (input, label) or of dicts is a data set too. A loader with
        its own sampler, or over an iterable data set, is used unchanged. Batches are a tensor, a tuple (inputs, labels,
        ...), or a dict with ``label`` or ``labels``.
    transform : callable, optional
        Function from the inputs ``(b, ...)`` of a batch to inputs ``(b, ...)``, such as a normalisation. By default
        there is none.

    Raises
    ------
    DataError
        If the source is unknown, missing, damaged or empty, or its labels are not classes.
    MissingExtraError
        If it needs a package that is not installed.

    Examples
    --------
    >>> examples = load_data("digits#train[:1000]")
    >>> len(examples), next(examples.batches(256)).inputs.shape
    (1000, torch.Size([256, 1, 8, 8]))
    """
    examples = _open(source)
    return TransformedExamples(examples, transform) if transform else examples


def load_training_data(source: Any) -> Examples:
    """Return training examples as :func:`load_data` does, but reject a name that also stands for test examples.

    Raises
    ------
    DataError
        If the source is a name without a split that stands for all splits, such as ``digits``: its test rows would be
        used for training. An explicit range of rows, as in ``digits[:1000]``, is accepted.
    """
    if isinstance(source, str):
        address = parse(source)
        scheme = SCHEMES.get(address.scheme)
        if scheme is not None and scheme.splits_joined and address.text == address.whole:
            raise DataError(
                f"{source} also contains the test examples: train on {source}#train, or name the rows, as in "
                f"{source}[0:]"
            )
    return load_data(source)


def check_address(text: str) -> None:
    """Raise the error that :func:`load_data` would raise for a string, without downloading anything.

    Raises
    ------
    DataError
        If the string does not name a source, or names a local one that is missing, damaged or empty.
    MissingExtraError
        If it needs a package that is not installed.
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
        raise DataError("these are codes, not examples: give the data that was encoded")
    # Data sets of other libraries, such as Hugging Face's, are not subclasses of torch's, but work in loaders too.
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
        Decoding.from_address(address)
    elif address.options:
        schemes_with_options = ", ".join(name for name, each in SCHEMES.items() if each.decoded)
        raise DataError(
            f"{address.text}: {address.scheme} takes no options; those of image files are for {schemes_with_options}"
        )
    return scheme


def _open_address(address: Address) -> Examples:
    examples = _scheme(address).open(address)
    if address.start is None and address.stop is None:
        return examples
    return examples.narrow(address.start, address.stop)


def _is_pair(source: Sequence[Any]) -> bool:
    """Return whether a tuple or list is the inputs and labels of many examples, rather than two examples."""
    if len(source) != 2 or not is_array(source[0]):
        return False
    if isinstance(source, tuple):
        return True
    # In a list, two arrays of equal shape are two samples, and so are arrays that cannot be labels, which are (n,).
    shapes = [np.shape(part) if is_array(part) else (len(part),) if isinstance(part, Sized) else () for part in source]
    return shapes[0] != shapes[1] and len(shapes[1]) == 1 and len(shapes[0]) > 1
