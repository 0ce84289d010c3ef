"""Copies of a network: the one way to make them."""

import copy
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

Tensor = torch.Tensor


class Copying(TorchFunctionMode):
    """A context in which networks can be copied that hold results of their last pass.

    The old-style ``weight_norm`` and ``spectral_norm`` leave the weight that they computed in the module, with its
    gradient's history, which torch refuses to copy. Its values are copied; the next pass computes it anew.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = found = tensor.detach().clone()
            return found
        return func(*args, **(kwargs or {}))


def copied(model: torch.nn.Module) -> torch.nn.Module:
    """Return a deep copy of a network, which stays as it was.

    Raises
    ------
    Exception
        Whatever a part of the network raises that cannot be copied.
    """
    with Copying():
        other = copy.deepcopy(model)
    for parameter in other.parameters():  # those of scripted modules are copied with a history
        if not parameter.is_leaf:
            parameter.detach_().requires_grad_()
    return other
