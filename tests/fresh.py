"""Python processes of their own that need not import torch: each is forked from one that has, and has nothing else.

What a test wants of a new process is that nothing of hashlens, of pytest or of other tests is loaded in it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

SERVER = """
import json, os, sys, traceback

import torch

for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for name, number in (("out", 1), ("err", 2)):
                os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.environ.clear()
            os.environ.update(job["environment"])
            os.chdir(job["folder"])
            sys.argv = ["-c", *job["arguments"]]
            exec(compile(job["code"], "<string>", "exec"), {"__name__": "__main__"})
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class FreshPython:
    """Runs code as ``python -c`` does, one process at a time.

    Parameters
    ----------
    folder : Path
        Where what they print is kept while they run.
    """

    def __init__(self, folder: Path) -> None:
        self.out, self.err = folder / "out", folder / "err"
        # One thread: what forks must have no pool of threads.
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone
        )

    def __call__(self, code: str, *arguments: object, environment: dict[str, str] | None = None):
        """Return what ran: its exit status, and what it printed and complained of."""
        job = {
            "code": code,
            "arguments": list(map(str, arguments)),
            "environment": dict(os.environ) if environment is None else environment,
            "folder": os.getcwd(),
            "out": str(self.out),
            "err": str(self.err),
        }
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        status = int(self.server.stdout.readline())
        printed, complained = (path.read_text(encoding="utf-8") for path in (self.out, self.err))
        return subprocess.CompletedProcess([code], status, printed, complained)

    def close(self) -> None:
        """End the process that forks."""
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()
