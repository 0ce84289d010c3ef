"""A PostgreSQL server of the tests' own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMED = "HASHLENS_TEST_POSTGRES"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the address of a server: the one that the environment names, or one that runs as long as the tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if NAMED in os.environ:
        yield os.environ[NAMED]
        return
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip(f"PostgreSQL is not installed, and {NAMED} names no server")
    folder = Path(tempfile.mkdtemp(prefix="hashlens-postgres-"))
    owner = {}
    if os.geteuid() == 0:  # a server refuses to run as root
        owner = {"user": "nobody"}
        shutil.chown(folder, "nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    logged = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, **owner}
    try:
        subprocess.run(["initdb", "-D", "data", "-U", "hashlens", "-A", "trust", "--no-sync"], **logged)
        subprocess.run(["pg_ctl", "-D", "data", "-l", "log", "-o", settings, "-w", "start"], **logged)
        yield f"postgresql://hashlens@127.0.0.1:{port}/postgres"
        subprocess.run(["pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop"], **logged)
    finally:
        shutil.rmtree(folder)
