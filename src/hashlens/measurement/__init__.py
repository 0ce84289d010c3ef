"""Everything that is measured of one network's codes, beside its controls."""

from hashlens.measurement.measure import measure
from hashlens.measurement.measurement import Measurement

__all__ = ["Measurement", "measure"]
