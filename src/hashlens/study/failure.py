"""Reason for the failure of a run, in one line."""

import torch

from hashlens.errors import HashlensError


def reason(error: Exception) -> str:
    """Return the reason for a failure: the text of an error of hashlens; for other errors with their type."""
    first = (str(error).strip() or "no reason was recorded").splitlines()[0]
    if isinstance(error, HashlensError):
        return first
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return f"ran out of memory: {first}"
    return f"{type(error).__name__}: {first}"
