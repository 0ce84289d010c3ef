"""Ctrl-C, delayed during a transaction."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the body has ended.

    Otherwise KeyboardInterrupt could interrupt drivers and pools at any point, which then print long errors.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    pending: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda *pressed: pending.append(pressed))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if pending:
            usual(*pending[0])
