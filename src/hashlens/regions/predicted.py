"""Predicted: the class of an output, where rounding must not decide between two."""

import numpy as np
import numpy.typing as npt
import torch

from hashlens.regions.rounding import first_largest, tolerances

Tensor = torch.Tensor


def predicted(output: Tensor, noise: Tensor | None = None) -> npt.NDArray[np.int64]:
    """Return the class of each output ``(n, outputs)``: the largest; for a single output, 1 if it is positive, else 0.

    Outputs within the `noise` ``(n, outputs)`` of the largest count as equal; the first of them is chosen.
    """
    flat = output.reshape(len(output), -1)
    noise = tolerances(flat.dtype)[0] * flat.abs() if noise is None else noise
    classes: npt.NDArray[np.int64] = (
        (flat > noise)[:, 0].long() if flat.shape[1] == 1 else first_largest(flat, noise)
    ).cpu().numpy()  # fmt: skip
    return classes
