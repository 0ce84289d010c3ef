"""Geometry of one network of a study: number of linear regions around examples, and lengths of chords.

It is separate from the other measures: a study without these measures does not import what they need.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashlens.data.examples import ArrayExamples
from hashlens.regions.chord import chord
from hashlens.regions.directions import random_directions
from hashlens.regions.local_complexity import RADIUS_SHARE, local_complexity, typical_distance
from hashlens.regions.program import Program
from hashlens.regions.trace import trace

if TYPE_CHECKING:
    from hashlens.study.networks.evaluate import Evaluation

EXAMPLES = 100
"""Number of examples of each split used, the first ones: regions cost much more than codes."""
DIAMETERS = 4
"""Number of diameters of the ball around each example on which regions are counted."""
DIRECTIONS = 16
"""Number of directions of chords through each example."""


def geometry(network: torch.nn.Module, evaluation: "Evaluation") -> Iterator[tuple[str, str, float]]:
    """Yield measure, split and value of the requested measures, computed in float64.

    ``local_complexity`` is the mean number of regions that a diameter of a ball around an example crosses; all balls
    have the same radius, for every network and split. ``chord_length`` is the median length of the part of a line
    through an example that lies in its region; it is infinite if half or more of these parts are unbounded.

    Parameters
    ----------
    network : torch.nn.Module
        A piecewise linear network.
    evaluation : Evaluation
        Measures and data; the seed of its `reading` draws directions, the same for all networks.
    """
    splits = {"train": evaluation.data.train, "test": evaluation.data.test, **evaluation.random_inputs}
    radius, seed = evaluation.radius, evaluation.reading.seed
    if radius is None and "local_complexity" in evaluation.measures:
        radius = ball_radius(evaluation.data.train)
    program: torch.nn.Module | Program = network
    for split, examples in splits.items():
        x = _first(examples)
        program = trace(program, x)
        if "local_complexity" in evaluation.measures:
            regions = local_complexity(program, x, radius, DIAMETERS, seed).regions
            yield "local_complexity", split, float(regions.mean())
        if "chord" in evaluation.measures:
            length = chord(program, x, random_directions(x, DIRECTIONS, seed)).length
            yield "chord_length", split, float(np.median(length))


def ball_radius(train: ArrayExamples) -> float:
    """Return the radius of the balls: a tenth of the typical distance between the first training examples.

    Raises
    ------
    DataError
        If there is only one example, or all are equal.
    """
    return RADIUS_SHARE * typical_distance(_first(train))


def require_geometry(measure: str, network: torch.nn.Module, train: ArrayExamples) -> None:
    """Raise a one-line error if a measure cannot be computed for this architecture or data.

    Raises
    ------
    ModelError
        If the network is not piecewise linear.
    DataError
        If the measure needs a radius, and the training examples do not give one.
    """
    trace(network, _first(train))
    if measure == "local_complexity":
        ball_radius(train)


def _first(examples: ArrayExamples) -> torch.Tensor:
    return examples.tensor(slice(EXAMPLES))
