"""Progress of long work, on the terminal's standard error, after two seconds; silent anywhere else."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from hashlens.terminal import Terminal

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
_shown: list["Progress"] = []
_silenced = False
PATIENCE_SECONDS = 2.0


@contextmanager
def bar(description: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """Yield a function to call after each of `total` steps, with a word on it; it shows once two seconds have passed.

    Parameters
    ----------
    description : str
        What is being done, in two or three words.
    total : int, optional
        How many steps there are.
    """
    if _silenced or not sys.stderr.isatty():
        yield lambda word: None
        return
    started = time.monotonic()
    with _display() as progress:
        task = progress.add_task(description, total=total, visible=False)

        def advance(word: str) -> None:
            shown = f"{description}: {word}" if word else description
            progress.update(task, advance=1, description=shown, visible=time.monotonic() - started > PATIENCE_SECONDS)

        try:
            yield advance
        finally:
            progress.remove_task(task)


@contextmanager
def _display() -> Iterator["Progress"]:
    """Yield the display of the bar around this one, or a new one: a terminal holds one at a time."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if _shown:
        yield _shown[0]
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as progress:
        _shown.append(progress)
        try:
            yield progress
        finally:
            _shown.clear()


@contextmanager
def silent() -> Iterator[None]:
    """Show no bars while the body runs: somebody else's training may have one of its own on the terminal."""
    global _silenced
    before, _silenced = _silenced, True
    try:
        yield
    finally:
        _silenced = before


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` with a bar; see :func:`bar`."""
    with bar(description, total) as advance:
        for item in items:
            yield item
            advance("")
