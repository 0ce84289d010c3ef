"""Compilation of loops by numba, with a progress bar; this happens once after an installation.

Importing this module imports numba.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.event import Listener, install_listener

from hashlens.progress import bar


def compiled(function: Any, **options: Any) -> Any:
    """Return a function compiled by numba, which releases Python's GIL; compiled code is cached on disk.

    Parameters
    ----------
    function : callable
        The function; it may call only compiled functions of modules in its own folder.
    **options
        Other options of ``numba.njit``, such as ``fastmath``.
    """
    _delete_stale_code(Path(function.__code__.co_filename).parent)
    return numba.njit(nogil=True, error_model="numpy", cache=True, **options)(function)


@cache
def _delete_stale_code(folder: Path) -> None:
    """Delete the compiled code of a folder if it is older than one of its source files.

    Called functions are compiled into their callers, but numba checks only the caller's file for changes.
    """
    changed = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process deletes it, or permission is missing
            if index.stat().st_mtime < changed:
                index.unlink()


class CompilationListener(Listener):
    """Listener that calls a function after each compilation; cached code is not compiled."""

    def __init__(self, callback: Callable[[str], None]) -> None:
        self._callback = callback

    def on_start(self, event: Any) -> None:
        """Do nothing."""

    def on_end(self, event: Any) -> None:
        """Call the function."""
        self._callback("")


@contextmanager
def compiling() -> Iterator[None]:
    """Show a progress bar if the body compiles functions; see :func:`hashlens.progress.bar`."""
    with (
        bar("compiling, once after an install") as advance,
        install_listener("numba:compile", CompilationListener(advance)),
    ):
        yield
