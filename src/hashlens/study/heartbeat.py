"""A worker's name, and the heartbeat that extends its leases during its runs."""

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
_active_workers: set[str] = set()
"""Names of the workers of this process that are at work."""


def worker_name() -> str:
    """Return a unique name of a worker: machine, process id and random hexadecimal digits."""
    return f"{_machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def _machine() -> str:
    """Return a name for the system in which process ids are unique: a host since its last boot, or a container."""
    # Cloned machines and containers may have the same host name and process ids.
    identifiers = [socket.gethostname(), str(uuid.getnode())]
    with suppress(OSError):
        identifiers += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return f"{identifiers[0]}-{zlib.crc32(' '.join(identifiers).encode()):08x}"


def is_dead(worker: str) -> bool:
    """Return whether `worker` ran on this machine and its process has ended."""
    machine, _, process_id = worker.rpartition(":")[0].rpartition(":")
    # os.kill(pid, 0) sends Ctrl-C on Windows instead of testing; leases simply expire there.
    if machine != _machine() or not process_id.isdecimal() or os.name != "posix":
        return False
    if int(process_id) == os.getpid():
        # A worker with the id of this process is dead if it is not active: it could not release its leases, or it ran
        # in an earlier process with the same id.
        return worker not in _active_workers
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def release_dead_workers(store: Store) -> None:
    """Release the leases of killed workers of this machine at once; leases of other machines expire by themselves."""
    for lease in store.status().leases:
        if is_dead(lease.worker):
            log.info("worker %s has stopped: its %d runs are open again", lease.worker, lease.runs)
            store.release(lease.worker)


@contextmanager
def heartbeat(store: Store, worker: str, lease: float) -> Iterator[None]:
    """Extend the leases of `worker` in a separate thread until the body ends, then release the remaining ones."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(lease / BEATS_PER_LEASE):
            try:
                store.extend_leases(worker, lease)
            except HashlensError as error:
                # The next heartbeat, or the commit, will fail in the same way and report the error.
                log.warning("the lease could not be extended: %s", error)

    thread = threading.Thread(target=beat, name="hashlens heartbeat", daemon=True)
    thread.start()
    _active_workers.add(worker)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _active_workers.discard(worker)
        try:
            store.release(worker)
        except HashlensError as error:
            # Leases expire by themselves; this error must not hide the one that ended the work.
            log.info("the leases of %s could not be released: %s", worker, error)
