"""The steps of one epoch."""

import torch
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.training.cross_entropy import cross_entropies
from hashlens.training.evaluate import as_inputs, network_device, network_dtype
from hashlens.training.order import split_batches
from hashlens.training.recipe import Recipe


def recipe_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of `recipe` for the parameters of `network`."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    # Fused: for small networks the steps of separate tensors would cost as much as the gradients.
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=0.9, nesterov=True, fused=True)


def train_epoch(
    network: nn.Module,
    examples: ArrayExamples,
    labels: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    order: torch.Tensor,
    batch_size: int,
) -> tuple[float, float]:
    """Train `network` once on all examples and return their mean loss (nats) and accuracy as they came by.

    Parameters
    ----------
    network : torch.nn.Module
        Left in training mode.
    examples : ArrayExamples
        On the network's device or on the CPU.
    labels : torch.Tensor
        int64 ``(n,)``, on the network's device.
    optimizer : torch.optim.Optimizer
        Of the network's parameters.
    order : torch.Tensor
        int64 ``(n,)``: which example comes when.
    batch_size : int
        Examples per step.
    """
    device, dtype = network_device(network), network_dtype(network)
    # Summed where the network is, so that no step waits for a number.
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    hits = torch.zeros((), dtype=torch.int64, device=device)
    network.train()
    batches = split_batches(order.to(examples.inputs.device), batch_size)
    targets = split_batches(labels[order.to(device)], batch_size)
    for rows, target in zip(batches, targets, strict=True):
        inputs = as_inputs(examples.tensor(rows).to(device), dtype)  # type: ignore[arg-type]
        logits = network(inputs)
        loss = cross_entropies(logits, target).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        loss_sum += loss.detach() * len(target)
        hits += (logits.detach().argmax(1) == target).sum()
    return loss_sum.item() / len(order), hits.item() / len(order)
