"""Compiling: loops that numba compiles, and a bar while it does, once after an install.

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
    """Return a loop compiled by numba, without the lock of Python; compiled code is kept on disk.

    Parameters
    ----------
    function : callable
        It may call other compiled functions of its folder, and of no other.
    **options
        More of ``numba.njit``, such as ``fastmath``.
    """
    _forget_stale(Path(function.__code__.co_filename).parent)
    return numba.njit(nogil=True, error_model="numpy", cache=True, **options)(function)


@cache
def _forget_stale(folder: Path) -> None:
    """Delete what is compiled of a folder if it is older than any of its sources.

    What a loop calls is compiled into it, and numba looks for changes of the caller's file alone.
    """
    changed = max((source.stat().st_mtime for source in folder.glob("*.py")), default=0.0)
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process deletes it, or nobody may
            if index.stat().st_mtime < changed:
                index.unlink()


class CompilationListener(Listener):
    """Call a function after each compilation; code that lies in a cache needs none."""

    def __init__(self, done: Callable[[str], None]) -> None:
        self._done = done

    def on_start(self, event: Any) -> None:
        """Do nothing."""

    def on_end(self, event: Any) -> None:
        """Call the function."""
        self._done("")


@contextmanager
def compiling() -> Iterator[None]:
    """Show a bar while the body compiles, if it does; see :func:`hashlens.progress.bar`."""
    with (
        bar("compiling, once after an install") as advance,
        install_listener("numba:compile", CompilationListener(advance)),
    ):
        yield
