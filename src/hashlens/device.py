"""Devices by name, and the error when one is not there."""

import torch

from hashlens.errors import DeviceError


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device, if this machine has it.

    Raises
    ------
    DeviceError
        If the name is no device or the device is not there.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"no device {str(device)!r}: expected 'cpu', 'cuda', 'cuda:1', 'mps', ...") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(f"device {str(device)!r} was asked for and torch sees no CUDA here; use device='cpu'")
    if found.type == "cuda" and found.index is not None and found.index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(f"device {str(device)!r} was asked for and there are {count} CUDA devices, from cuda:0")
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' was asked for and torch sees no MPS here; use device='cpu'")
    return found
