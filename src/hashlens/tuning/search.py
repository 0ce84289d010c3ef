"""Minimize a function of a surrogate over a space: evaluate many points, then improve the best ones by L-BFGS."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hashlens.tuning.space import Space
from hashlens.tuning.surrogate import Surrogate

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Goal = Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
"""Function to minimize, of means and standard deviations: returns its value and its derivatives by both."""
PLACES, FOLLOWED = 2048, 5
"""Number of points that are evaluated, and number of the best points that L-BFGS starts from."""
SAMPLED = 2000


def lower_bound(width: float) -> Goal:
    """Return the function mean minus `width` standard deviations (the lower confidence bound)."""
    return lambda mean, deviation: (mean - width * deviation, np.ones_like(mean), np.full_like(mean, -width))


def expected_improvement(best: float) -> Goal:
    """Return the negative expected improvement on `best`, so that minimizing it maximizes the improvement."""
    from scipy.special import ndtr

    def goal(mean: Floats, deviation: Floats) -> tuple[Floats, Floats, Floats]:
        z = (best - mean) / deviation
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        return -((best - mean) * ndtr(z) + deviation * density), ndtr(z), -density

    return goal


def improvement_odds(best: float) -> Goal:
    """Return the function (mean - `best`) / standard deviation: smallest where improvement is most probable."""
    return lambda mean, deviation: (
        (mean - best) / deviation, 1 / deviation, (best - mean) / deviation**2,
    )  # fmt: skip


def smallest(surrogate: Surrogate, space: Space, goal: Goal, seed: int = 0) -> float:
    """Return the smallest value of a goal that is found over a space.

    The goal is evaluated at `PLACES` points that fill the space and at the points of the surrogate. L-BFGS starts from
    the best of them. It treats whole numbers as continuous; afterwards the two nearest grid values are compared.
    Every level of a category is compared at the point that L-BFGS found. The result is never above the smallest value
    at the points evaluated first.
    """
    places = np.vstack([_spread(space, seed), surrogate.points])
    values = goal(*surrogate.predict(places))[0]
    best = float(values.min())
    for start in _apart(places, values):
        place = _followed(surrogate, goal, start, ~surrogate.categories)
        place = _swept(surrogate, space, goal, place)
        best = min(best, float(goal(*surrogate.predict(place[None]))[0][0]))
    return best


@lru_cache(maxsize=8)
def _spread(space: Space, seed: int) -> Floats:
    return space.spread(PLACES, seed)


def smallest_of_sample(surrogate: Surrogate, space: Space, goal: Goal, seed: int = 0) -> float:
    """Return the smallest value of a goal over 2,000 random points and the points of the surrogate."""
    drawn = np.random.default_rng(seed).random((SAMPLED, len(space)))
    places = np.vstack([space.on_grid(drawn), surrogate.points])
    return float(goal(*surrogate.predict(places))[0].min())


def _apart(places: Floats, values: Floats) -> list[Floats]:
    """Return the best points, no two of them near each other."""
    found: list[Floats] = []
    for at in np.argsort(values, kind="stable")[: 20 * FOLLOWED]:
        if all(np.abs(places[at] - other).max() > 0.05 for other in found):
            found.append(places[at])
        if len(found) == FOLLOWED:
            break
    return found


def _followed(surrogate: Surrogate, goal: Goal, start: Floats, free: Flags) -> Floats:
    """Return the point that L-BFGS reaches from `start` when it varies the dimensions `free`."""
    from scipy.optimize import minimize

    if not free.any():
        return start
    place = start.copy()

    def value(moved: Floats) -> tuple[float, Floats]:
        place[free] = moved
        mean, deviation, by_mean, by_deviation = surrogate.moments(place)
        found, slope, other = goal(np.array([mean]), np.array([deviation]))
        return float(found[0]), (slope[0] * by_mean + other[0] * by_deviation)[free]

    found = minimize(value, start[free], jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * int(free.sum()),
                     options={"maxiter": 50})  # fmt: skip
    place[free] = np.clip(found.x, 0.0, 1.0)
    return place


def _swept(surrogate: Surrogate, space: Space, goal: Goal, place: Floats) -> Floats:
    """Return a point with discrete parameters on their grid.

    For each discrete parameter in turn, the best level is chosen. Then L-BFGS runs again over the continuous ones.
    """
    grids = [parameter.grid for parameter in space.parameters]
    if not any(map(len, grids)):
        return place
    for column, grid in enumerate(grids):
        if len(grid):
            near = (
                np.arange(len(grid)) if surrogate.categories[column] else np.argsort(np.abs(grid - place[column]))[:2]
            )
            tried = np.repeat(place[None], len(near), axis=0)
            tried[:, column] = grid[near]
            place = tried[int(np.argmin(goal(*surrogate.predict(tried))[0]))]
    return _followed(surrogate, goal, place, np.array([not len(grid) for grid in grids]))
