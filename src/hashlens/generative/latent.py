"""Interpolation between two latent codes."""

import torch

Tensor = torch.Tensor


def interpolate_codes(first: Tensor, second: Tensor, steps: int, *, spherical: bool) -> Tensor:
    """Return latent codes on a path between two latent codes, including both ends.

    Parameters
    ----------
    first, second : torch.Tensor
        ``(n, latent)``: start and end of n paths.
    steps : int
        Number of codes on each path, two or more.
    spherical : bool
        Whether the path is spherical, so that its codes have lengths like those of a normal prior; otherwise linear.

    Returns
    -------
    torch.Tensor
        ``(n, steps, latent)``: the codes.

    References
    ----------
    White (2016): Sampling generative networks (spherical interpolation).
    """
    share = torch.linspace(0, 1, steps, device=first.device, dtype=first.dtype)[None, :, None]
    a, b = first[:, None], second[:, None]
    linear = a * (1 - share) + b * share
    if not spherical:
        return linear
    lengths = a.norm(dim=2, keepdim=True), b.norm(dim=2, keepdim=True)
    least = torch.finfo(first.dtype).tiny
    u, v = a / lengths[0].clamp(min=least), b / lengths[1].clamp(min=least)
    angle = (u * v).sum(dim=2, keepdim=True).clamp(-1, 1).arccos()
    sine = angle.sin()
    turned = (((1 - share) * angle).sin() * u + (share * angle).sin() * v) / sine.clamp(min=1e-6)
    # Between ends in the same or in opposite directions, there is no unique spherical path.
    return torch.where(sine > 1e-3, turned * (lengths[0] * (1 - share) + lengths[1] * share), linear)
