"""Controls: explanations that do not use the network. A useful method is better than all of them."""

from collections.abc import Callable

import numpy as np
import torch

from hashlens.explanations.explanation import Explanation
from hashlens.seeds import torch_generator

Tensor = torch.Tensor


def random(x: Tensor, seed: int) -> Tensor:
    """Return random values."""
    return torch.rand(x.shape, generator=torch_generator(seed, "control"), dtype=torch.float64)


def magnitude(x: Tensor, seed: int) -> Tensor:
    """Return the magnitude of the input."""
    return x.abs()


def edges(x: Tensor, seed: int) -> Tensor:
    """Return the magnitude of the spatial gradient of images ``(n, c, h, w)``, by Sobel's filter."""
    from scipy.ndimage import sobel

    array = x.numpy()
    return torch.as_tensor(np.hypot(sobel(array, axis=2), sobel(array, axis=3)))


CONTROLS: dict[str, Callable[[Tensor, int], Tensor]] = {"random": random, "magnitude": magnitude, "edges": edges}


def control(name: str, x: Tensor, target: Tensor, seed: int) -> Explanation:
    """Return the values of a control for inputs ``(n, ...)``."""
    values = CONTROLS[name](x.detach().cpu().double(), seed)
    kind = "image" if x.dim() == 4 else "table"
    return Explanation(name, kind, target.numpy(), np.zeros(len(x)), values.numpy(), diagnostics={"rows_run": 0})
