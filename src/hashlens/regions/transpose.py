"""Transpose: apply the transpose of a linear map that is defined by its forward computation."""

from collections.abc import Callable

import torch

Tensor = torch.Tensor


def apply_transpose(linear_map: Callable[[Tensor], Tensor], u: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the transpose of a linear map times `u`.

    ``torch.func.vjp`` gives the same, but imports torch's compiler at its first call, which takes a second.

    Parameters
    ----------
    linear_map : callable
        The map, as a function of one tensor.
    u : torch.Tensor
        A tensor of the shape of its output.
    shape : tuple of int
        Shape of its input.
    """
    with torch.inference_mode(False), torch.enable_grad():
        start = torch.zeros(shape, dtype=u.dtype, device=u.device, requires_grad=True)
        return torch.autograd.grad(linear_map(start), start, u)[0]
