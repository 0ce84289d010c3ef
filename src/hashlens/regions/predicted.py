"""Predicted: which class an output speaks for, where rounding may not decide between two."""

import numpy as np
import numpy.typing as npt
import torch

from hashlens.regions.rounding import first_largest, tolerances

Tensor = torch.Tensor


def predicted(output: Tensor, noise: Tensor | None = None) -> npt.NDArray[np.int64]:
    """Return the class of each output ``(n, outputs)``: of the largest; 1 where a single one is positive, else 0.

    What is within the `noise` ``(n, outputs)`` of the largest is as large, and the first of them counts.
    """
    flat = output.reshape(len(output), -1)
    noise = tolerances(flat.dtype)[0] * flat.abs() if noise is None else noise
    classes: npt.NDArray[np.int64] = (
        (flat > noise)[:, 0].long() if flat.shape[1] == 1 else first_largest(flat, noise)
    ).cpu().numpy()  # fmt: skip
    return classes
