"""Ways between two codes."""

import torch

Tensor = torch.Tensor


def between(first: Tensor, second: Tensor, steps: int, spherical: bool) -> Tensor:
    """Return codes on the way from one to the other, both ends among them.

    Parameters
    ----------
    first, second : torch.Tensor
        ``(n, latent)``.
    steps : int
        Codes of each way, two or more.
    spherical : bool
        Whether the way keeps to lengths between those of its ends, as codes of a normal prior do; straight otherwise.

    Returns
    -------
    torch.Tensor
        ``(n, steps, latent)``.

    References
    ----------
    White (2016): Sampling generative networks, for the spherical way.
    """
    share = torch.linspace(0, 1, steps, device=first.device, dtype=first.dtype)[None, :, None]
    a, b = first[:, None], second[:, None]
    straight = a * (1 - share) + b * share
    if not spherical:
        return straight
    lengths = a.norm(dim=2, keepdim=True), b.norm(dim=2, keepdim=True)
    least = torch.finfo(first.dtype).tiny
    u, v = a / lengths[0].clamp(min=least), b / lengths[1].clamp(min=least)
    angle = (u * v).sum(dim=2, keepdim=True).clamp(-1, 1).arccos()
    sine = angle.sin()
    turned = (((1 - share) * angle).sin() * u + (share * angle).sin() * v) / sine.clamp(min=1e-6)
    # Ends that lie in one direction, or opposite ones, have no way on a sphere of their own.
    return torch.where(sine > 1e-3, turned * (lengths[0] * (1 - share) + lengths[1] * share), straight)
