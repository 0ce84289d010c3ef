"""Progress of long work, on the terminal's standard error, after two seconds; silent anywhere else."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 2.0


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`; on a terminal, show a bar with the time left once two seconds have passed.

    Parameters
    ----------
    items : iterable
        What to go through.
    description : str
        What is being done, in two or three words.
    total : int, optional
        How many items there are.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    started = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, visible=False)
        for item in items:
            yield item
            progress.update(task, advance=1, visible=time.monotonic() - started > PATIENCE_SECONDS)
