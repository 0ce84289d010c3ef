"""Neural codes: reading them from a network, packing and storing them."""

from hashlens.codes.codes import Codes, concatenate
from hashlens.codes.encode import encode, fingerprint
from hashlens.codes.fingerprint import Fingerprints
from hashlens.codes.layers import Layer
from hashlens.codes.packing import hamming, pack_bits, packed_bytes, unpack_bits
from hashlens.codes.provenance import Provenance
from hashlens.codes.reading import Reading, ReadingOptions

__all__ = [
    "Codes",
    "Fingerprints",
    "Layer",
    "Provenance",
    "Reading",
    "ReadingOptions",
    "concatenate",
    "encode",
    "fingerprint",
    "hamming",
    "pack_bits",
    "packed_bytes",
    "unpack_bits",
]
