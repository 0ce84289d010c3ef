"""Why a run failed, in one line."""

import torch

from hashlens.errors import HashlensError


def reason(error: Exception) -> str:
    """Return what an error says of a run: its text where it is ours, else its kind too."""
    first = (str(error).strip() or "no reason was recorded").splitlines()[0]
    if isinstance(error, HashlensError):
        return first
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return f"ran out of memory: {first}"
    return f"{type(error).__name__}: {first}"
