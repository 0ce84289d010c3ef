"""Padding of explained inputs: the values of padded positions are set to 0."""

from dataclasses import replace

import numpy as np
import torch

from hashlens.codes.reader import masks_of
from hashlens.codes.reading import Reading
from hashlens.errors import ExplainError
from hashlens.explanations.explanation import Explanation


def without_padding(explanation: Explanation, x: torch.Tensor | None, reading: Reading) -> Explanation:
    """Return an explanation with values of 0 at padded positions, and a note of the share that they had.

    Parameters
    ----------
    explanation : Explanation
        Explanation with values ``(n, ...)`` of the parts of the inputs.
    x : torch.Tensor or None
        The inputs; None for texts.
    reading : Reading
        Reading whose mask marks the padded positions.

    Raises
    ------
    ExplainError
        If the values do not belong to positions, or the axis of positions is ambiguous.
    """
    if x is None or explanation.image is not None or explanation.values.shape[:1] != x.shape[:1]:
        raise ExplainError(
            f"mask= marks positions, but {explanation.method} gives no values for positions: leave it out"
        )
    assert reading.mask is not None
    masks = [each_mask for each_mask in masks_of(reading.mask, x).values() if each_mask is not None]
    values = explanation.values
    if len(masks) != 1 or len(masks[0]) != len(values):
        raise ExplainError(f"mask= must give one mask ({len(values)}, positions), of all inputs explained")
    mask = masks[0].cpu().numpy()
    axes = [axis for axis, size in enumerate(values.shape) if axis and size == mask.shape[1]]
    if len(axes) != 1:
        axes_text = "several axes have" if axes else "no axis has"
        raise ExplainError(
            f"{axes_text} the {mask.shape[1]} positions of the mask in values {values.shape}: leave mask= out"
        )
    shape = [1] * values.ndim
    shape[0], shape[axes[0]] = mask.shape
    padded = np.broadcast_to(~mask.reshape(shape), values.shape)
    total, padded_sum = float(np.abs(values).sum()), float(np.abs(values[padded]).sum())
    if not padded_sum:
        return explanation
    note = (
        f"{padded_sum / total:.1%} of the absolute values were at padded positions, which the network uses; they "
        "were set to 0"
    )
    return replace(
        explanation, values=np.where(padded, 0, values).astype(values.dtype), notes=(*explanation.notes, note)
    )
