"""All measures of one network's codes, and of its controls."""

from hashlens.measurement.measure import measure
from hashlens.measurement.measurement import Measurement

__all__ = ["Measurement", "measure"]
