"""A folder of images, one sub-folder for each class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hashlens.data.address import Address
from hashlens.data.images import Encoded, ImageExamples, checked
from hashlens.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
SPLITS = frozenset({"train", "test", "val", "valid", "validation"})


def open_folder(address: Address) -> "FolderExamples":
    """Return the images of a folder: class names are the sorted names of its sub-folders, ids the file names.

    ``#train`` is the sub-folder of that name. Images right in the folder, without sub-folders, have no labels.

    Raises
    ------
    DataError
        When there are no images, or it is not clear which sub-folders are classes.
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
    files = [(path, -1) for path in _images(root.iterdir())]
    if files and folders:
        raise DataError(f"{address.text}: images both in {str(root)!r} and in its sub-folders; expected one of the two")
    for code, folder in enumerate(folders):
        files += [(path, code) for path in _images((root / folder).rglob("*"))]
    if not files:
        raise DataError(
            f"{address.text}: there are no examples: no images ({' '.join(sorted(SUFFIXES))}) in {str(root)!r}"
        )
    ids = np.array([path.relative_to(root).as_posix() for path, _ in files])
    return FolderExamples(
        name=address.text,
        labels=np.array([code for _, code in files], np.int64) if folders else None,
        ids=ids,
        class_names=tuple(folders) or None,
        shape=checked(files[0][0], None, address.text, ids[0]).shape,
        root=root,
    )


@dataclass(eq=False, kw_only=True)
class FolderExamples(ImageExamples):
    """Images in files; ids are their names relative to `root`, a pathlib.Path."""

    root: Path

    def _encoded(self, batch_size: int) -> Iterator[Sequence[Encoded]]:
        for start in range(0, len(self), batch_size):
            yield [self.root / name for name in self.ids[start : start + batch_size]]


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(paths: Iterator[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())
