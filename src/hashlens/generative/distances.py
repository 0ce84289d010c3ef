"""How far made examples are from real ones, by their features: FID, KID, and the two ways of being wrong.

All are pure functions of float features ``(n, d)``. FID and KID depend on the network that gave the features, and FID
on n too: numbers are comparable only where both are the same.
"""

from dataclasses import dataclass

import torch

from hashlens.errors import MeasureError

Tensor = torch.Tensor


def frechet_distance(real: Tensor, made: Tensor) -> float:
    """Return the squared Fréchet distance of two normal distributions fitted to features ``(n, d)`` and ``(m, d)``.

    References
    ----------
    Heusel et al. (2017): GANs trained by a two time-scale update rule converge to a local Nash equilibrium (FID).
    """
    (mean, spread), (other_mean, other_spread) = _moments(real), _moments(made)
    root = _root(spread)
    shared = torch.linalg.eigvalsh(root @ other_spread @ root).clamp(min=0).sqrt().sum()
    return max(float((mean - other_mean).square().sum() + spread.trace() + other_spread.trace() - 2 * shared), 0.0)


def kernel_distance(real: Tensor, made: Tensor) -> float:
    """Return the squared maximum mean discrepancy of features ``(n, d)`` and ``(m, d)``, without bias.

    It may be below 0. The kernel is ``(x y / d + 1) ** 3``; all pairs count, and no subsets are drawn.

    References
    ----------
    Binkowski et al. (2018): Demystifying MMD GANs (KID).
    """
    x, y = _checked(real), _checked(made)
    n, m = len(x), len(y)
    own, other = _kernel(x, x), _kernel(y, y)
    within = (own.sum() - own.trace()) / (n * (n - 1)) + (other.sum() - other.trace()) / (m * (m - 1))
    return float(within - 2 * _kernel(x, y).mean())


@dataclass(frozen=True)
class Manifolds:
    """How the neighbourhoods of real and made features overlap.

    Attributes
    ----------
    precision, recall : float
        Shares of made examples near a real one, and of real examples near a made one: within the distance to its k-th
        nearest of its own kind.
    density, coverage : float
        Mean number of neighbourhoods of real examples that a made one is in, divided by k; share of neighbourhoods that
        hold a made one.

    References
    ----------
    Kynkäänniemi et al. (2019): Improved precision and recall metric for assessing generative models. Naeem et al.
    (2020): Reliable fidelity and diversity metrics for generative models.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifolds(real: Tensor, made: Tensor, *, k: int = 5) -> Manifolds:
    """Return how neighbourhoods of features ``(n, d)`` and ``(m, d)`` overlap.

    Parameters
    ----------
    real, made : torch.Tensor
        Features.
    k : int
        A neighbourhood reaches to the k-th nearest of its own kind.
    """
    x, y = _checked(real), _checked(made)
    if not 1 <= k < min(len(x), len(y)):
        raise MeasureError(f"k must be from 1 to {min(len(x), len(y)) - 1}, one less than there are rows, received {k}")
    reach, other_reach = _reach(x, k), _reach(y, k)
    apart = _apart(x, y)
    inside = apart < reach[:, None]
    return Manifolds(
        float(inside.any(dim=0).double().mean()),
        float((apart < other_reach[None]).any(dim=1).double().mean()),
        float(inside.sum(dim=0).double().mean() / k),
        float((apart.min(dim=1).values < reach).double().mean()),
    )


def _checked(features: Tensor) -> Tensor:
    if features.ndim != 2 or len(features) < 2:
        raise MeasureError(f"features must be two rows or more, (n, d), received {tuple(features.shape)}")
    return features.double()


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    rows = _checked(features)
    return rows.mean(dim=0), torch.cov(rows.T).reshape(rows.shape[1], rows.shape[1])


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    kernel: Tensor = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _apart(x: Tensor, y: Tensor) -> Tensor:
    apart: Tensor = torch.cdist(x, y)
    return apart


def _reach(x: Tensor, k: int) -> Tensor:
    apart = _apart(x, x).fill_diagonal_(float("inf"))
    reach: Tensor = apart.kthvalue(k, dim=1).values
    return reach
