"""Data: examples from a name, a path, arrays or a loader."""

from hashlens.data.examples import ArrayExamples, Batch, Examples
from hashlens.data.noise import random_inputs, shuffle_labels, swap_labels, uniform_labels
from hashlens.data.sources import load_data
from hashlens.data.subset import split, subset, tile

__all__ = [
    "ArrayExamples",
    "Batch",
    "Examples",
    "load_data",
    "random_inputs",
    "shuffle_labels",
    "split",
    "subset",
    "swap_labels",
    "tile",
    "uniform_labels",
]
