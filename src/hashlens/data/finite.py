"""Check of inputs for NaN, infinity, and numbers too large for the network's dtype."""

import torch

from hashlens.data.examples import ArrayExamples, Examples
from hashlens.errors import DataError

# Number of values checked at a time: few enough to stay in a processor's cache.
CHUNK = 1 << 20


def require_finite(split: str, examples: Examples, dtype: torch.dtype = torch.float32) -> None:
    """Raise DataError if an input is not finite, before a training that would fail.

    A single such number makes every weight NaN within one step. Integer inputs are always finite. Streamed inputs are
    not checked, since a pass over them may take as long as an epoch.

    Parameters
    ----------
    split : str
        Name of the split for messages: ``train``, ``test``, ...
    examples : Examples
        n examples.
    dtype : torch.dtype
        Dtype of the network; 1e39, for example, is infinite in float32.

    Raises
    ------
    DataError
        If an input is not finite; the message has the number of such examples and the first row.
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
        # The minimum and maximum of values with NaN are NaN, for which every comparison is false.
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
