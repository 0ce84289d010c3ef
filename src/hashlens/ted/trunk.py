"""The trunk: the layers of a small network that labels and explanations share."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import nn

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.device import find_device
from hashlens.errors import ModelError, TEDError
from hashlens.seeds import torch_seed
from hashlens.training.loop import run_loop
from hashlens.training.order import batch_order, split_batches
from hashlens.training.state import TrainingState

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function from outputs ``(b, ...)`` and row numbers ``(b,)`` to the loss of each row, ``(b,)``."""


class Trunk(BaseEstimator):  # type: ignore[misc]
    """Settings of a multilayer perceptron and of its training, for the strategies ``multitask`` and ``embedding``.

    It has no ``fit`` of its own: :class:`TEDClassifier` trains it. Columns of X are standardised first.
    Training uses Adam with a cosine schedule of the learning rate.

    Parameters
    ----------
    width, depth : int
        Number of units of a hidden layer, and number of hidden layers.
    epochs, batch_size : int
        Number of epochs, and number of rows per step.
    learning_rate : float
        Learning rate at the start.
    dimensions : int
        Number of dimensions of an embedding.
    temperature : float
        Temperature of the contrastive loss of an embedding.
    seed : int
        Seed of the initial parameters and of the order of rows.
    device : str, optional
        Device to train and run on; the CPU by default.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        epochs: int = 40,
        batch_size: int = 256,
        learning_rate: float = 0.01,
        *,
        dimensions: int = 16,
        temperature: float = 0.1,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        self.width = width
        self.depth = depth
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dimensions = dimensions
        self.temperature = temperature
        self.seed = seed
        self.device = device

    def check(self) -> None:
        """Raise TEDError if a setting is invalid."""
        for name in ("width", "depth", "epochs", "batch_size", "dimensions"):
            require_whole(TEDError, f"Trunk: {name}", getattr(self, name))
        require_whole(TEDError, "Trunk: seed", self.seed, least=0)
        for name in ("learning_rate", "temperature"):
            value = getattr(self, name)
            if not is_number(value) or not 0 < value < math.inf:
                raise TEDError(f"Trunk: {name} must be a number above 0, received {excerpt(value)}")

    def network(self, inputs: int, outputs: int) -> nn.Module:
        """Return an untrained network, whose parameters depend only on the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(torch_seed(self.seed, "trunk"))
            layers: list[nn.Module] = []
            for _ in range(self.depth):
                layers += [nn.Linear(inputs, self.width), nn.ReLU()]
                inputs = self.width
            return nn.Sequential(*layers, nn.Linear(inputs, outputs)).to(find_device(self.device or "cpu"))

    def train(self, network: nn.Module, inputs: torch.Tensor, weights: torch.Tensor, loss: Loss) -> None:
        """Train a network in place; the loss of each row is multiplied by its weight."""
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        state = TrainingState({"network": network}, {"network": optimizer}, {"network": self._rate})
        step = TrunkStep(network, optimizer, inputs, weights, loss)
        batches_of = lambda epoch: split_batches(batch_order(len(inputs), self.seed, epoch), self.batch_size)  # noqa: E731
        try:
            run_loop(state, step, batches_of, self.epochs, seed=self.seed)
        except ModelError as error:
            raise TEDError(str(error)) from error
        network.eval()

    def _rate(self, epoch: int) -> float:
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / self.epochs))


@dataclass(frozen=True, eq=False)
class TrunkStep:
    """Training step of a trunk: the weighted loss of a batch, and a step of the optimizer.

    Attributes
    ----------
    network, optimizer
        Network and its optimizer.
    inputs : torch.Tensor
        float32 ``(n, d)``: inputs.
    weights : torch.Tensor
        float32 ``(n,)``: weights of the rows, with mean 1.
    loss : callable
        Function that returns the loss of each row.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    inputs: torch.Tensor
    weights: torch.Tensor
    loss: Loss

    def __call__(self, rows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Take one step, and return the weighted loss of each row."""
        rows = rows.to(self.inputs.device)
        losses = self.loss(self.network(self.inputs[rows]), rows) * self.weights[rows]
        self.optimizer.zero_grad()
        torch.autograd.backward(losses.mean())
        self.optimizer.step()
        return {"loss": losses.detach()}


class Standardiser:
    """Standardisation of columns to mean 0 and standard deviation 1 over the training rows."""

    def __init__(self, X: npt.NDArray[np.float64]) -> None:
        self.mean = X.mean(axis=0)
        spread = X.std(axis=0)
        self.spread = np.where(spread > 0, spread, 1.0)

    def __call__(self, X: npt.NDArray[np.float64], device: torch.device) -> torch.Tensor:
        """Return standardised rows as a tensor."""
        return torch.from_numpy(((X - self.mean) / self.spread).astype(np.float32)).to(device)


def normalised_weights(weights: Any, rows: int, device: torch.device) -> torch.Tensor:
    """Return weights ``(rows,)`` with mean 1, float32; all 1 if there are none.

    Raises
    ------
    TEDError
        If the number of weights differs from the number of rows, a weight is negative or not finite, or all are 0.
    """
    array = np.ones(rows) if weights is None else np.asarray(weights, np.float64)
    if array.shape != (rows,) or not np.isfinite(array).all() or (array < 0).any() or not array.sum():
        raise TEDError(
            f"sample_weight must be {rows:,} weights, zero or more and not all zero, received {excerpt(weights)}"
        )
    return torch.from_numpy((array / array.mean()).astype(np.float32)).to(device)
