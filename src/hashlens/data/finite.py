"""Inputs that no network learns from: NaN, infinity, and numbers too large for the network's own."""

import torch

from hashlens.data.examples import ArrayExamples, Examples
from hashlens.errors import DataError

# Numbers looked at together: few enough to stay in a processor's cache.
CHUNK = 1 << 20


def require_finite(split: str, examples: Examples, dtype: torch.dtype = torch.float32) -> None:
    """Raise DataError if an input is not a finite number, before a training that would come to nothing.

    One such number makes every weight NaN within a step. Inputs that are whole numbers are finite, and streamed ones
    are let through, since a pass over them may cost as much as an epoch.

    Parameters
    ----------
    split : str
        ``train``, ``test``, ...: for the message.
    examples : Examples
        n of them.
    dtype : torch.dtype
        What the network calculates in: 1e39 is infinity in float32.

    Raises
    ------
    DataError
        With the number of such examples, and the first row.
    """
    if not isinstance(examples, ArrayExamples):
        return
    inputs, bad_rows = examples.inputs, list[int]()
    if not inputs.is_floating_point() or not inputs.numel():
        return
    limit = min(torch.finfo(dtype).max, torch.finfo(inputs.dtype).max)
    step = max(1, CHUNK // inputs[0].numel())
    for start in range(0, len(inputs), step):
        rows = inputs[start : start + step].reshape(-1, inputs[0].numel())
        # The extremes of anything with NaN are NaN, which no comparison holds for.
        low, high = rows.aminmax()
        if not (bool(low >= -limit) and bool(high <= limit)):
            unfit = ~(rows.abs() <= limit).all(1)
            bad_rows += (start + unfit.nonzero()[:, 0]).tolist()
    if bad_rows:
        raise DataError(
            f"{examples.name}: {len(bad_rows):,} of {len(inputs):,} {split} examples hold numbers that are not finite "
            f"in {str(dtype).removeprefix('torch.')} (NaN, infinity), the first in row {bad_rows[0]}: leave these "
            "examples out, or replace the numbers"
        )
