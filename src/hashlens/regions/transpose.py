"""Transpose: a linear map that can be pushed forward, applied backward."""

from collections.abc import Callable

import torch

Tensor = torch.Tensor


def pulled_back(push: Callable[[Tensor], Tensor], u: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the transpose of a linear map times `u`.

    ``torch.func.vjp`` gives the same, but imports torch's compiler at its first call, which takes a second.

    Parameters
    ----------
    push : callable
        The linear map.
    u : torch.Tensor
        Of the shape that it gives.
    shape : tuple of int
        What it takes.
    """
    with torch.inference_mode(False), torch.enable_grad():
        start = torch.zeros(shape, dtype=u.dtype, device=u.device, requires_grad=True)
        return torch.autograd.grad(push(start), start, u)[0]
