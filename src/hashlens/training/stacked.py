"""Multilayer perceptrons of equal depth, stacked for batched matrix products: training many on a GPU."""

import time
from collections.abc import Callable, Hashable, Iterable, Sequence

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.mlp import MLP, drop_probability, norms
from hashlens.training.cross_entropy import cross_entropies
from hashlens.training.dropout import dropout_factors
from hashlens.training.fitted import Epoch
from hashlens.training.loop import check_finite
from hashlens.training.losses import class_targets
from hashlens.training.member import MemberProgress
from hashlens.training.order import batch_order, split_batches

BETAS, EPSILON, MOMENTUM, NORM_MOMENTUM, NORM_EPSILON = (0.9, 0.999), 1e-8, 0.9, 0.1, 1e-5


def train_stacked(
    progresses: Sequence[MemberProgress], device: torch.device, on_epoch: Callable[[int, Epoch], None] | None = None
) -> None:
    """Train the members of all progresses on `device`; members that can be stacked are trained together.

    Narrower networks are padded with units whose weights are 0. Such a unit is never on, so its gradients are 0 and it
    does not change. Dropout uses the random numbers that :func:`hashlens.training.fit` draws on the CPU, also on a GPU.
    """
    groups: dict[Hashable, list[int]] = {}
    for i, progress in enumerate(progresses):
        groups.setdefault(_stacking_key(progress), []).append(i)
    for group in groups.values():
        _train_group(group, progresses, device, on_epoch)


def _stacking_key(progress: MemberProgress) -> Hashable:
    """Return a key that is equal for members that can be stacked."""
    member, network = progress.member, progress.member.network
    inputs = member.train.inputs
    return (
        len(network.hidden), network.head.out_features, next(network.parameters()).dtype, bool(norms(network)),
        drop_probability(network) > 0, member.recipe.optimizer, member.recipe.loss,
        member.recipe.batch_size, member.examples_per_epoch,
        inputs.data_ptr(), tuple(inputs.shape[1:]), inputs.stride(), inputs.dtype, member.train.scale,
    )  # fmt: skip


def _train_group(
    group: list[int],
    progresses: Sequence[MemberProgress],
    device: torch.device,
    on_epoch: Callable[[int, Epoch], None] | None,
) -> None:
    longest = max((progresses[i].member.train for i in group), key=len)
    inputs = longest.inputs.to(device)
    size, batch_size = progresses[group[0]].member.examples_per_epoch, progresses[group[0]].member.recipe.batch_size
    batches = [len(batch) for batch in split_batches(torch.arange(size), batch_size)]
    for i in group:
        progresses[i].keep_weights()
        if norms(progresses[i].member.network) and min(batches) < 2:
            progresses[i].failure = "BatchNorm has no statistics of one example: give more examples or a larger batch"
    active = [i for i in group if not progresses[i].is_finished]
    if not active:
        return
    stack = _Stack([progresses[i].member.network for i in active], device)
    while active:
        _train_epoch(stack, [progresses[i] for i in active], inputs, longest.scale, batches, device)
        stack.copy_to([progresses[i].member.network for i in active])
        for i in active:
            progresses[i].keep_weights()
            if on_epoch is not None and progresses[i].failure is None:
                on_epoch(i, progresses[i].history[-1])
        remaining = [position for position, i in enumerate(active) if not progresses[i].is_finished]
        if len(remaining) < len(active):
            active = [active[position] for position in remaining]
            stack.select(remaining)


def _train_epoch(
    stack: "_Stack", progresses: Sequence[MemberProgress], inputs: torch.Tensor, scale: float, batches: list[int],
    device: torch.device,
) -> None:  # fmt: skip
    started = time.perf_counter()
    members, numbers = (
        [progress.member for progress in progresses],
        [len(progress.history) + 1 for progress in progresses],
    )
    total, dtype = sum(batches), stack.weights[0].dtype
    orders = torch.stack([
        batch_order(total, member.seed, number) % len(member.train)
        for member, number in zip(members, numbers, strict=True)
    ])  # fmt: skip
    targets = torch.stack([
        torch.from_numpy(member.train.labels)[order]
        for member, order in zip(members, orders, strict=True)
    ]).to(device)  # fmt: skip
    orders = orders.to(device)
    rates = [member.recipe.rate(number) for member, number in zip(members, numbers, strict=True)]
    steps, penalties = (
        torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)
        for values in (rates, [member.recipe.weight_decay for member in members])
    )
    factors = stack.dropout_factors(batches, [member.seed for member in members], numbers)
    losses = torch.zeros(len(members), dtype=torch.float64, device=device)
    hits = torch.zeros(len(members), dtype=torch.int64, device=device)
    begin = 0
    for count, factor in zip(batches, factors, strict=True):
        rows, target = orders[:, begin : begin + count], targets[:, begin : begin + count]
        batch = inputs[rows].flatten(2)
        # The batch is scaled as by ArrayExamples.tensor: in float32, for any dtype of the network.
        batch = (batch if scale == 1.0 else batch.to(torch.float32).mul_(scale)).to(dtype)
        logits = stack.forward(batch, factor)
        values = _losses(logits, target, members[0].recipe.loss)
        torch.autograd.backward(values.sum())
        stack.step(steps, penalties, members[0].recipe.optimizer)
        losses += values.detach() * count
        hits += (logits.detach().argmax(2) == target).sum(1)
        begin += count
    # The numbers are copied before the clock is read, because a GPU has finished only then.
    sums = losses.tolist(), hits.tolist()
    seconds = (time.perf_counter() - started) / len(members)
    member_results = zip(progresses, numbers, rates, *sums, strict=True)
    for progress, number, rate, loss, hit in member_results:
        try:
            check_finite(loss, number, rate)
        except ModelError as error:
            progress.failure = str(error)
        else:
            progress.history.append(Epoch(number, loss / total, hit / total, None, rate, seconds))


def _losses(outputs: torch.Tensor, classes: torch.Tensor, loss: str) -> torch.Tensor:
    """Return the mean loss of each network, ``(N,)``, for outputs ``(N, b, K)`` and classes ``(N, b)``."""
    if loss == "cross-entropy":
        return cross_entropies(outputs, classes).mean(1)
    return (outputs - class_targets(classes, outputs.shape[-1], outputs.dtype)).square().mean((1, 2))


class _Stack:
    """Parameters of N networks, ``(N, out, in)`` and ``(N, 1, out)``, with moments and running statistics."""

    def __init__(self, networks: Sequence[MLP], device: torch.device) -> None:
        self.device = device
        self.norm = bool(norms(networks[0]))
        self.drops = torch.tensor([drop_probability(network) for network in networks], dtype=torch.float64)
        self.widths = [network.head.in_features for network in networks]
        self.steps = 0
        self.width, self.depth = max(self.widths), len(networks[0].hidden)
        self.weights = [
            _stack_padded(tensors).to(device).requires_grad_()
            for tensors in zip(*(_tensors(network) for network in networks), strict=True)
        ]
        self.first = [torch.zeros_like(weight) for weight in self.weights]
        self.second = [torch.zeros_like(weight) for weight in self.weights]
        self.running = [
            _stack_padded([getattr(norms(network)[k], name) for network in networks]).to(device)
            for k in range(self.depth if self.norm else 0)
            for name in ("running_mean", "running_var")
        ]

    def select(self, positions: list[int]) -> None:
        """Keep only the networks at these positions."""
        index = torch.tensor(positions, dtype=torch.int64, device=self.device)
        for tensors in (self.first, self.second, self.running):
            tensors[:] = [tensor[index] for tensor in tensors]
        self.weights = [weight.detach()[index].requires_grad_() for weight in self.weights]
        self.drops, self.widths = self.drops[positions], [self.widths[position] for position in positions]

    def dropout_factors(
        self, batches: Sequence[int], seeds: Sequence[int], numbers: Sequence[int]
    ) -> Iterable[torch.Tensor | None]:
        """Yield, batch by batch, the factors ``(depth, N, batch, width)`` of dropout, or None."""
        if not self.drops.any():
            yield from [None] * len(batches)
            return
        streams = [
            dropout_factors(drop, batches, self.depth, width, self.weights[0].dtype, seed, number)
            for drop, width, seed, number in zip(self.drops.tolist(), self.widths, seeds, numbers, strict=True)
        ]
        for drawn in zip(*streams, strict=True):
            filled = [nn.functional.pad(factor, (0, self.width - factor.shape[-1])) for factor in drawn]
            yield torch.stack(filled, dim=1).to(self.device)

    # torch.func.vmap took 1.4 to 5 times as long for a step of 8 to 64 networks of 8 to 64 units on one core.
    def forward(self, batch: torch.Tensor, factors: torch.Tensor | None) -> torch.Tensor:
        """Return the logits ``(N, b, classes)`` of inputs ``(N, b, features)``."""
        tensors_per_layer = 4 if self.norm else 2
        hidden = batch
        for k in range(self.depth):
            weight, bias, *scaling = self.weights[k * tensors_per_layer : (k + 1) * tensors_per_layer]
            hidden = torch.baddbmm(bias, hidden, weight.transpose(1, 2))
            if scaling:
                hidden = self._normalize(hidden, k) * scaling[0] + scaling[1]
            hidden = hidden.relu()
            if factors is not None:
                hidden = hidden * factors[k]
        return torch.baddbmm(self.weights[-1], hidden, self.weights[-2].transpose(1, 2))

    def _normalize(self, values: torch.Tensor, k: int) -> torch.Tensor:
        var, mean = torch.var_mean(values, dim=1, keepdim=True, correction=0)
        with torch.no_grad():
            count = values.shape[1]
            self.running[2 * k].lerp_(mean, NORM_MOMENTUM)
            self.running[2 * k + 1].lerp_(var * (count / (count - 1)), NORM_MOMENTUM)
        return (values - mean) * torch.rsqrt(var + NORM_EPSILON)

    @torch.no_grad()
    def step(self, rate: torch.Tensor, decay: torch.Tensor, optimizer: str) -> None:
        """Take one step of Adam, or of SGD with Nesterov momentum, at rates ``(N, 1, 1)``, and clear the gradients."""
        self.steps += 1
        for weight, first, second in zip(self.weights, self.first, self.second, strict=True):
            assert weight.grad is not None
            gradient = weight.grad.addcmul_(decay.expand_as(weight), weight)
            if optimizer == "adam":
                first.lerp_(gradient, 1 - BETAS[0])
                second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
                root = second.sqrt().div_((1 - BETAS[1] ** self.steps) ** 0.5).add_(EPSILON)
                weight.sub_(rate / (1 - BETAS[0] ** self.steps) * first / root)
            else:
                first.mul_(MOMENTUM if self.steps > 1 else 0.0).add_(gradient)
                weight.sub_(rate * gradient.add_(first, alpha=MOMENTUM))
            weight.grad = None

    @torch.no_grad()
    def copy_to(self, networks: Sequence[MLP]) -> None:
        """Copy the parameters and running statistics of the stack to the networks."""
        for position, network in enumerate(networks):
            for tensor, stacked in zip(_tensors(network), self.weights, strict=True):
                _copy(tensor, stacked[position])
            statistics = [
                getattr(norm, name) for norm in norms(network) for name in ("running_mean", "running_var")
            ]  # fmt: skip
            for tensor, stacked in zip(statistics, self.running, strict=True):
                _copy(tensor, stacked[position])
            for norm in norms(network):
                norm.num_batches_tracked.fill_(self.steps)  # type: ignore[union-attr]


def _tensors(network: MLP) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in network.parameters()]


def _stack_padded(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors of one parameter, padded with zeros for narrower networks; vectors become rows."""
    matrices = [tensor.detach().cpu().reshape(-1, tensor.shape[-1]) for tensor in tensors]
    height, width = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    return torch.stack([
        nn.functional.pad(matrix, (0, width - matrix.shape[1], 0, height - matrix.shape[0])) for matrix in matrices
    ])  # fmt: skip


def _copy(tensor: torch.Tensor, stacked: torch.Tensor) -> None:
    part = stacked[tuple(slice(0, size) for size in tensor.shape)] if tensor.ndim == 2 else stacked[0, : len(tensor)]
    tensor.copy_(part)
