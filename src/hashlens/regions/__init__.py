"""Exact geometry of piecewise linear networks: the region of an example, chords, and segments cut into pieces."""

from hashlens.regions.affine import AffineMap
from hashlens.regions.along import Along, along
from hashlens.regions.at import Region, at
from hashlens.regions.chord import Chord, chord
from hashlens.regions.program import Program
from hashlens.regions.trace import trace

__all__ = ["AffineMap", "Along", "Chord", "Program", "Region", "along", "at", "chord", "trace"]
