"""Conversion of a string to a torch device, with a check that the device exists."""

import torch

from hashlens.errors import DeviceError


def find_device(device: str | torch.device) -> torch.device:
    """Return the torch device named `device`, if it exists.

    Parameters
    ----------
    device : str or torch.device
        Name of a device, such as ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises
    ------
    DeviceError
        If there is no such device on this machine.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    try:
        torch_device = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {str(device)!r}: use cpu, cuda, cuda:N or mps") from error
    if torch_device.type == "cuda":
        count = torch.cuda.device_count()
        if (torch_device.index or 0) >= count:
            raise DeviceError(
                f"device {str(torch_device)!r} is not there: this machine has {count} CUDA devices; use cpu"
            )
    elif torch_device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' is not there: use cpu")
    elif torch_device.type != "cpu":
        _require_usable(torch_device)
    return torch_device


def _require_usable(device: torch.device) -> None:
    """Raise DeviceError unless a value can be moved to `device`, for kinds of devices that torch cannot count."""
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # each backend raises its own error
        reason = str(error).split("\n")[0]
        raise DeviceError(f"device {str(device)!r} cannot be used: {reason}; use cpu, cuda, cuda:N or mps") from error
