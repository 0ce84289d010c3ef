"""Measurement of a network: all measures of its codes and of its controls."""

from hashlens.measurement.measure import measure
from hashlens.measurement.measurement import Measurement

__all__ = ["Measurement", "measure"]
