"""Regularised ZCA whitening of inputs."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number
from hashlens.errors import KernelError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ZCA:
    """ZCA whitening (whitening without a rotation of the inputs), fitted to training examples.

    Attributes
    ----------
    mean : numpy.ndarray
        ``(features,)``: mean of the training examples.
    directions : numpy.ndarray
        ``(rank, features)``: principal directions, of length 1.
    scales : numpy.ndarray
        ``(rank,)``: factor of an input along each direction.
    beyond : float
        Factor along all other directions.
    """

    mean: Array
    directions: Array
    scales: Array
    beyond: float

    @classmethod
    def fit(cls, train: Any, regularization: float = 0.1) -> "ZCA":
        """Fit the whitening to training examples.

        With the covariance ``U diag(L) U'`` of d features, inputs are multiplied by
        ``U diag(L + regularization * mean(L))^(-1/2) U'``, after subtraction of the mean.

        Parameters
        ----------
        train : array_like
            ``(n, features)``, or images; their pixels are the features.
        regularization : float
            Value above 0 that is added to each eigenvalue, as a share of their mean.

        Raises
        ------
        KernelError
            If all examples are equal, or an argument is invalid.

        References
        ----------
        Lee et al. (2020): Finite versus infinite neural networks: an empirical study. NeurIPS.

        Examples
        --------
        >>> ZCA.fit([[0.0, 1.0], [0.0, -1.0]], 1.0)([[1.0, 0.0]]).round(3).tolist()
        [[1.414, 0.0]]
        """
        if not is_number(regularization) or not (math.isfinite(regularization) and regularization > 0):
            raise KernelError(f"regularization must be a number, more than 0, received {excerpt(regularization)}")
        rows = _as_rows(train)
        mean = rows.mean(axis=0)
        variances, directions = _principal_directions(rows - mean)
        ridge = regularization * float(variances.sum()) / rows.shape[1]
        if not ridge > 0:
            raise KernelError("the training examples are all the same: there is nothing to whiten")
        return cls(mean, directions, 1 / np.sqrt(variances + ridge), 1 / math.sqrt(ridge))

    def __call__(self, inputs: Any) -> Array:
        """Return whitened inputs in their original shape.

        Parameters
        ----------
        inputs : array_like
            ``(m, ...)``: inputs with as many numbers as a training example.
        """
        rows = _as_rows(inputs)
        if rows.shape[1] != len(self.mean):
            raise KernelError(f"inputs have {rows.shape[1]} features, and the training examples {len(self.mean)}")
        centred = rows - self.mean
        along = centred @ self.directions.T
        found = self.beyond * centred + (along * (self.scales - self.beyond)) @ self.directions
        return np.asarray(found.reshape(np.shape(inputs)))


def _principal_directions(centred: Array) -> tuple[Array, Array]:
    """Return the variances along principal directions, and the directions as rows: as many as rows or features."""
    n, features = centred.shape
    if n >= features:
        variances, vectors = np.linalg.eigh(centred.T @ centred / n)
        return np.maximum(variances, 0.0), vectors.T
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    return singular**2 / n, directions


def _as_rows(inputs: Any) -> Array:
    values = np.asarray(inputs, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape or not np.isfinite(values).all():
        raise KernelError(f"inputs must be (n, ...), finite numbers, received shape {values.shape}")
    return values.reshape(len(values), -1)
