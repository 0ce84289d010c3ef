"""A worker's name and the beat that keeps its leases, while its runs are trained."""

import logging
import os
import secrets
import socket
import threading
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hashlens.errors import HashlensError
from hashlens.study.store import Store

log = logging.getLogger("hashlens")
BEATS_PER_LEASE = 4
_at_work: set[str] = set()
"""The workers of this process."""


def worker_name() -> str:
    """Return a name that no other worker has: machine, process, and a word of chance."""
    return f"{_machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def _machine() -> str:
    """Return the name of what process numbers are of: a host, since it was started, or a container on it."""
    # Cloned machines and containers can share a host's name and have processes of one number.
    marks = [socket.gethostname(), str(uuid.getnode())]
    with suppress(OSError):
        marks += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return f"{marks[0]}-{zlib.crc32(' '.join(marks).encode()):08x}"


def is_dead(worker: str) -> bool:
    """Return whether `worker` was at work on this machine and is no more."""
    machine, _, rest = worker.rpartition(":")[0].rpartition(":")
    # On Windows os.kill(pid, 0) is no question but Ctrl-C: there leases end by themselves.
    if machine != _machine() or not rest.isdecimal() or os.name != "posix":
        return False
    if int(rest) == os.getpid():
        # One that could not give back its leases, or that had this number before this process.
        return worker not in _at_work
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def release_the_dead(store: Store) -> None:
    """Give back at once what killed workers of this machine held; those of others lose it when their lease ends."""
    for lease in store.status().leases:
        if is_dead(lease.worker):
            log.info("worker %s has stopped: its %d runs are open again", lease.worker, lease.runs)
            store.release(lease.worker)


@contextmanager
def beating(store: Store, worker: str, lease: float) -> Iterator[None]:
    """Extend the leases of `worker` from a thread of its own until the body ends, then give back what is left."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(lease / BEATS_PER_LEASE):
            try:
                store.extend_leases(worker, lease)
            except HashlensError as error:
                # The next beat, or the commit, meets the same fault and reports it where somebody sees it.
                log.warning("the lease could not be extended: %s", error)

    thread = threading.Thread(target=beat, name="hashlens heartbeat", daemon=True)
    thread.start()
    _at_work.add(worker)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _at_work.discard(worker)
        try:
            store.release(worker)
        except HashlensError as error:
            # Leases end by themselves; this must not hide what ended the work.
            log.info("the leases of %s could not be released: %s", worker, error)
