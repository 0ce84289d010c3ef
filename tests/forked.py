"""Processes that start in a moment: each is forked from one that has imported what studies need, and has done nothing.

They are as separate as any others: they can be killed, and share no memory, no connection and no lock.
"""

from multiprocessing import get_context
from multiprocessing.process import BaseProcess

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["hashlens.testing.experiment_contract"])


def start(code: str, **names: object) -> BaseProcess:
    """Start a process that runs code with these names, which are pickled."""
    process = CONTEXT.Process(target=exec, args=(code, {"__name__": "__main__", **names}))
    process.start()
    return process


def end(process: BaseProcess) -> int | None:
    """Wait for a process, and return its exit status."""
    process.join()
    return process.exitcode
