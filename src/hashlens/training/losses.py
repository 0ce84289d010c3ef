"""The losses of recipes, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hashlens.training.cross_entropy import cross_entropies


@dataclass(frozen=True)
class Loss:
    """A loss.

    Attributes
    ----------
    title : str
        Name in figures, with its unit.
    unit : str
        Unit of the loss.
    mean : callable
        Function from outputs ``(b, outputs)`` and targets to the mean loss of the batch.
    """

    title: str
    unit: str
    mean: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropies(logits, targets).mean()


LOSSES = {
    "cross-entropy": Loss("cross-entropy (nats)", "nats", _cross_entropy),
    # The mean over examples and outputs. Papers on infinite networks often use half of it, for which
    # gradient descent takes twice as many steps.
    "mse": Loss("mean squared error", "mse", nn.functional.mse_loss),
}


def class_targets(labels: torch.Tensor, classes: int, dtype: torch.dtype) -> torch.Tensor:
    """Return regression targets for classes: one-hot vectors minus their mean.

    Each row sums to 0, as the outputs of a network do on average before training.

    Parameters
    ----------
    labels : torch.Tensor
        int64 ``(n,)``: class numbers.
    classes : int
        Number K of classes.
    dtype : torch.dtype
        Dtype of the network.

    Returns
    -------
    torch.Tensor
        ``(n, K)``: 1 - 1/K for the right class, -1/K for the others.

    References
    ----------
    Lee et al. (2018): Deep neural networks as Gaussian processes. ICLR. (0.9 and -0.1 for ten classes.)

    Examples
    --------
    >>> class_targets(torch.tensor([1]), 4, torch.float64).tolist()
    [[-0.25, 0.75, -0.25, -0.25]]
    """
    return nn.functional.one_hot(labels, classes).to(dtype) - 1 / classes
