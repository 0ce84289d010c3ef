"""Reason for the failure of a run, in one line."""

import torch

from hashlens.errors import HashlensError


def reason(error: Exception) -> str:
    """Return the first line of an error; its type comes first, unless it is an error of hashlens."""
    first = (str(error).strip() or "no reason was recorded").splitlines()[0]
    if isinstance(error, HashlensError):
        return first
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return f"ran out of memory: {first}"
    return f"{type(error).__name__}: {first}"
