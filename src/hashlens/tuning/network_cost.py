"""The cost of a network: operations of training or of a forward pass, or parameters."""

from typing import TYPE_CHECKING, Any, Literal, get_args

from hashlens.errors import TuningError, nearest

if TYPE_CHECKING:
    from torch import nn

Cost = Literal["training", "inference", "parameters"]
COSTS: tuple[Cost, ...] = get_args(Cost)
BACKWARD = 2
"""Operations of a backward pass relative to a forward pass: one product for inputs, and one for weights."""


def network_cost(
    network: "nn.Module", input_shape: tuple[int, ...], cost: Cost, *, examples: int = 1, epochs: float = 1
) -> float:
    """Return the cost of a network; it is run once, on zeros, and handed back in the modes that it had.

    Parameters
    ----------
    network : torch.nn.Module
        The network, on the CPU and in any mode.
    input_shape : tuple of int
        Shape of one example.
    cost : {"training", "inference", "parameters"}
        Floating-point operations of the whole training, those of a forward pass of one example (both count the products
        of linear layers and convolutions only), or the number of parameters.
    examples : int
        Number of examples in an epoch; for ``training``.
    epochs : float
        Number of epochs; for ``training``.

    Returns
    -------
    float
        Number of operations or of parameters.

    Raises
    ------
    TuningError
        If `cost` is unknown.

    Examples
    --------
    >>> from torch import nn
    >>> network_cost(nn.Linear(10, 3), (10,), "inference")
    60.0
    >>> network_cost(nn.Linear(10, 3), (10,), "parameters")
    33.0
    """
    if cost not in COSTS:
        raise TuningError(f"cost must be one of {', '.join(COSTS)}; {nearest(cost, COSTS)}")
    if cost == "parameters":
        return float(sum(parameter.numel() for parameter in network.parameters()))
    forward = _forward_operations(network, input_shape)
    return forward if cost == "inference" else (1 + BACKWARD) * forward * examples * epochs


def _forward_operations(network: "nn.Module", input_shape: tuple[int, ...]) -> float:
    import torch
    from torch import nn

    found: list[int] = []

    def count(module: Any, inputs: Any, output: Any) -> None:
        found.append(2 * output.numel() * module.weight[0].numel())

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    modes = {module: module.training for module in network.modules()}
    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, kinds)]
    dtype = next((parameter.dtype for parameter in network.parameters()), torch.float32)
    try:
        network.eval()
        with torch.no_grad():
            network(torch.zeros((1, *input_shape), dtype=dtype))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return float(sum(found))
