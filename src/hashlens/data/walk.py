"""Find the files of examples in a folder: hidden files are not examples, and skipped files are counted."""

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path, PurePath
from typing import NoReturn

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"})
"""Folders that archives, network drives and operating systems add, with copies and previews of the data."""


def is_hidden(path: str | PurePath) -> bool:
    """Return whether any part of a path relative to the data folder is hidden or a system folder.

    >>> is_hidden("cat/.ipynb_checkpoints/1-checkpoint.jpg"), is_hidden("cat/._1.jpg"), is_hidden("cat/1.jpg")
    (True, True, False)
    """
    return any(part.startswith(".") or part in SYSTEM_FOLDERS for part in PurePath(path).parts)


def files_under(root: Path, suffixes: Collection[str]) -> tuple[list[Path], Counter[str]]:
    """Return the files in a folder and its subfolders that have one of the `suffixes`, and counts of skipped files.

    Links are followed, except links to a folder that contains them.

    Parameters
    ----------
    root : Path
        The folder.
    suffixes : collection of str
        Suffixes in lower case, such as ``".png"``.

    Returns
    -------
    tuple
        The files, sorted; and the counts of skipped files by kind: hidden files with one of the suffixes, broken links,
        links to a containing folder, pipes and devices, and visible files with other suffixes.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """
    files, skipped = list[Path](), Counter[str]()
    for folder, folders, names in os.walk(root, onerror=_raise, followlinks=True):
        path = Path(folder)
        endless = {name for name in folders if _leads_to_containing_folder(root, path / name)}
        skipped["links to a containing folder"] += len(endless)
        folders[:] = [name for name in folders if name not in endless]
        folder_is_hidden = is_hidden(path.relative_to(root))
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if folder_is_hidden or is_hidden(name):
                skipped["hidden"] += suffix in suffixes
            elif suffix not in suffixes:
                skipped[suffix or "without a suffix"] += 1
            elif (path / name).is_file():
                files.append(path / name)
            else:
                skipped["broken links" if (path / name).is_symlink() else "pipes and devices"] += 1
    return sorted(files), +skipped  # the unary plus drops kinds with a count of 0


def skipped_line(skipped: Counter[str]) -> str:
    """Return one line that counts what was skipped.

    >>> skipped_line(Counter({".txt": 1, "hidden": 2}))
    'skipped 3 files that are not examples: 2 hidden, 1 .txt'
    """
    kinds = ", ".join(f"{count} {kind}" for kind, count in skipped.most_common())
    total = skipped.total()
    return f"skipped {total} {'file that is not an example' if total == 1 else 'files that are not examples'}: {kinds}"


def _leads_to_containing_folder(root: Path, path: Path) -> bool:
    """Return whether a path is a link to a folder that contains it; following it would never end."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return any(
        parent.resolve().is_relative_to(target)
        for parent in path.parents
        if parent == root or parent.is_relative_to(root)
    )


def _raise(error: OSError) -> NoReturn:
    raise error
