"""Cells of the study that are predicted by kernels, and the kernels that finite networks are compared with."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.errors import KernelError
from hashlens.kernels.augmented import random_horizontal_flip
from hashlens.kernels.compute import Precision, compute
from hashlens.kernels.experiment_data import Draw, FiniteInfiniteResources
from hashlens.kernels.layers import Conv, Dense
from hashlens.kernels.named import parse_network
from hashlens.kernels.network import InfiniteNetwork, with_parameterization
from hashlens.kernels.predict import Predictor
from hashlens.kernels.rounding import critical_size, round_to_precision
from hashlens.seeds import numpy_generator
from hashlens.study.cells import Cell

Array = npt.NDArray[Any]
STOPPED_UP_TO = 1000
"""Largest number of examples for which early stopping is predicted too: it takes an eigendecomposition."""
FAILED = 0.05
"""Loss of accuracy by rounding at which a kernel counts as failed."""


@dataclass(frozen=True, eq=False)
class DrawKernels:
    """Kernels of a repeat, float64: of the training images, ``(n, n)``, and of test with training, ``(m, n)``."""

    nngp: Array
    ntk: Array
    cross_nngp: Array
    cross_ntk: Array

    def of(self, kind: str) -> tuple[Array, Array]:
        """Return the kernel of training images, and that of test with training images."""
        return (self.nngp, self.cross_nngp) if kind == "nngp" else (self.ntk, self.cross_ntk)


def limit_of(cell: Cell) -> InfiniteNetwork:
    """Return the limit of the network of a cell, with the widths that its parameterisation depends on."""
    network = parse_network(cell["network"])
    if cell["parameterization"] == "ntk":
        return network
    layers = tuple(replace(layer, width=cell["width"]) if isinstance(layer, (Dense, Conv)) else layer
                   for layer in network.layers)  # fmt: skip
    return with_parameterization(replace(network, layers=layers), "standard")


def kernels_of(cell: Cell, repeat: int, resources: FiniteInfiniteResources, member: int = -1) -> DrawKernels:
    """Return the kernels of a cell; with `member`, those of a member, whose training images are mirrored at random."""
    network = limit_of(cell)
    key = ("kernels", cell["images"], network, cell["examples"], cell["zca"], repeat, member)
    return resources.compute_once(key, lambda: _compute_kernels(cell, repeat, resources, network, member), large=True)


def _compute_kernels(
    cell: Cell, repeat: int, resources: FiniteInfiniteResources, network: InfiniteNetwork, member: int
) -> DrawKernels:
    draw = resources.draw(cell, repeat)
    x = draw.x
    if member >= 0:
        x = random_horizontal_flip(x, numpy_generator(resources.spec.seed, "mirrored", repeat, member))
    dtype: Precision = "float32" if cell["network"].startswith("gap") else "float64"
    own, across = compute(network, x, dtype=dtype), compute(network, draw.test, x, dtype=dtype)
    kernels = (own.nngp, own.ntk, across.nngp, across.ntk)
    return DrawKernels(*(np.asarray(kernel, dtype=np.float64) for kernel in kernels))


def measure_kernel(cell: Cell, repeat: int, resources: FiniteInfiniteResources) -> dict[str, float]:
    """Return the measures of a cell that a kernel predicts."""
    draw, kind, reg = resources.draw(cell, repeat), cell["predictor"], cell["diag_reg"]
    members = range(cell["augmentations"]) if cell["augmentations"] > 1 else (-1,)
    means, found = [], {}
    for member in members:
        known = kernels_of(cell, repeat, resources, member)
        means.append(_mean_prediction(known, draw, kind, reg, cell["precision"]))
    mean = np.mean(means, axis=0)
    found["accuracy"], found["mse"] = accuracy_and_mse(mean, draw)
    if members == (-1,) and cell["precision"] != "float64":
        found |= _failing_sizes(known, draw, kind, reg, cell["precision"])
    elif members == (-1,) and reg > 0 and len(draw.x) <= STOPPED_UP_TO:
        found["stopped_mse"] = _early_stopping_mse(known, draw, kind, reg)
    return found


def accuracy_and_mse(mean: Array, draw: Draw) -> tuple[float, float]:
    """Return accuracy and mean squared error of predictions of the test images."""
    return float(np.mean(mean.argmax(1) == draw.test_labels)), float(np.mean((mean - draw.test_targets) ** 2))


def _mean_prediction(
    known: DrawKernels, draw: Draw, kind: str, reg: float, precision: Any, n: int | None = None
) -> Array:
    """Return the mean prediction, from kernels of the first `n` examples in a precision; they are solved in float64."""
    own, across = known.of(kind)
    own, across, targets = own[:n, :n], across[:, :n], draw.targets[:n]
    if precision == "float64":
        return Predictor(targets, own, own if kind == "ntk" else None, reg).predict(across).mean
    own, across = round_to_precision(own, precision), round_to_precision(across, precision)
    ridge = reg * float(np.mean(np.diagonal(own)))
    # Not by Cholesky: a rounded kernel has negative eigenvalues where it fails.
    return np.asarray(across @ np.linalg.solve(own + ridge * np.eye(len(own)), targets))


def _early_stopping_mse(known: DrawKernels, draw: Draw, kind: str, reg: float) -> float:
    """Return the test MSE of early stopping without regularisation.

    The training time is that which corresponds to a regularisation of `reg`: the number of targets, divided by the
    value ``reg tr(T) / n`` that the regularisation adds to the diagonal of the kernel T.
    """
    own, across = known.of(kind)
    time = draw.targets.size / (reg * float(np.mean(np.diagonal(own))))
    stopped = Predictor(draw.targets, own, own if kind == "ntk" else None).means(across, [time])[0]
    return accuracy_and_mse(stopped, draw)[1]


def _failing_sizes(known: DrawKernels, draw: Draw, kind: str, reg: float, precision: Any) -> dict[str, float]:
    """Return ``failed_size`` and ``predicted_size``: base-2 logarithms of the size at which a rounded kernel fails.

    The first is left out if the kernel does not fail at its full size, the second if the prediction is infinite.
    """
    own, _ = known.of(kind)
    critical = critical_size(own, precision, reg, largest_size=max(64, len(own) // 8))
    found = {"predicted_size": float(np.log2(critical.predicted))} if np.isfinite(critical.predicted) else {}
    sizes = np.unique(np.geomspace(max(len(own) // 32, 2), len(own), 11).astype(int)).tolist()
    lost = []
    for size in sizes:
        exact, rounded = (
            accuracy_and_mse(_mean_prediction(known, draw, kind, reg, name, size), draw)[0]
            for name in ("float64", precision)
        )
        lost.append(exact - rounded)
    if lost[0] >= FAILED:
        raise KernelError(f"the kernel in {precision} fails at {sizes[0]} examples already")
    for at in range(1, len(sizes)):
        if lost[at] >= FAILED:
            share = (FAILED - lost[at - 1]) / (lost[at] - lost[at - 1])
            found["failed_size"] = float(np.log2(sizes[at - 1]) + share * np.log2(sizes[at] / sizes[at - 1]))
            break
    return found
