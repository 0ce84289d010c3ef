"""The command line: each command calls one function of the public API."""

import io
import sys

STOPPED = 130


def main() -> None:
    """Run ``hashlens`` on the command line's arguments, and exit with a status.

    The status is 0, 1 (a bug, or a failed run of ``hashlens study run``), 2 (a user's error) or 130 (stopped).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may have letters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        from hashlens.cli.app import run
    except KeyboardInterrupt:
        sys.stderr.write("hashlens: stopped\n")
        sys.exit(STOPPED)
    sys.exit(run(sys.argv[1:]))
