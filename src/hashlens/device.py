"""The device that a string names, checked before anything is moved to it."""

import torch

from hashlens.errors import DeviceError


def find_device(device: str | torch.device) -> torch.device:
    """Return the device that `device` names, if it is there.

    Parameters
    ----------
    device : str or torch.device
        ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ...

    Raises
    ------
    DeviceError
        If it is no device, or not on this machine.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {str(device)!r}: use cpu, cuda, cuda:N or mps") from error
    if found.type == "cuda":
        count = torch.cuda.device_count()
        if (found.index or 0) >= count:
            raise DeviceError(f"device {str(found)!r} is not there: this machine has {count} CUDA devices; use cpu")
    elif found.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' is not there: use cpu")
    elif found.type != "cpu":
        _try(found)
    return found


def _try(device: torch.device) -> None:
    """Raise DeviceError unless `device`, of a kind that torch has no common question for, holds a value."""
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # each backend refuses in its own way
        reason = str(error).split("\n")[0]
        raise DeviceError(f"device {str(device)!r} cannot be used: {reason}; use cpu, cuda, cuda:N or mps") from error
