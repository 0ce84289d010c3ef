"""The predicted class of an output, in which rounding does not decide between two classes."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int64

from hashlens.errors import DataError
from hashlens.nets.output import Output
from hashlens.regions.rounding import first_largest, tolerances

Tensor = torch.Tensor


def predict_classes(
    output: Float[Tensor, "n outputs"], read_as: Output, noise: Float[Tensor, "n outputs"] | None = None
) -> Int64[npt.NDArray[np.int64], " n"]:
    """Return the class of each output ``(n, outputs)``: that of the largest; for a single score, 1 above its cut.

    Outputs within the `noise` ``(n, outputs)`` of the largest count as equal; the first of them is chosen.

    Raises
    ------
    DataError
        If the network has no classes: it has no outputs, or they are values of a regression.
    """
    flat = output.reshape(len(output), -1)
    if not has_classes(read_as, flat.shape[1]):
        raise DataError(no_classes(read_as))
    noise = tolerances(flat.dtype)[0] * flat.abs() if noise is None else noise
    classes = (flat - read_as.threshold > noise)[:, 0].long() if flat.shape[1] == 1 else first_largest(flat, noise)
    result: npt.NDArray[np.int64] = classes.cpu().numpy()
    return result


def has_classes(read_as: Output, outputs: int) -> bool:
    """Return whether a number of outputs, read in some way, are scores of classes."""
    return outputs > 0 and not read_as.regression


def no_classes(read_as: Output) -> str:
    """Return in words why a network predicts no class."""
    if read_as.regression:
        way_out = "to read it otherwise, give output=, such as output='binary_logit'"
        return f"{read_as.description}: it predicts no class; {way_out}"
    return "the network has no outputs, so it predicts no class"
