"""Compiling: a bar while numba compiles, as it does once after an install.

Importing this module imports numba.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.event import Listener, install_listener

from hashlens.progress import bar


class Told(Listener):
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
    with bar("compiling, once after an install") as advance, install_listener("numba:compile", Told(advance)):
        yield
