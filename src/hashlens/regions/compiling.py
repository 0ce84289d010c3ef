"""Compiling: loops that numba compiles, and a bar while it does, once after an install.

Importing this module imports numba.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
from numba.core.event import Listener, install_listener

from hashlens.progress import bar


def compiled(function: Any) -> Any:
    """Return a loop compiled by numba, without the lock of Python; compiled code is kept on disk."""
    return numba.njit(nogil=True, error_model="numpy", cache=True)(function)


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
