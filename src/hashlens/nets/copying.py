"""Copies of a network."""

import copy
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

Tensor = torch.Tensor


class Copying(TorchFunctionMode):
    """Context in which networks that store results of their last pass can be copied.

    The old ``weight_norm`` and ``spectral_norm`` store the computed weight in the module, with its autograd history.
    Torch refuses to copy such a tensor. Here its values are copied; the next pass computes it again.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = clone = tensor.detach().clone()
            return clone
        return func(*args, **(kwargs or {}))


def copied(model: torch.nn.Module) -> torch.nn.Module:
    """Return a deep copy of a network; the original does not change.

    Raises
    ------
    Exception
        Any error of a module that cannot be copied.
    """
    with Copying():
        other = copy.deepcopy(model)
    for parameter in other.parameters():  # parameters of scripted modules are copied with their autograd history
        if not parameter.is_leaf:
            parameter.detach_().requires_grad_()
    return other
