"""Writing that leaves either the whole result or nothing: beside the target first, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import xxhash

from hashlens.errors import OutputError


@contextmanager
def written_whole(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`, a file or folder for the caller to make; rename it at the end.

    When the body raises, what it wrote is removed and what stood at `path` stays as it was.

    Raises
    ------
    OutputError
        If `path` exists and `overwrite` is false, or the disk refuses.
    """
    target = Path(path)
    _refuse_existing(target, overwrite)
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        _replace(beside, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}; free some space or choose another path"
        ) from error
    finally:
        _remove(beside)


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already: choose another path, or give overwrite=True (--force)")


def _replace(beside: Path, target: Path) -> None:
    if beside.is_dir() and target.exists():
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        os.replace(target, old)
        os.replace(beside, target)
        _remove(old)
    else:
        os.replace(beside, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def check_writable(path: str | Path, *, overwrite: bool = True) -> None:
    """Raise OutputError now if `path` could not be written at the end of a long run."""
    target = Path(path)
    _refuse_existing(target, overwrite)
    probe = target.with_name(f".{target.name}.{os.getpid()}.probe")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}; choose another path") from error


def file_digest(path: Path) -> str:
    """Return the xxh3-128 of a file's bytes, 32 hex digits."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            hasher.update(block)
    return hasher.hexdigest()
