"""Atomic writing: a file is written under a temporary name beside its target, then renamed.

One rule holds for everything that the library writes: existing files are replaced only with ``overwrite=True`` (on the
command line ``--force``).
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import xxhash

from hashlens.csv_cells import as_cell
from hashlens.errors import OutputError


@contextmanager
def atomic_write(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, at which the caller creates a file or folder; rename it at the end.

    If the body raises, the temporary file or folder is deleted, and `path` stays unchanged. An OSError of the body
    counts as a failure to write.

    Raises
    ------
    OutputError
        If `path` exists and `overwrite` is false, or cannot be written.
    """
    target = output_path(path, overwrite)
    temporary = _temporary_path(target, "partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        output_path(path, overwrite)  # another process may have written it meanwhile
        _replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}; free some space or choose another path"
        ) from error
    finally:
        _remove(temporary)


def output_path(path: str | Path, overwrite: bool = True) -> Path:
    """Return `path` with symbolic links resolved, so that writing does not replace the links.

    By default `path` may exist: the caller only compares paths, or checks in another way whether it may be replaced.

    Raises
    ------
    OutputError
        If it cannot be a file or folder (a device, a name too long), or it exists and `overwrite` is false.
    """
    try:
        target = as_path(path).resolve()
        exists = target.exists()
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{str(path)!r} cannot be written: {reason}; choose another path") from error
    if not target.name or (Path(path).exists() and not (target.is_file() or target.is_dir())):
        raise OutputError(f"{path} is not a file or folder that can be replaced: choose another path")
    if exists and not overwrite:
        raise OutputError(f"{path} exists already: choose another path, or give overwrite=True")
    return target


def as_path(path: str | Path) -> Path:
    """Return an output path as a Path.

    Raises
    ------
    OutputError
        If it is not a valid path.
    """
    try:
        return Path(path)
    except TypeError as error:
        raise OutputError(f"a path is text or a pathlib.Path, received {path!r:.60}") from error


def _temporary_path(target: Path, ending: str) -> Path:
    """Return a unique hidden name next to `target`, short enough for any file system."""
    return target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.{ending}")


def _replace(temporary: Path, target: Path) -> None:
    if temporary.is_dir() and target.exists():
        old = _temporary_path(target, "old")
        os.replace(target, old)
        os.replace(temporary, target)
        _remove(old)
    else:
        os.replace(temporary, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Raise OutputError if `path` cannot be written; called before a long computation.

    The folder of `path` is created if it is missing.
    """
    target = output_path(path, overwrite)
    probe = _temporary_path(target, "probe")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; choose another path") from error


def write_columns(path: str | Path, columns: Mapping[str, Any], *, overwrite: bool = False) -> Path:
    """Write columns of equal length as CSV, atomically, and return the path.

    Texts that a spreadsheet would read as formulas get an apostrophe before them; see :mod:`hashlens.csv_cells`.
    """
    import pyarrow as pa
    import pyarrow.csv

    table = pa.table(dict(columns))
    for i, column in enumerate(table.columns):
        if pa.types.is_string(column.type):
            cells = [None if text is None else as_cell(text) for text in column.to_pylist()]
            table = table.set_column(i, table.column_names[i], pa.array(cells, pa.string()))
    with atomic_write(path, overwrite=overwrite) as temporary:
        pyarrow.csv.write_csv(table, temporary)
    return Path(path)


def file_digest(path: Path) -> str:
    """Return the xxh3-128 hash of a file's bytes, as 32 hex digits."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            hasher.update(block)
    return hasher.hexdigest()
