"""Transpose: apply the transpose of a linear map that is defined by its forward computation."""

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
        A tensor of the shape of its output.
    shape : tuple of int
        Shape of its input.
    """
    with torch.inference_mode(False), torch.enable_grad():
        start = torch.zeros(shape, dtype=u.dtype, device=u.device, requires_grad=True)
        return torch.autograd.grad(push(start), start, u)[0]
