"""Digest of the parameters and buffers of a network."""

import torch
import xxhash
from torch import nn
from torch.nn.parameter import is_lazy

from hashlens.errors import ModelError


def parameters_digest(module: nn.Module) -> str:
    """Return a digest of the parameters and buffers of a module, as 32 hexadecimal digits.

    The digest depends on names, dtypes, shapes and bytes of the whole ``state_dict``, in the order of the names. It
    does not depend on the device.

    Parameters
    ----------
    module : torch.nn.Module
        A plain, scripted or exported module.

    Raises
    ------
    ModelError
        If a parameter has no values yet (lazy, or on the meta device).

    Examples
    --------
    >>> parameters_digest(nn.Identity()) == parameters_digest(nn.ReLU())
    True
    """
    hasher = xxhash.xxh3_128()
    for name, value in sorted(module.state_dict().items()):
        if not isinstance(value, torch.Tensor):
            continue
        if is_lazy(value) or value.is_meta:
            raise ModelError(
                f"{type(module).__name__}: {name!r} has no values yet: run one batch through the model, or load weights"
            )
        hasher.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        hasher.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return hasher.hexdigest()
