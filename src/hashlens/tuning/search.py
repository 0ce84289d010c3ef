"""Minimize an acquisition function over a search space: evaluate many points, then improve the best by L-BFGS."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hashlens.tuning.space import Space
from hashlens.tuning.surrogate import Surrogate

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Acquisition = Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
"""Acquisition function to minimize. It takes the surrogate's means and standard deviations, and returns three arrays:
its values, their derivatives with respect to the means, and those with respect to the standard deviations."""
POINTS, STARTS = 2048, 5
"""Number of points that are evaluated, and number of the best points that L-BFGS starts from."""
RANDOM_POINTS = 2000
"""Number of points of :func:`minimize_over_sample`."""


def lower_bound(width: float) -> Acquisition:
    """Return the function mean minus `width` standard deviations (the lower confidence bound)."""
    return lambda mean, deviation: (mean - width * deviation, np.ones_like(mean), np.full_like(mean, -width))


def expected_improvement(best: float) -> Acquisition:
    """Return the negative expected improvement on `best`, so that minimizing it maximizes the improvement."""
    from scipy.special import ndtr

    def negative_improvement(mean: Floats, deviation: Floats) -> tuple[Floats, Floats, Floats]:
        z = (best - mean) / deviation
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        return -((best - mean) * ndtr(z) + deviation * density), ndtr(z), -density

    return negative_improvement


def probability_of_improvement(best: float) -> Acquisition:
    """Return the function (mean - `best`) / standard deviation: the smaller, the more probable an improvement."""
    return lambda mean, deviation: (
        (mean - best) / deviation, 1 / deviation, (best - mean) / deviation**2,
    )  # fmt: skip


def minimize_acquisition(surrogate: Surrogate, space: Space, acquisition: Acquisition, seed: int = 0) -> float:
    """Return the smallest value of an acquisition function that is found over a search space.

    The function is evaluated at `POINTS` points that fill the space evenly, and at the points that the surrogate is
    fitted to. L-BFGS starts from the best of them. It treats integer parameters as continuous; afterwards the two
    nearest grid values are compared. For a categorical parameter, all levels are compared at the point that L-BFGS
    found. The result is never above the smallest value at the points evaluated first.
    """
    points = np.vstack([_space_filling_points(space, seed), surrogate.points])
    values = acquisition(*surrogate.predict(points))[0]
    best = float(values.min())
    for start in _starting_points(points, values):
        point = _local_minimum(surrogate, acquisition, start, ~surrogate.categories)
        point = _on_grid(surrogate, space, acquisition, point)
        best = min(best, float(acquisition(*surrogate.predict(point[None]))[0][0]))
    return best


@lru_cache(maxsize=8)
def _space_filling_points(space: Space, seed: int) -> Floats:
    return space.spread(POINTS, seed)


def minimize_over_sample(surrogate: Surrogate, space: Space, acquisition: Acquisition, seed: int) -> float:
    """Return the smallest value over `RANDOM_POINTS` random points and the points that the surrogate is fitted to."""
    # The published code draws its points by this generator, with the seed of the run.
    drawn = np.random.RandomState(seed).random_sample((RANDOM_POINTS, len(space)))
    points = np.vstack([space.on_grid(drawn), surrogate.points])
    return float(acquisition(*surrogate.predict(points))[0].min())


def _starting_points(points: Floats, values: Floats) -> list[Floats]:
    """Return up to `STARTS` of the best points, no two of them near each other."""
    starts: list[Floats] = []
    for row in np.argsort(values, kind="stable")[: 20 * STARTS]:
        if all(np.abs(points[row] - other).max() > 0.05 for other in starts):
            starts.append(points[row])
        if len(starts) == STARTS:
            break
    return starts


def _local_minimum(surrogate: Surrogate, acquisition: Acquisition, start: Floats, free: Flags) -> Floats:
    """Return the point that L-BFGS reaches from `start` when it varies only the dimensions that `free` marks."""
    from scipy.optimize import minimize

    if not free.any():
        return start
    point = start.copy()

    def value_and_gradient(free_coordinates: Floats) -> tuple[float, Floats]:
        point[free] = free_coordinates
        mean, deviation, mean_gradient, deviation_gradient = surrogate.moments(point)
        value, by_mean, by_deviation = acquisition(np.array([mean]), np.array([deviation]))
        return float(value[0]), (by_mean[0] * mean_gradient + by_deviation[0] * deviation_gradient)[free]

    found = minimize(value_and_gradient, start[free], jac=True, method="L-BFGS-B",
                     bounds=[(0.0, 1.0)] * int(free.sum()), options={"maxiter": 50})  # fmt: skip
    point[free] = np.clip(found.x, 0.0, 1.0)
    return point


def _on_grid(surrogate: Surrogate, space: Space, acquisition: Acquisition, point: Floats) -> Floats:
    """Return `point` after every discrete parameter is moved to a value of its grid.

    For each discrete parameter in turn, the best grid value is chosen. Then L-BFGS runs again over the continuous
    parameters.
    """
    grids = [parameter.grid for parameter in space.parameters]
    if not any(map(len, grids)):
        return point
    for column, grid in enumerate(grids):
        if len(grid):
            compared = (
                np.arange(len(grid)) if surrogate.categories[column] else np.argsort(np.abs(grid - point[column]))[:2]
            )
            candidates = np.repeat(point[None], len(compared), axis=0)
            candidates[:, column] = grid[compared]
            point = candidates[int(np.argmin(acquisition(*surrogate.predict(candidates))[0]))]
    return _local_minimum(surrogate, acquisition, point, np.array([not len(grid) for grid in grids]))
