"""Distances of generated examples from real ones by their features: FID, KID, and precision and recall.

All are pure functions of float features ``(n, d)``. FID and KID depend on the network that computes the features, and
FID depends on n: compare numbers only if both are the same.
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
    (mean, covariance), (other_mean, other_covariance) = _mean_and_covariance(real), _mean_and_covariance(made)
    root = _square_root(covariance)
    shared = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp(min=0).sqrt().sum()
    return max(
        float((mean - other_mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * shared), 0.0
    )


def kernel_distance(real: Tensor, made: Tensor) -> float:
    """Return the unbiased squared maximum mean discrepancy of features ``(n, d)`` and ``(m, d)``.

    It may be below 0. The kernel is ``(x y / d + 1) ** 3``. All pairs are used, instead of random subsets.

    References
    ----------
    Binkowski et al. (2018): Demystifying MMD GANs (KID).
    """
    x, y = _require_features(real), _require_features(made)
    n, m = len(x), len(y)
    own, other = _kernel(x, x), _kernel(y, y)
    within = (own.sum() - own.trace()) / (n * (n - 1)) + (other.sum() - other.trace()) / (m * (m - 1))
    return float(within - 2 * _kernel(x, y).mean())


@dataclass(frozen=True)
class Manifolds:
    """Overlap of the neighbourhoods of real and of generated features.

    The neighbourhood of an example is the ball up to its k-th nearest neighbour of the same kind (real or generated).

    Attributes
    ----------
    precision, recall : float
        Share of generated examples that lie in a neighbourhood of a real one, and share of real examples that lie in a
        neighbourhood of a generated one.
    density, coverage : float
        Number of neighbourhoods of real examples that contain a generated example, its mean over generated examples
        divided by k; and share of the neighbourhoods of real examples that contain any generated example.

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
    """Return the overlap of the neighbourhoods of features ``(n, d)`` and ``(m, d)``.

    Parameters
    ----------
    real, made : torch.Tensor
        Features of real and of generated examples.
    k : int
        Number of neighbours in a neighbourhood.
    """
    x, y = _require_features(real), _require_features(made)
    if not 1 <= k < min(len(x), len(y)):
        raise MeasureError(f"k must be from 1 to {min(len(x), len(y)) - 1}, one less than there are rows, received {k}")
    radii, other_radii = _radii(x, k), _radii(y, k)
    distances = _distances(x, y)
    inside = distances < radii[:, None]
    return Manifolds(
        float(inside.any(dim=0).double().mean()),
        float((distances < other_radii[None]).any(dim=1).double().mean()),
        float(inside.sum(dim=0).double().mean() / k),
        float((distances.min(dim=1).values < radii).double().mean()),
    )


def _require_features(features: Tensor) -> Tensor:
    if features.ndim != 2 or len(features) < 2:
        raise MeasureError(f"features must be two rows or more, (n, d), received {tuple(features.shape)}")
    return features.double()


def _mean_and_covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    rows = _require_features(features)
    return rows.mean(dim=0), torch.cov(rows.T).reshape(rows.shape[1], rows.shape[1])


def _square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    kernel: Tensor = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _distances(x: Tensor, y: Tensor) -> Tensor:
    distances: Tensor = torch.cdist(x, y)
    return distances


def _radii(x: Tensor, k: int) -> Tensor:
    distances = _distances(x, x).fill_diagonal_(float("inf"))
    radii: Tensor = distances.kthvalue(k, dim=1).values
    return radii
