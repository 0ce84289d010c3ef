"""Codes of many layers with known near-duplicates."""

import numpy as np

from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.packing import pack_bits


def layered(parts, labels=None, ids=None):
    """Return codes of several layers from name -> bool matrix."""
    layers = lay_out([Layer(name, "relu", (part.shape[1],), bits=part.shape[1]) for name, part in parts.items()])
    packed = np.concatenate([pack_bits(part) for part in parts.values()], axis=1)
    return Codes(packed, layers, labels, np.arange(len(packed)) if ids is None else ids)


def evenly(generator, rows, bits, dimension=12):
    """Return codes by random hyperplanes of points that lie evenly: no near-duplicates, bool ``(rows, bits)``."""
    points = generator.normal(size=(rows, dimension)) @ generator.normal(size=(dimension, bits))
    return points > 0


def flipped(generator, bits, share):
    """Return the bits with a share of them flipped."""
    return bits ^ (generator.random(bits.shape) < share)


def planted(seed=0, train=3000, test=800, leaked=30, bits=400):
    """Return train and test, and test row -> training row of the leaks, which stand out in layer ``sharp`` only.

    ``blurred`` has other bits for a copy, ``classes`` three codes in all, ``dead`` one.
    """
    generator = np.random.default_rng(seed)
    sharp = evenly(generator, train + test, bits)
    rows, partners = generator.permutation(test)[:leaked], generator.permutation(train)[:leaked]
    sharp[train + rows] = flipped(generator, sharp[partners], 0.02)
    blurred = evenly(generator, train + test, bits)
    classes = np.eye(3, dtype=bool)[generator.integers(3, size=train + test)]
    parts = {"blurred": blurred, "sharp": sharp, "classes": classes, "dead": np.zeros((train + test, 5), bool)}
    codes = layered(parts, labels=np.arange(train + test) % 3)
    names = np.array([f"test-{row}" for row in range(test)])
    held = Codes(codes.packed[train:], codes.layers, codes.labels[train:], names)
    return codes[:train], held, dict(zip(rows.tolist(), partners.tolist(), strict=True))
