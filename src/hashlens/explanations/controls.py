"""Controls: explanations that know nothing of the network, which any method should beat."""

from collections.abc import Callable

import numpy as np
import torch

from hashlens.explanations.explanation import Explanation
from hashlens.seeds import torch_generator

Tensor = torch.Tensor


def random(x: Tensor, seed: int) -> Tensor:
    """Return random values: any order of the places."""
    return torch.rand(x.shape, generator=torch_generator(seed, "control"), dtype=torch.float64)


def magnitude(x: Tensor, seed: int) -> Tensor:
    """Return the size of the input."""
    return x.abs()


def edges(x: Tensor, seed: int) -> Tensor:
    """Return the size of the gradient of images ``(n, c, h, w)``, by Sobel's filter."""
    from scipy.ndimage import sobel

    array = x.numpy()
    return torch.as_tensor(np.hypot(sobel(array, axis=2), sobel(array, axis=3)))


CONTROLS: dict[str, Callable[[Tensor, int], Tensor]] = {"random": random, "magnitude": magnitude, "edges": edges}


def control(name: str, x: Tensor, target: Tensor, seed: int) -> Explanation:
    """Return what a control says of inputs ``(n, ...)``, whatever the network."""
    values = CONTROLS[name](x.detach().cpu().double(), seed)
    kind = "image" if x.dim() == 4 else "table"
    return Explanation(name, kind, target.numpy(), np.zeros(len(x)), values.numpy(), diagnostics={"rows_run": 0})
