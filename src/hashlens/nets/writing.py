"""Files that are either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hashlens.errors import OutputError


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the place of `path` when the body ends without an error.

    Parameters
    ----------
    path : Path
        The file to write; its folder is made when it is missing.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing half-written is left.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}: choose another folder or free some space") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
