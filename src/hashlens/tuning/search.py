"""The best place of a space by a surrogate: many places tried, the best followed by their gradients."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hashlens.tuning.space import Space
from hashlens.tuning.surrogate import Surrogate

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Goal = Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
"""Of means and standard deviations: what is to be small, and its slopes over both."""
PLACES, FOLLOWED = 2048, 5
"""How many places are tried, and how many of them are followed."""
SAMPLED = 2000


def lower_bound(width: float) -> Goal:
    """Return the goal of a small mean less `width` standard deviations."""
    return lambda mean, deviation: (mean - width * deviation, np.ones_like(mean), np.full_like(mean, -width))


def expected_improvement(best: float) -> Goal:
    """Return the goal of a large expected improvement on `best`, as a small negative."""
    from scipy.special import ndtr

    def goal(mean: Floats, deviation: Floats) -> tuple[Floats, Floats, Floats]:
        z = (best - mean) / deviation
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        return -((best - mean) * ndtr(z) + deviation * density), ndtr(z), -density

    return goal


def improvement_odds(best: float) -> Goal:
    """Return the goal of many standard deviations below `best`, as a small negative."""
    return lambda mean, deviation: (
        (mean - best) / deviation, 1 / deviation, (best - mean) / deviation**2,
    )  # fmt: skip


def smallest(surrogate: Surrogate, space: Space, goal: Goal, seed: int = 0) -> float:
    """Return the smallest value of a goal that is found over a space.

    Tried are `PLACES` that fill the space and the points of the surrogate; the best of them are followed by L-BFGS.
    Whole numbers are followed between each other and rounded to the two next to where that ends; of categories each is
    tried in the place of the best. So it is never above the smallest of the places tried.
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
    """Return the smallest value of a goal over 2,000 random places and the points of the surrogate."""
    drawn = np.random.default_rng(seed).random((SAMPLED, len(space)))
    places = np.vstack([space.on_grid(drawn), surrogate.points])
    return float(goal(*surrogate.predict(places))[0].min())


def _apart(places: Floats, values: Floats) -> list[Floats]:
    """Return the best places, of which no two are near each other."""
    found: list[Floats] = []
    for at in np.argsort(values, kind="stable")[: 20 * FOLLOWED]:
        if all(np.abs(places[at] - other).max() > 0.05 for other in found):
            found.append(places[at])
        if len(found) == FOLLOWED:
            break
    return found


def _followed(surrogate: Surrogate, goal: Goal, start: Floats, free: Flags) -> Floats:
    """Return where L-BFGS leads from a place, along the dimensions that are free."""
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
    """Return a place on the grid: of each discrete parameter the best level, then the others followed again."""
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
