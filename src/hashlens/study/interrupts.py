"""Ctrl-C, held back while a transaction is under way."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the body is over.

    Raised at any place, KeyboardInterrupt would end drivers and pools halfway, which then say so in many lines.
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
