"""The command line: each command a thin shell over the public API."""

import io
import sys

STOPPED = 130


def main() -> None:
    """Run ``hashlens`` on the command line's arguments; exit with 0, 1 (our fault) or 2 (a mistake to mend)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may have letters that the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")
    try:
        from hashlens.cli.app import run
    except KeyboardInterrupt:
        sys.stderr.write("hashlens: stopped\n")
        sys.exit(STOPPED)
    sys.exit(run(sys.argv[1:]))
