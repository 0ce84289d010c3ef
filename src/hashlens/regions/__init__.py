"""Exact geometry of piecewise linear networks: linear regions of examples, and along lines, segments and planes."""

from hashlens.regions.affine import AffineMap
from hashlens.regions.along import Along, along
from hashlens.regions.at import Halfspaces, Radius, Region, at
from hashlens.regions.boundary import DecisionBoundary, decision_boundary
from hashlens.regions.chord import Chord, chord
from hashlens.regions.directions import random_directions, towards_others
from hashlens.regions.exact_plane import plane
from hashlens.regions.local_complexity import LocalComplexity, local_complexity
from hashlens.regions.plane import Plane
from hashlens.regions.program import Program
from hashlens.regions.slices import Slice
from hashlens.regions.trace import trace
from hashlens.regions.units import Unit, Units

__all__ = [
    "AffineMap",
    "Along",
    "Chord",
    "DecisionBoundary",
    "Halfspaces",
    "LocalComplexity",
    "Plane",
    "Program",
    "Radius",
    "Region",
    "Slice",
    "Unit",
    "Units",
    "along",
    "at",
    "chord",
    "decision_boundary",
    "local_complexity",
    "plane",
    "random_directions",
    "towards_others",
    "trace",
]
