"""Progress bars on standard error, shown after two seconds and only in a terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from hashlens.terminal import Terminal

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
_shown: list["Progress"] = []
_silenced = False
PATIENCE_SECONDS = 2.0


@contextmanager
def bar(description: str, total: int | None = None, parts: int = 1) -> Iterator[Callable[[str], None]]:
    """Yield a function to call after each step, with a short text; the bar appears after two seconds.

    The line is as wide as the terminal; longer texts end in an ellipsis.

    Parameters
    ----------
    description : str
        Name of the task, in two or three words.
    total : int, optional
        Number of steps; unknown by default.
    parts : int
        Number of calls that make one step.
    """
    if _silenced or not sys.stderr.isatty():
        yield lambda word: None
        return
    started = time.monotonic()
    with _display() as progress:
        task, calls = progress.add_task(description, total=total, visible=False), count(1)

        def advance(word: str) -> None:
            shown = f"{description}: {word}" if word else description
            late = time.monotonic() - started > PATIENCE_SECONDS
            progress.update(task, completed=next(calls) / parts, description=shown, visible=late)

        try:
            yield advance
        finally:
            progress.remove_task(task)


@contextmanager
def _display() -> Iterator["Progress"]:
    """Yield the display of the enclosing bar, or a new one, because a terminal can show only one display."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    if _shown:
        yield _shown[0]
        return
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        BarColumn(bar_width=14),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Terminal(stderr=True), transient=True, expand=True) as progress:
        _shown.append(progress)
        try:
            yield progress
        finally:
            _shown.clear()


@contextmanager
def silent() -> Iterator[None]:
    """Hide all bars while the body runs, for example because the caller's training shows its own bar."""
    global _silenced
    before, _silenced = _silenced, True
    try:
        yield
    finally:
        _silenced = before


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` and show a bar; see :func:`bar`."""
    with bar(description, total) as advance:
        for item in items:
            yield item
            advance("")
