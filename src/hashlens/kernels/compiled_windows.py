"""Means over windows of images on a CPU: one compiled loop for both axes, in place. Importing it imports numba."""

import numpy as np
import torch

from hashlens.compiling import compiled


def _means(values, rows, columns, factor):  # type: ignore[no-untyped-def]
    """Replace each image ``values[i]`` by `factor` times its sums over windows of 2 rows + 1 by 2 columns + 1."""
    height, width = values.shape[1], values.shape[2]
    across = np.empty((height, width), values.dtype)
    for i in range(values.shape[0]):
        for r in range(height):
            for c in range(width):
                across[r, c] = values[i, r, c]
            for shift in range(1, columns + 1):
                for c in range(shift, width):
                    across[r, c] += values[i, r, c - shift]
                for c in range(width - shift):
                    across[r, c] += values[i, r, c + shift]
        for r in range(height):
            for c in range(width):
                values[i, r, c] = across[r, c]
            for other in range(max(0, r - rows), min(height, r + rows + 1)):
                if other != r:
                    for c in range(width):
                        values[i, r, c] += across[other, c]
            for c in range(width):
                values[i, r, c] *= factor


_compiled_means = compiled(_means, fastmath={"contract", "reassoc", "nsz"})


def window_means(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return means over windows of odd size around each pixel, zeros outside, in place.

    Parameters
    ----------
    values : torch.Tensor
        ``(..., height, width)``, contiguous and on the CPU.
    size : (int, int)
        Rows and columns of a window.
    """
    images = values.numpy().reshape(-1, *values.shape[-2:])
    _compiled_means(images, size[0] // 2, size[1] // 2, images.dtype.type(1 / (size[0] * size[1])))
    return values
