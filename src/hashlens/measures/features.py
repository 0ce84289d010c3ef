"""Rows as real-valued vectors: codes as 0 and 1, and features scaled by their range."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Num

from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError

Features = torch.Tensor | npt.NDArray[np.floating]
FLOAT_BYTES = 4


@contextmanager
def full_precision() -> Iterator[None]:
    """Switch autocast off, so that measures are computed in float32 also if the caller runs under autocast."""
    with torch.autocast("cpu", enabled=False):
        yield


def as_features(codes: Codes | Num[Features, "n d"]) -> Float32[torch.Tensor, "n d"]:
    """Return codes as 0.0 and 1.0, or an array unchanged, as float32 ``(n, d)`` on the CPU.

    Raises
    ------
    MeasureError
        If an array is not a matrix, or holds NaN or infinity.
    """
    if isinstance(codes, Codes):
        features = torch.empty(len(codes), codes.code_bits)
        for rows in codes.chunks():
            features[rows] = torch.from_numpy(codes.unpack(rows))
        return features
    features = torch.as_tensor(codes).detach().to("cpu", torch.float32)
    if features.ndim != 2:
        raise MeasureError(f"features must be a matrix (n, d), received {tuple(features.shape)}: flatten each row")
    if not torch.isfinite(features.sum()) and not torch.isfinite(features).all():
        raise MeasureError("features hold NaN or infinity: remove those rows or fix the network that computed them")
    return features


def range_scaled(
    train: Num[Features, "n d"], test: Num[Features, "m d"]
) -> tuple[Float32[torch.Tensor, "n kept"], Float32[torch.Tensor, "m kept"]]:
    """Scale each column by its range on train to [0, 1]; drop columns that are constant on train.

    Parameters
    ----------
    train, test : array
        ``(n, d)`` and ``(m, d)``: the features.

    Returns
    -------
    train, test : torch.Tensor
        float32 ``(n, d')`` and ``(m, d')``.

    Raises
    ------
    MeasureError
        If the columns differ, train is empty, all columns are constant on train, or a value is NaN or infinite.
    """
    first, second = as_features(train), as_features(test)
    if first.shape[1] != second.shape[1]:
        raise MeasureError(f"train and test must have the same columns, not {first.shape[1]} and {second.shape[1]}")
    if len(first) == 0:
        raise MeasureError("train needs at least one row, received none")
    low, high = first.min(dim=0).values, first.max(dim=0).values
    varying = high > low
    if not varying.any():
        raise MeasureError(
            f"all {len(varying):,} columns are constant on train, so rows cannot be told apart: give inputs that differ"
        )
    low, span = low[varying], (high - low)[varying]
    return first[:, varying].sub_(low).div_(span), second[:, varying].sub_(low).div_(span)
