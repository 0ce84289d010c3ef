"""Layer-wise weight decay: each layer of weights has its own strength."""

from typing import Any

from torch import nn

from hashlens.arguments import excerpt, is_number
from hashlens.errors import KernelError


def layerwise_weight_decay(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return groups of parameters for an optimizer, with weight decay proportional to the fan-in of each layer.

    In the standard parameterisation, it is equivalent to uniform weight decay in the NTK parameterisation. The mean
    over layers is `weight_decay`; biases have this value too.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in the standard parameterisation (that of PyTorch).
    weight_decay : float
        Mean weight decay over layers.

    Raises
    ------
    KernelError
        If there are no weights to train, or `weight_decay` is not a number.

    References
    ----------
    Lee et al. (2020): Finite versus infinite neural networks: an empirical study. NeurIPS.

    Examples
    --------
    >>> groups = layerwise_weight_decay(nn.Sequential(nn.Linear(30, 10), nn.Linear(10, 1)), 0.1)
    >>> [round(group["weight_decay"], 3) for group in groups]
    [0.15, 0.05, 0.1]
    """
    if not is_number(weight_decay) or not weight_decay >= 0:
        raise KernelError(f"weight_decay must be a number, 0 or more, received {excerpt(weight_decay)}")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.dim() > 1]
    if not weights:
        raise KernelError("the network has no weights to train")
    fan_in = [weight[0].numel() for weight in weights]
    mean = sum(fan_in) / len(fan_in)
    groups: list[dict[str, Any]] = [
        {"params": [weight], "weight_decay": weight_decay * inputs / mean}
        for weight, inputs in zip(weights, fan_in, strict=True)
    ]
    biases = [parameter for parameter in trained if parameter.dim() <= 1]
    return [*groups, *([{"params": biases, "weight_decay": weight_decay}] if biases else [])]
