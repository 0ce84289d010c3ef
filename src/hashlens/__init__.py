"""hashlens: a lens on the hash code inside a neural network."""

from hashlens.codes.codes import Codes, concatenate
from hashlens.codes.encode import encode, fingerprint
from hashlens.codes.fingerprint import Fingerprints
from hashlens.data.sources import load_data
from hashlens.errors import HashlensError

__all__ = ["Codes", "Fingerprints", "HashlensError", "concatenate", "encode", "fingerprint", "load_data"]
