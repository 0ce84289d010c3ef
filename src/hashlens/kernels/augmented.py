"""Ensembles of predictors, each fitted to a different augmentation of the training examples."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from hashlens.errors import KernelError
from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.predict import Trained, predict

Array = npt.NDArray[Any]


def predict_augmented(
    network: InfiniteNetwork, augmented: Iterable[Any], targets: Any, test: Any, kernel: Trained = "ntk", **how: Any
) -> Float[Array, "m outputs"]:
    """Return the mean prediction of kernels, each fitted to one augmentation of the training examples.

    A kernel of all augmentations together would have as many times the examples as there are augmentations. The
    ensemble solves one kernel after another instead.

    Parameters
    ----------
    network : InfiniteNetwork
        The network.
    augmented : iterable of array_like
        The training examples of each member: unchanged, flipped, shifted, ...
    targets : array_like
        Targets ``(n,)`` or ``(n, outputs)``, the same for all members.
    test : array_like
        Test examples ``(m, ...)``.
    kernel, **how
        As in :func:`predict`.

    Raises
    ------
    KernelError
        If there is no member, inputs do not fit, or a kernel is singular.

    References
    ----------
    Lee et al. (2020): Finite versus infinite neural networks: an empirical study. NeurIPS.
    """
    means = [predict(network, train, targets, test, kernel, covariance=False, **how).mean for train in augmented]
    if not means:
        raise KernelError("an ensemble needs a member: give the training examples at least once")
    return np.asarray(np.mean(means, axis=0))


def flipped_at_random(images: Any, generator: np.random.Generator) -> Array:
    """Return images ``(n, channels, height, width)``, each mirrored from left to right with probability one half."""
    values = np.asarray(images)
    if values.ndim != 4:
        raise KernelError(f"images are (n, channels, height, width), received shape {values.shape}")
    mirrored = generator.random(len(values)) < 0.5
    return np.where(mirrored[:, None, None, None], values[..., ::-1], values)
