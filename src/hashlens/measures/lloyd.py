"""Lloyd's iteration for many sets of centres at once, by two matrix products for each block of rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

# Distances computed at a time: few enough to stay in the cache between the two products.
BLOCK_DISTANCES = 1 << 20


@dataclass(frozen=True, eq=False)
class Points:
    """Rows to cluster.

    Attributes
    ----------
    rows : torch.Tensor
        float32 ``(n, d)``: the rows.
    weights : torch.Tensor or None
        float32 ``(n,)``: number of examples that each row represents; None for one each.
    """

    rows: torch.Tensor
    weights: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: torch.Tensor) -> "Points":
        """Return the points of rows `chosen`, int64 ``(m,)``."""
        return Points(self.rows[chosen], None if self.weights is None else self.weights[chosen])

    def weighted(self, values: torch.Tensor) -> torch.Tensor:
        """Return `values`, ``(..., n)``, times the weights."""
        return values if self.weights is None else values * self.weights

    def blocks(self, centres: int) -> Iterator[tuple[slice, "Points"]]:
        """Yield slices of rows, and their points, whose distances to a number of centres fit in the cache."""
        step = max(512, min(len(self), BLOCK_DISTANCES // centres))
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            yield rows, Points(self.rows[rows], None if self.weights is None else self.weights[rows])


def half_distances(rows: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return ``(|c|^2 / 2 - x.c)``, half the squared distance minus a constant of the row, ``(r, k, n)``.

    Parameters
    ----------
    rows : torch.Tensor
        ``(n, d)``.
    centres : torch.Tensor
        ``(r, k, d)``: r sets of k centres.
    """
    sets, k, _ = centres.shape
    flat = centres.flatten(0, 1)
    halves = flat.square().sum(dim=1, keepdim=True).mul_(0.5)
    return torch.addmm(halves, flat, rows.T, alpha=-1).view(sets, k, len(rows))


def assign(points: Points, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nearest centre of each row in each set, int64 ``(r, n)``, and the half distance to it, ``(r, n)``."""
    sets, k, _ = centres.shape
    nearest = torch.empty(sets, len(points), dtype=torch.int64)
    nearest_cost = torch.empty(sets, len(points))
    for rows, block in points.blocks(sets * k):
        torch.min(half_distances(block.rows, centres), dim=1, out=(nearest_cost[:, rows], nearest[:, rows]))
    return nearest, nearest_cost


def step(points: Points, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the means of the rows nearest to each centre, ``(r, k, d)``, and the cost of `centres`.

    The cost, float64 ``(r,)``, is half the inertia minus a constant of the rows. A centre without rows is not moved.
    """
    sets, k, columns = centres.shape
    sums = torch.zeros(sets * k, columns)
    counts = torch.zeros(sets * k)
    cost = torch.zeros(sets, dtype=torch.float64)
    for _, block in points.blocks(sets * k):
        distances = half_distances(block.rows, centres)
        least = distances.amin(dim=1)
        cost += block.weighted(least).sum(dim=1, dtype=torch.float64)
        members = torch.eq(distances, least[:, None], out=distances).flatten(0, 1)
        if block.weights is not None:
            members *= block.weights
        sums.addmm_(members, block.rows)
        counts += members.sum(dim=1)
    means = sums / counts.clamp(min=1e-30)[:, None]
    return torch.where(counts[:, None] > 0, means, centres.flatten(0, 1)).view_as(centres), cost


def lloyd(points: Points, centres: torch.Tensor, iterations: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Iterate each set of centres until it stops improving, at most `iterations` times.

    Returns
    -------
    centres : torch.Tensor
        ``(r, k, d)``.
    cost : torch.Tensor
        float64 ``(r,)``: see :func:`step`.
    iterations : int
        Steps taken.
    """
    best = centres.clone()
    cost = torch.full((len(centres),), torch.inf, dtype=torch.float64)
    active = torch.arange(len(centres))
    steps_done = 0
    while len(active) and steps_done < iterations:
        means, now = step(points, best[active])
        # With float32 products the relative error of the cost is about 1e-7.
        improved = now < cost[active] * (1 - 1e-7 * cost[active].sign())
        cost[active] = torch.minimum(now, cost[active])
        active = active[improved]
        best[active] = means[improved]
        steps_done += 1
    return best, cost, steps_done
