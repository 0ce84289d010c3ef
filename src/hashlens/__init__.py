"""hashlens: a lens on the hash code inside a neural network."""

from hashlens import codes, data, measures, nets, training
from hashlens.codes import Codes, Fingerprints, concatenate, encode, fingerprint
from hashlens.data import load_data
from hashlens.errors import HashlensError
from hashlens.measure import measure
from hashlens.measurement import Measurement
from hashlens.measures import (
    bits_to_determinism,
    categorization,
    determinism,
    floor,
    redundancy_ratio,
    regime,
    separation,
)
from hashlens.nets import load_model
from hashlens.training import train
from hashlens.version import __version__

__all__ = [
    "Codes",
    "Fingerprints",
    "HashlensError",
    "Measurement",
    "__version__",
    "bits_to_determinism",
    "categorization",
    "codes",
    "concatenate",
    "data",
    "determinism",
    "encode",
    "fingerprint",
    "floor",
    "load_data",
    "load_model",
    "measure",
    "measures",
    "nets",
    "redundancy_ratio",
    "regime",
    "separation",
    "train",
    "training",
]
