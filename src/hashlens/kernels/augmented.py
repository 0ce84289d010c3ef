"""Ensembles of kernel predictors, each fitted to another augmentation of the training examples."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from hashlens.errors import KernelError
from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.predict import PredictionKernel, predict

Array = npt.NDArray[Any]


def predict_ensemble(
    network: InfiniteNetwork,
    train_sets: Iterable[Any],
    targets: Any,
    test: Any,
    kernel: PredictionKernel = "ntk",
    **options: Any,
) -> Float[Array, "m outputs"]:
    """Return the mean prediction of an ensemble: each member is fitted to one augmentation of the training examples.

    A single predictor for k augmentations of n examples would need a kernel of k n examples. The ensemble uses k
    kernels of n examples, one after another.

    Parameters
    ----------
    network : InfiniteNetwork
        The network.
    train_sets : iterable of array_like
        The training examples of each member, ``(n, ...)``: unchanged, flipped, shifted, ...
    targets : array_like
        Targets ``(n,)`` or ``(n, outputs)``, the same for all members.
    test : array_like
        Test examples ``(m, ...)``.
    kernel, **options
        As in :func:`predict`.

    Raises
    ------
    KernelError
        If there is no member, inputs do not fit, or a kernel is singular.

    References
    ----------
    Lee et al. (2020): Finite versus infinite neural networks: an empirical study. NeurIPS.
    """
    means = [predict(network, train, targets, test, kernel, covariance=False, **options).mean for train in train_sets]
    if not means:
        raise KernelError("an ensemble needs a member: give the training examples at least once")
    return np.asarray(np.mean(means, axis=0))


def random_horizontal_flip(images: Any, generator: np.random.Generator) -> Array:
    """Return images ``(n, channels, height, width)``, each mirrored from left to right with probability one half."""
    pixels = np.asarray(images)
    if pixels.ndim != 4:
        raise KernelError(f"images are (n, channels, height, width), received shape {pixels.shape}")
    is_mirrored = generator.random(len(pixels)) < 0.5
    return np.where(is_mirrored[:, None, None, None], pixels[..., ::-1], pixels)
