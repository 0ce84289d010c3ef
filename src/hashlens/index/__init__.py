"""Index: search in packed codes by Hamming distance."""

from hashlens.index.index import Index
from hashlens.index.neighbours import Neighbours, WithinRadius

__all__ = ["Index", "Neighbours", "WithinRadius"]
