"""The command line: each command a thin shell over the public API."""

import sys


def main() -> None:
    """Run ``hashlens`` on the command line's arguments; exit with 0, 1 (our fault) or 2 (a mistake to mend)."""
    from hashlens.cli.app import run

    sys.exit(run(sys.argv[1:]))
