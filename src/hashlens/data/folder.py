"""A folder of images with one subfolder for each class."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hashlens.data.address import Address
from hashlens.data.decode import Decoding, Encoded
from hashlens.data.images import ImageExamples, decode_named
from hashlens.data.reading import reading
from hashlens.data.walk import files_under, is_hidden, skipped_line
from hashlens.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
SPLITS = frozenset({"train", "test", "val", "valid", "validation"})

_log = logging.getLogger("hashlens")


def open_folder(address: Address) -> "FolderExamples":
    """Return the images of a folder; class names are the sorted names of its subfolders, ids are file names.

    ``#train`` selects the subfolder of that name. Images directly in the folder, without subfolders, have no labels.
    Hidden files and folders are skipped at any depth; a warning counts the skipped files.

    Raises
    ------
    DataError
        If there are no images, or it is ambiguous which subfolders are classes.
    """
    root = address.path()
    if not root.is_dir():
        raise DataError(
            f"{address.text}: {str(root)!r} is a file; expected a folder with one sub-folder for each class"
        )
    folders = _folders(root)
    if address.split or (folders and SPLITS.issuperset(folders)):
        root = root / address.choose(folders)
        folders = _folders(root)
    with reading(address.text, OSError):
        files, skipped = files_under(root, SUFFIXES)
    if skipped:
        _log.warning("%s: %s", address.text, skipped_line(skipped))
    if folders and any(path.parent == root for path in files):
        raise DataError(f"{address.text}: images both in {str(root)!r} and in its sub-folders; expected one of the two")
    if not files:
        raise DataError(
            f"{address.text}: there are no examples: no images ({' '.join(sorted(SUFFIXES))}) in {str(root)!r}"
        )
    for path in files:
        if (readable := os.fsencode(path).decode("utf-8", "backslashreplace")) != str(path):
            raise DataError(f"{address.text}: the name {readable!r} is not valid UTF-8, which ids must be: rename it")
    decoding = Decoding.from_address(address)
    numbers = {name: number for number, name in enumerate(folders)}
    ids = np.array([path.relative_to(root).as_posix() for path in files])
    return FolderExamples(
        name=address.text,
        labels=np.array([numbers[path.relative_to(root).parts[0]] for path in files], np.int64) if folders else None,
        ids=ids,
        class_names=tuple(folders) or None,
        shape=decode_named(files[0], address.text, ids[0], decoding).pixels.shape,
        decoding=decoding,
        root=root,
    )


@dataclass(eq=False, kw_only=True)
class FolderExamples(ImageExamples):
    """Images in files; ids are file names relative to `root`, a pathlib.Path."""

    root: Path

    def _encode(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        for start in range(0, len(self), batch_size):
            yield [self.root / name for name in self.ids[start : start + batch_size]]


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not is_hidden(path.name))
