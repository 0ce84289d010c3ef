"""A Gaussian process over hyperparameters: Matern-5/2 kernel, one length scale per dimension, learned noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
ROOT_5 = 5**0.5
INVERSE_LENGTHS, SCALES, NOISES = (1e-4, 100.0), (1e-3, 1e3), (1e-9, 1e3)
"""Bounds of the learned values, for points in the unit cube and targets of unit variance."""


@dataclass(frozen=True)
class Hyperparameters:
    """The learned hyperparameters of a Gaussian process, for targets of zero mean and unit variance.

    Attributes
    ----------
    inverse_lengths : numpy.ndarray
        float64 ``(dimensions,)``: the inverse of the length scale of each dimension, in the unit cube.
    scale, noise : float
        Variance of the process, and variance of the noise.
    """

    inverse_lengths: Floats
    scale: float
    noise: float

    @classmethod
    def default(cls, dimensions: int, inverse_length: float = 1.0, noise: float = 1e-3) -> "Hyperparameters":
        """Return the default starting point of a fit."""
        return cls(np.full(dimensions, inverse_length), 1.0, noise)

    @classmethod
    def starts(cls, dimensions: int, restarts: int) -> "list[Hyperparameters]":
        """Return the starting points of a fit: the default one and `restarts` random ones, always the same."""
        default = cls.default(dimensions)
        steps = np.random.default_rng(0).normal(size=(restarts, dimensions + 2))
        return [default, *(cls.of_logs(default.logs + step) for step in steps)]

    @classmethod
    def of_logs(cls, logs: Floats) -> "Hyperparameters":
        """Return the hyperparameters with these logarithms, in the order of `logs`."""
        values = np.exp(logs)
        return cls(values[:-2], float(values[-2]), float(values[-1]))

    @property
    def logs(self) -> Floats:
        """The logarithms of all values, which the optimiser works on."""
        return np.log([*self.inverse_lengths, self.scale, self.noise])


class Surrogate:
    """The posterior of a Gaussian process with given hyperparameters, conditioned on points and targets.

    Parameters
    ----------
    points : numpy.ndarray
        float64 ``(n, dimensions)`` in the unit cube; a category is a whole number.
    targets : numpy.ndarray
        float64 ``(n,)``.
    categories : numpy.ndarray
        bool ``(dimensions,)``: which dimensions are categorical. There, two different values have distance 1.
    learned : Hyperparameters
        Hyperparameters for the standardized targets.
    """

    def __init__(self, points: Floats, targets: Floats, categories: Flags, learned: Hyperparameters) -> None:
        from scipy.linalg import cho_solve, cholesky

        self.points, self.categories, self.learned = points, categories, learned
        self._squares = learned.inverse_lengths**2
        self._centre, self.spread = float(targets.mean()), float(targets.std()) or 1.0
        covariance = learned.scale * matern(squared_differences(points, points, categories) @ self._squares)[0]
        covariance[np.diag_indices(len(points))] += learned.noise
        self._factor = cholesky(covariance, lower=True)
        self._inverse = cho_solve((self._factor, True), np.eye(len(points)))
        standard = (targets - self._centre) / self.spread
        self._mean = constant_mean(self._inverse, standard)
        self._weights = self._inverse @ (standard - self._mean)

    def predict(self, places: Floats) -> tuple[Floats, Floats]:
        """Return the posterior mean and standard deviation at places ``(m, dimensions)``, in units of the targets."""
        from scipy.linalg import solve_triangular

        kernel = (
            self.learned.scale * matern(squared_differences(places, self.points, self.categories) @ self._squares)[0]
        )
        half = solve_triangular(self._factor, kernel.T, lower=True, check_finite=False)
        variance = np.maximum(self.learned.scale - np.einsum("nm,nm->m", half, half), MIN_VARIANCE)
        return self._unscaled(kernel @ self._weights), self.spread * np.sqrt(variance)

    def moments(self, place: Floats) -> tuple[float, float, Floats, Floats]:
        """Return the posterior mean and standard deviation at one place ``(dimensions,)``, and their gradients."""
        apart = place - self.points
        squared = apart**2
        if self.categories.any():
            squared[:, self.categories] = squared[:, self.categories] > 0
            apart[:, self.categories] = 0.0
        value, slope = matern(squared @ self._squares)
        kernel = self.learned.scale * value
        gradients = (2 * self.learned.scale * slope)[:, None] * apart * self._squares
        whole = self._inverse @ kernel
        deviation = float(np.sqrt(max(self.learned.scale - float(kernel @ whole), MIN_VARIANCE)))
        mean = float(self._unscaled(kernel @ self._weights))
        by_mean, by_deviation = gradients.T @ self._weights, -(gradients.T @ whole) / deviation
        return mean, self.spread * deviation, self.spread * by_mean, self.spread * by_deviation

    def _unscaled(self, standard: Floats) -> Floats:
        return self._centre + self.spread * (self._mean + standard)


MIN_VARIANCE = 1e-12
SAME_OPTIMUM = 5e-3
"""Largest difference of two log densities that are of the same optimum."""


def fit(
    points: Floats,
    targets: Floats,
    categories: Flags,
    starts: Sequence[Hyperparameters],
    weight_of_starts: float = 0.0,
) -> Hyperparameters:
    """Return the hyperparameters of an optimum of the posterior density, found by L-BFGS from several starts.

    Parameters
    ----------
    points, targets, categories
        As for :class:`Surrogate`.
    starts : sequence of Hyperparameters
        Starting points. The result of an earlier fit is a warm start.
    weight_of_starts : float
        With 0, the optimum with the largest density is returned. Otherwise, the optimum with the largest sum of its
        log density and this weight times the logarithm of the number of starts that lead to it. So a narrow optimum
        that few starts lead to, such as one without noise, must be much more likely to be returned.

    Notes
    -----
    The scale has a standard log-normal prior. The noise has a gamma prior of shape 0.1 and mean 0.1. The constant mean
    has a standard normal prior. The inverse length scales have uniform priors. These priors were chosen because
    the regret bounds then agree best with those of the published runs of Makarova et al. (2022).
    """
    from scipy.optimize import minimize

    standard = (targets - targets.mean()) / (float(targets.std()) or 1.0)
    apart = squared_differences(points, points, categories)
    ends = [np.log(INVERSE_LENGTHS)] * points.shape[1] + [np.log(SCALES), np.log(NOISES)]
    found = [
        minimize(_negative_log_posterior, start.logs, (apart, standard), jac=True, method="L-BFGS-B", bounds=ends,
                 tol=1e-6, options={"maxiter": 500})
        for start in starts
    ]  # fmt: skip
    losses = np.array([one.fun for one in found])
    leading = (np.abs(losses[:, None] - losses) < SAME_OPTIMUM).sum(axis=1)
    return Hyperparameters.of_logs(found[int(np.argmin(losses - weight_of_starts * np.log(leading)))].x)


def squared_differences(one: Floats, other: Floats, categories: Flags) -> Floats:
    """Return the squared differences ``(n, m, dimensions)``; for categories, 0 if equal and 1 if not."""
    apart = (one[:, None, :] - other[None, :, :]) ** 2
    if categories.any():
        apart[..., categories] = apart[..., categories] > 0
    return np.asarray(apart)


def matern(squared: Floats) -> tuple[Floats, Floats]:
    """Return the Matern-5/2 kernel at squared distances, and its derivative with respect to them.

    Distances are in units of the length scales.
    """
    root = ROOT_5 * np.sqrt(np.maximum(squared, 0.0))
    decay = np.exp(-root)
    return decay * (1 + root + (5 / 3) * squared), (-5 / 6) * (1 + root) * decay


def constant_mean(inverse: Floats, targets: Floats) -> float:
    """Return the constant mean with the largest posterior density; its prior is standard normal."""
    return float((inverse @ targets).sum() / (inverse.sum() + 1.0))


def _negative_log_posterior(logs: Floats, apart: Floats, targets: Floats) -> tuple[float, Floats]:
    """Return the negative log posterior of the hyperparameters, and its gradient with respect to their logarithms."""
    from scipy.linalg import cholesky, lapack

    learned = Hyperparameters.of_logs(logs)
    inverse_squares = learned.inverse_lengths**2
    value, slope = matern(apart @ inverse_squares)
    covariance = learned.scale * value
    covariance[np.diag_indices(len(targets))] += learned.noise
    try:
        factor = cholesky(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(logs)
    lower = lapack.dpotri(factor, lower=1)[0]
    inverse = np.tril(lower) + np.tril(lower, -1).T
    mean = constant_mean(inverse, targets)
    weights = inverse @ (targets - mean)
    loss = 0.5 * float((targets - mean) @ weights) + float(np.log(np.diag(factor)).sum()) + 0.5 * mean**2
    # The derivative of the loss with respect to the covariance. That with respect to the mean is 0: it is optimal.
    outer = 0.5 * (inverse - np.outer(weights, weights))
    by_length = 2 * learned.scale * np.tensordot(outer * slope, apart, 2) * inverse_squares
    by_scale = learned.scale * float((outer * value).sum()) + np.log(learned.scale) + 1.0
    by_noise = learned.noise * float(np.trace(outer)) + 0.9 + learned.noise
    loss += 0.5 * np.log(learned.scale) ** 2 + np.log(learned.scale) + 0.9 * np.log(learned.noise) + learned.noise
    return float(loss), np.array([*by_length, by_scale, by_noise])
