"""Local complexity: how many linear regions the diameters of a ball around an example cross, counted exactly."""

from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import is_number, require_whole
from hashlens.errors import DataError
from hashlens.progress import track
from hashlens.regions.along import count_pieces
from hashlens.regions.directions import draw_directions
from hashlens.regions.inputs import examples, program_of
from hashlens.regions.program import Program
from hashlens.result import Result
from hashlens.tables import Table, number, table

Tensor = torch.Tensor
RADIUS_SHARE = 0.1
"""The default radius is this share of the typical distance between two examples."""


@dataclass(frozen=True, eq=False)
class LocalComplexity(Result):
    """Number of linear regions that diameters of a ball around each of n examples cross.

    Attributes
    ----------
    radius : float
        Radius of the balls, in units of the input.
    typical_distance : float or None
        Root mean square distance between two examples, if the radius was derived from it (one tenth, the default);
        None if the radius was an argument.
    counts : numpy.ndarray
        int64 ``(n, directions)``: number of linear regions that each diameter crosses, at least 1.
    """

    radius: float
    typical_distance: float | None
    counts: npt.NDArray[np.int64]

    @property
    def regions(self) -> npt.NDArray[np.float64]:
        """Mean number of regions that a diameter of each ball crosses, float64 ``(n,)``, at least 1."""
        mean: npt.NDArray[np.float64] = self.counts.mean(axis=1)
        return mean

    @property
    def standard_error(self) -> npt.NDArray[np.float64]:
        """Standard error of :attr:`regions` over directions, float64 ``(n,)``; NaN with one direction."""
        directions = self.counts.shape[1]
        if directions == 1:
            return np.full(len(self.counts), np.nan)
        error: npt.NDArray[np.float64] = self.counts.std(axis=1, ddof=1) / sqrt(directions)
        return error

    @property
    def density(self) -> npt.NDArray[np.float64]:
        """Mean number of boundaries between regions that a diameter crosses, per unit length, float64 ``(n,)``."""
        return (self.regions - 1) / (2 * self.radius)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and the derived values of each example."""
        derived = {name: getattr(self, name).tolist() for name in ("regions", "density")}
        errors = [None if np.isnan(error) else error for error in self.standard_error.tolist()]
        return {**super().to_dict(), **derived, "standard_error": errors}

    def __rich__(self) -> Table:
        rows = [
            (name, *(number(float(statistic(values))) for statistic in (np.mean, np.min, np.median, np.max)))
            for name, values in (
                ("regions crossed by a diameter", self.regions),
                ("standard error over directions", self.standard_error),
                ("boundaries per unit length", self.density),
            )
        ]
        typical = self.typical_distance
        origin = "" if typical is None else f", a tenth of the typical distance {typical:.4g}"
        examples, directions = self.counts.shape
        title = f"Local complexity around {examples:,} examples"
        note = f"{directions:,} diameters each, of a ball of radius {self.radius:.4g}{origin}."
        return table(title, ("per example", "mean", "least", "median", "most"), rows, note)


def local_complexity(
    model: torch.nn.Module | Program,
    x: Any,
    radius: float | None = None,
    directions: int = 16,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> LocalComplexity:
    """Count the linear regions that random diameters of a ball around each example cross, exactly.

    The diameters of an example x go from ``x - radius * d`` to ``x + radius * d``, for each of its
    :func:`~hashlens.regions.random_directions` d. Every diameter is divided into its linear pieces, as by
    :func:`~hashlens.regions.along`, so no region is missed. Humayun et al. (2024) count the units whose hyperplanes cut
    a small polytope around x, which is an approximation in deep layers; this function counts crossed regions, exactly
    in all layers.

    The cost is a forward pass for each region that a diameter crosses: small for a multilayer perceptron, large for a
    convolutional network.

    Parameters
    ----------
    model : torch.nn.Module or Program
        A piecewise linear network, or the program that :func:`~hashlens.regions.trace` made of it.
    x : torch.Tensor or numpy.ndarray
        Examples ``(n, *input)``, floating point.
    radius : float, optional
        Radius of the balls, in units of the input; by default a tenth of the :func:`typical_distance` between two
        examples of `x`. To compare networks or data, use the same radius for all.
    directions : int
        Number of diameters of each ball.
    seed : int
        Seed of the directions.
    dtype : torch.dtype
        Dtype of the computation: float64 or float32. Not used for a program, which has a dtype already.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If examples, radius or directions are not valid; without a radius, if all examples of `x` are equal, or there is
        only one.

    References
    ----------
    Humayun, Balestriero, Baraniuk: "Deep networks always grok and here is why", ICML 2024, arXiv 2402.15555.

    Examples
    --------
    >>> net = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())
    >>> _ = torch.nn.init.constant_(net[0].weight, 1.0), torch.nn.init.constant_(net[0].bias, 0.0)
    >>> local_complexity(net, torch.tensor([[0.5], [1.5]]), radius=1.0).regions.tolist()
    [2.0, 1.0]
    """
    require_whole(DataError, "directions", directions)
    rows = examples(x)
    typical = typical_distance(rows) if radius is None else None
    radius = _checked_radius(RADIUS_SHARE * typical if typical is not None else radius)
    with torch.no_grad():
        program, centers = program_of(model, rows, dtype)
        # Examples at a time, if each diameter may take the memory of 16 rows.
        step = program.chunk(16 * directions)
        parts = zip(torch.split(centers, step), draw_directions(centers, directions, seed, step), strict=True)
        chunks = track(parts, "counting linear regions", ceil(len(centers) / step))
        counts = [_counts(program, center, radius * drawn.to(dtype)) for center, drawn in chunks]
    return LocalComplexity(radius, typical, np.concatenate(counts))


def typical_distance(x: Any) -> float:
    """Return the root mean square of the Euclidean distances between two different examples.

    It is computed without forming pairs, as ``sqrt(2 * total_variance)``. The total variance is the sum of the unbiased
    variances of all input variables.

    Parameters
    ----------
    x : torch.Tensor or numpy.ndarray
        Examples ``(n, *input)``, floating point, two or more.

    Raises
    ------
    DataError
        If there is only one example, or all are equal.
    """
    rows = examples(x).flatten(1)
    if len(rows) == 1:
        raise DataError(
            "with one example there is no typical distance to derive a radius from: give local_complexity a radius"
        )
    if bool((rows == rows[0]).all()):
        raise DataError(
            f"all {len(rows):,} examples are the same, so no radius can be derived: give local_complexity a radius"
        )
    # Parts of at most 2**24 numbers, so that little memory is needed.
    parts = torch.split(rows, max(1, (1 << 24) // rows.shape[1]))
    mean = torch.stack([part.sum(dim=0, dtype=torch.float64) for part in parts]).sum(dim=0) / len(rows)
    squares = sum(float((part - mean).square().sum()) for part in parts)
    return sqrt(2 * squares / (len(rows) - 1))


def _checked_radius(radius: Any) -> float:
    """Return the radius of a ball as a float.

    Raises
    ------
    DataError
        If it is not a number above 0.
    """
    if not is_number(radius) or not 0 < radius < inf:
        raise DataError(f"radius must be a number above 0, received {radius!r}")
    return float(radius)


def _counts(program: Program, centers: Tensor, offsets: Tensor) -> npt.NDArray[np.int64]:
    """Return the number of regions that each diameter from ``center - offset`` to ``center + offset`` crosses.

    `centers` has the shape ``(n, *input)``, `offsets` ``(n, directions, *input)``, and the result ``(n, directions)``.
    """
    start, end = (centers[:, None] - offsets).flatten(0, 1), (centers[:, None] + offsets).flatten(0, 1)
    if bool((start == end).flatten(1).all(dim=1).any()):
        raise DataError("the radius is so small that x - radius * d and x + radius * d are the same numbers")
    return count_pieces(program, start, end).reshape(offsets.shape[:2])
