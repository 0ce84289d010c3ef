"""``python -m hashlens``: the command line."""

from hashlens.cli import main

main()
