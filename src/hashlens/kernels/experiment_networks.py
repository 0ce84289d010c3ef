"""Cells of the study that finite networks predict, trained by full-batch gradient descent on squared errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.kernels.centred import Centred
from hashlens.kernels.experiment_data import Draw, FiniteInfiniteResources
from hashlens.kernels.experiment_kernels import accuracy_and_mse, kernels_of, limit_of
from hashlens.kernels.finite import finite_network
from hashlens.kernels.predict import Predictor
from hashlens.kernels.weight_decay import layerwise_weight_decay
from hashlens.seeds import torch_seed
from hashlens.study.cells import Cell
from hashlens.training.loop import run_loop
from hashlens.training.losses import LOSSES
from hashlens.training.state import TrainingState
from hashlens.training.steps import SupervisedStep

Array = npt.NDArray[Any]
EPOCHS = 10
"""Number of epochs after each of which the loop checks that the loss is finite."""
NETWORK_FACTORS = ("images", "network", "predictor", "examples", "width", "parameterization", "centred",
                   "learning_rate", "weight_decay", "layerwise", "zca")  # fmt: skip
"""Factors that the training of one network depends on."""


@dataclass(frozen=True, eq=False)
class TrainedOutputs:
    """Outputs of a trained network on the test images, ``(m, classes)``, and its training error."""

    test: Array
    train_mse: float


def learning_rate(cell: Cell, repeat: int, resources: FiniteInfiniteResources) -> float:
    """Return the learning rate of a cell, whose level is a share of the largest at which its limit is stable.

    The Hessian of the mean squared error of a linear model has eigenvalues of 2/N times those of its tangent kernel,
    with N targets, and gradient descent is stable up to 2 over the largest eigenvalue of the Hessian.
    """

    def largest() -> float:
        return float(np.linalg.eigvalsh(kernels_of(cell, repeat, resources).ntk)[-1])

    key = ("largest", cell["images"], limit_of(cell), cell["examples"], cell["zca"], repeat)
    targets = resources.draw(cell, repeat).targets.size
    return float(cell["learning_rate"]) * targets / resources.compute_once(key, largest)


def measure_networks(cell: Cell, repeat: int, resources: FiniteInfiniteResources) -> dict[str, float]:
    """Return the measures of a cell that finite networks predict, or ensembles of them."""
    draw, spec, members = resources.draw(cell, repeat), resources.spec, cell["members"]
    trained = [_network_outputs(cell, repeat, number, resources) for number in range(spec.networks * members)]
    groups = np.array([one.test for one in trained]).reshape(spec.networks, members, *trained[0].test.shape).mean(1)
    scores = np.array([accuracy_and_mse(mean, draw) for mean in groups])
    found = {"accuracy": scores[:, 0].mean(), "mse": scores[:, 1].mean()}
    found["train_mse"] = float(np.mean([one.train_mse for one in trained]))
    if cell["predictor"] == "finite" or cell["network"].startswith("vec:"):
        limit = _limit_prediction(cell, repeat, resources)
        found["distance"] = float(np.mean(np.sqrt(np.mean((groups - limit) ** 2, axis=(1, 2)))))
    if spec.networks > 1:
        found["seed_variance"] = float(np.var(groups, axis=0, ddof=1).mean())
    return {name: float(value) for name, value in found.items()}


def _limit_prediction(cell: Cell, repeat: int, resources: FiniteInfiniteResources) -> Array:
    """Return the mean that infinitely wide networks predict after training for the same time."""
    # The time of a Predictor is for half of the mean squared error, whose gradient is half as large.
    time = 2 * resources.spec.steps * learning_rate(cell, repeat, resources)
    key = ("limit", cell["images"], limit_of(cell), cell["examples"], cell["zca"], repeat, time)

    def predict() -> Array:
        known = kernels_of(cell, repeat, resources)
        predictor = Predictor(resources.draw(cell, repeat).targets, None, known.ntk)
        return np.asarray(predictor.means(known.cross_ntk, [time])[0])

    return resources.compute_once(key, predict)


def _network_outputs(cell: Cell, repeat: int, number: int, resources: FiniteInfiniteResources) -> TrainedOutputs:
    """Return the outputs of a network of a cell, which is trained once for all cells that need it."""
    key = ("network", *(cell[factor] for factor in NETWORK_FACTORS), repeat, number)
    return resources.compute_once(key, lambda: _train_network(cell, repeat, number, resources))


def _train_network(cell: Cell, repeat: int, number: int, resources: FiniteInfiniteResources) -> TrainedOutputs:
    draw, device = resources.draw(cell, repeat), torch.device(resources.device or "cpu")
    seed = torch_seed(resources.spec.seed, "start", repeat, number)
    network: nn.Module = finite_network(
        limit_of(cell), draw.x.shape[1:], draw.targets.shape[1], cell["width"],
        shared_filters=cell["predictor"] == "finite", seed=seed,
    ).to(device)  # fmt: skip
    network = Centred(network) if cell["centred"] else network
    rate = learning_rate(cell, repeat, resources)
    descend(network, draw, rate, decay_of(cell, rate, resources.spec.steps), cell["layerwise"], resources.spec.steps)
    with torch.no_grad():
        train, test = (network(torch.from_numpy(part).float().to(device)).double().cpu().numpy()
                       for part in (draw.x, draw.test))  # fmt: skip
    return TrainedOutputs(test, float(np.mean((train - draw.targets) ** 2)))


def decay_of(cell: Cell, rate: float, steps: int) -> float:
    """Return the weight decay of a cell: at level w, weight decay alone multiplies weights by exp(-w) in training."""
    return float(cell["weight_decay"]) / (rate * steps)


def descend(network: nn.Module, draw: Draw, rate: float, weight_decay: float, layerwise: bool, steps: int) -> None:
    """Train a network by full-batch gradient descent, without momentum.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is trained in place.
    draw : Draw
        Training images and targets.
    rate : float
        Learning rate.
    weight_decay : float
        Weight decay: a weight times this number is added to its gradient.
    layerwise : bool
        Whether weight decay is proportional to the fan-in of each layer.
    steps : int
        Number of steps of gradient descent.
    """
    device = next(network.parameters()).device
    groups: Any = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if layerwise:
        groups = layerwise_weight_decay(network, weight_decay)
    optimizer = torch.optim.SGD(groups, lr=rate, weight_decay=weight_decay)
    images = torch.from_numpy(draw.x).float().to(device)
    examples = ArrayExamples(images, draw.labels, np.arange(len(images)))
    targets = torch.from_numpy(draw.targets).float().to(device)
    step = SupervisedStep(network, optimizer, examples, targets, LOSSES["mse"].mean, True, device, torch.float32)
    every = torch.arange(len(images), device=device)
    per_epoch = -(-steps // EPOCHS)

    def order(epoch: int) -> Sequence[torch.Tensor]:
        return [every] * min(per_epoch, steps - (epoch - 1) * per_epoch)

    run_loop(TrainingState({"network": network}, {"network": optimizer}), step, order, -(-steps // per_epoch))
