"""The geometry of one network of a study: how many linear regions lie around examples, and how long their own are.

Apart from the other measures, so that a study that asks for neither does not import what is needed for them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashlens.data.examples import ArrayExamples
from hashlens.regions.chord import chord
from hashlens.regions.directions import random_directions
from hashlens.regions.local_complexity import SHARE, local_complexity, typical_distance
from hashlens.regions.program import Program
from hashlens.regions.trace import trace

if TYPE_CHECKING:
    from hashlens.study.networks.evaluate import Evaluation

EXAMPLES = 100
"""Only the first so many of each split are looked at: regions cost much more than codes."""
DIAMETERS = 4
"""Diameters of the ball around each of them that regions are counted on."""
DIRECTIONS = 16
"""Directions of chords through each of them."""


def geometry(network: torch.nn.Module, evaluation: "Evaluation") -> Iterator[tuple[str, str, float]]:
    """Yield measure, split and value of what is asked for, computed in float64.

    ``local_complexity`` is the mean number of regions that a diameter of a ball around an example crosses; all balls
    are of one size, whatever the network and the split. ``chord_length`` is the median length of the part of a line
    through an example that lies in the example's region; infinite where half of these parts or more have no end.

    Parameters
    ----------
    network : torch.nn.Module
        Piecewise linear.
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
        If there is only one, or all are the same.
    """
    return SHARE * typical_distance(_first(train))


def require_geometry(measure: str, network: torch.nn.Module, train: ArrayExamples) -> None:
    """Raise an error in one line if a measure is not to be had, whatever the weights.

    Raises
    ------
    ModelError
        If the network is not piecewise linear.
    DataError
        If no radius follows from the training examples, and the measure needs one.
    """
    trace(network, _first(train))
    if measure == "local_complexity":
        ball_radius(train)


def _first(examples: ArrayExamples) -> torch.Tensor:
    return examples.tensor(slice(EXAMPLES))
