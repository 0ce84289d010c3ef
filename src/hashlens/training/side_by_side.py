"""Multilayer perceptrons trained in parallel on the CPU, each by its own compiled loop."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# The BLAS that compiled loops call: it must be loaded before its number of threads can be limited.
import scipy.linalg  # noqa: F401
import torch
from threadpoolctl import threadpool_limits

from hashlens.data.examples import ArrayExamples
from hashlens.errors import ModelError
from hashlens.nets.mlp import MLP, drop_probability, norms
from hashlens.training.compiled_epoch import ADAM, CROSS_ENTROPY, SGD, SQUARED_ERROR, train_epoch
from hashlens.training.dropout import dropout_factors
from hashlens.training.evaluate import network_dtype
from hashlens.training.fitted import Epoch
from hashlens.training.loop import check_finite
from hashlens.training.member import MemberProgress, inputs_key
from hashlens.training.order import batch_order, split_batches

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Examples in the form that the compiled loop needs."""

    rows: npt.NDArray[np.generic]
    scale: np.float32
    scaled: bool


def train_side_by_side(
    progresses: Sequence[MemberProgress], threads: int, on_epoch: Callable[[int, Epoch], None] | None = None
) -> None:
    """Train the members of all progresses, `threads` at a time, the largest first.

    BLAS is limited to one thread meanwhile, since networks are already trained in parallel. An exception, also Ctrl-C,
    ends all trainings after their current epochs.
    """
    prepared: dict[tuple[object, ...], _Inputs] = {}
    sources = [
        _prepare(progress.member.train, network_dtype(progress.member.network), prepared) for progress in progresses
    ]
    stop = threading.Event()

    def train(i: int) -> None:
        try:
            _train(progresses[i], sources[i], stop, lambda epoch: on_epoch(i, epoch) if on_epoch else None)
        except BaseException:
            stop.set()
            raise

    largest_first = sorted(range(len(progresses)), key=lambda i: -_cost(progresses[i]))
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(max(1, threads)) as pool,
    ):
        waiting = [pool.submit(train, i) for i in largest_first]
        try:
            for future in waiting:
                future.result()
        except BaseException:
            stop.set()
            raise


def _cost(progress: MemberProgress) -> float:
    network, recipe = progress.member.network, progress.member.recipe
    size = sum(parameter.numel() for parameter in network.parameters())
    return float(size * recipe.epochs * progress.member.examples_per_epoch)


def _prepare(examples: ArrayExamples, dtype: torch.dtype, prepared: dict[tuple[object, ...], _Inputs]) -> _Inputs:
    """Return the inputs as rows; members with the same inputs share one copy, and uint8 inputs are not copied."""
    inputs, key = examples.inputs, (inputs_key(examples), dtype)
    if key not in prepared:
        scaled = inputs.dtype == torch.uint8 and examples.scale != 1.0
        rows = inputs if scaled else examples.tensor().to(dtype)
        flat = rows.reshape(len(inputs), -1).contiguous().cpu().numpy()
        prepared[key] = _Inputs(flat, np.float32(examples.scale), scaled)
    return prepared[key]


def _train(progress: MemberProgress, inputs: _Inputs, stop: threading.Event, on_epoch: Callable[[Epoch], None]) -> None:
    """Train one member to the end."""
    member, recipe = progress.member, progress.member.recipe
    network = _FlatNetwork.from_network(member.network)
    assert member.train.labels is not None
    labels, n = member.train.labels.astype(np.int64), len(member.train)
    sizes = [len(batch) for batch in split_batches(torch.arange(member.examples_per_epoch), recipe.batch_size)]
    if network.batch_norm and min(sizes) < 2:
        progress.failure = "BatchNorm has no statistics of one example: give more examples or a larger batch"
    ends, steps = np.cumsum(sizes), 0
    progress.keep_weights()
    while not progress.is_finished and not stop.is_set():
        number = len(progress.history) + 1
        started = time.perf_counter()
        order = batch_order(member.examples_per_epoch, member.seed, number).numpy() % n
        masks = network.masks(sizes, member.seed, number)
        rate = recipe.rate(number)
        loss, hits = train_epoch(
            inputs.rows, inputs.scale, inputs.scaled, labels, order, ends, network.sizes, network.batch_norm, masks,
            network.theta, network.first, network.second, network.running,
            CROSS_ENTROPY if recipe.loss == "cross-entropy" else SQUARED_ERROR,
            ADAM if recipe.optimizer == "adam" else SGD, rate, recipe.weight_decay, steps,
        )  # fmt: skip
        steps += len(sizes)
        seconds = time.perf_counter() - started
        try:
            check_finite(loss, number, rate)
        except ModelError as error:
            progress.failure = str(error)
            break
        progress.history.append(Epoch(number, loss / len(order), hits / len(order), None, rate, seconds))
        if number in member.checkpoints:
            network.copy_to(member.network, steps)
            progress.keep_weights()
        on_epoch(progress.history[-1])
    network.copy_to(member.network, steps)


@dataclass(frozen=True, eq=False)
class _FlatNetwork:
    """A multilayer perceptron as flat arrays, with the moments of its optimizer."""

    theta: Array
    first: Array
    second: Array
    running: Array
    sizes: npt.NDArray[np.int64]
    batch_norm: bool
    dropout: float

    @classmethod
    def from_network(cls, network: MLP) -> "_FlatNetwork":
        """Copy the parameters of `network`, in their order."""
        theta = torch.cat([parameter.detach().cpu().reshape(-1) for parameter in network.parameters()]).numpy()
        normed = norms(network)
        depth, width = len(network.hidden), network.head.in_features
        features = next(network.parameters()).shape[1]
        running = np.zeros((depth, 2, width), theta.dtype)
        for i, norm in enumerate(normed):
            running[i] = torch.stack([norm.running_mean, norm.running_var]).cpu().numpy()  # type: ignore[list-item]
        sizes = np.array([features, *[width] * depth, network.head.out_features])
        return cls(
            theta, np.zeros_like(theta), np.zeros_like(theta), running, sizes, bool(normed), drop_probability(network)
        )

    def masks(self, batches: Sequence[int], seed: int, epoch: int) -> Array:
        """Return the factors of dropout for one epoch, ``(depth, examples, width)``; empty without dropout."""
        if not self.dropout:
            return np.empty((0, 0, 0), self.theta.dtype)
        dtype = torch.from_numpy(self.theta).dtype
        depth, width = len(self.sizes) - 2, int(self.sizes[1])
        factors = dropout_factors(self.dropout, batches, depth, width, dtype, seed, epoch)
        drawn: Array = torch.cat(list(factors), dim=1).numpy()
        return drawn

    def copy_to(self, network: MLP, steps: int) -> None:
        """Copy the parameters and the statistics of BatchNorm to `network`."""
        values, begin = torch.from_numpy(self.theta), 0
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(values[begin : begin + parameter.numel()].view_as(parameter))
                begin += parameter.numel()
        for i, norm in enumerate(norms(network)):
            mean, var = torch.from_numpy(self.running[i].copy())
            with torch.no_grad():
                norm.running_mean.copy_(mean)  # type: ignore[union-attr]
                norm.running_var.copy_(var)  # type: ignore[union-attr]
                norm.num_batches_tracked.fill_(steps)  # type: ignore[union-attr]
