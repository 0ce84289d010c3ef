"""Checks of users' inputs, and their conversion to rows."""

from typing import Any

import torch

from hashlens.errors import DataError
from hashlens.regions.program import Program
from hashlens.regions.trace import trace

Tensor = torch.Tensor


def numbers(x: Any, name: str) -> Tensor:
    """Return `x` as a tensor of floating-point numbers.

    Raises
    ------
    DataError
        If `x` is not an array of numbers.
    """
    try:
        tensor = x.detach() if isinstance(x, Tensor) else torch.as_tensor(x)
    except Exception as error:
        raise DataError(f"{name} must be a tensor or array (n, *shape), received {type(x).__name__}") from error
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise DataError(f"{name} must be floating point, received {kind}: regions lie in a space of real numbers")
    if tensor.layout != torch.strided:
        raise DataError(f"{name} must be dense, received {str(tensor.layout).removeprefix('torch.')}: give to_dense()")
    return tensor


def examples(x: Any, name: str = "x") -> Tensor:
    """Return examples as a floating-point tensor ``(n, *shape)``.

    Raises
    ------
    DataError
        If `x` is not an array of floating-point numbers, is empty, or holds NaN or infinity.
    """
    tensor = numbers(x, name)
    if tensor.dim() < 2 or tensor.numel() == 0:
        raise DataError(
            f"{name} must be examples (n, *shape), at least one, received {tuple(tensor.shape)}; for a single one give "
            f"{name}[None]"
        )
    if bad := int((~torch.isfinite(tensor)).sum()):
        raise DataError(f"{name}: {bad:,} of {tensor.numel():,} numbers are NaN or infinite")
    return tensor


def program_of(model: torch.nn.Module | Program, x: Any, dtype: torch.dtype, name: str = "x") -> tuple[Program, Tensor]:
    """Return the program of `model`, and the examples ``(n, *input_shape)`` in its dtype and on its device.

    Raises
    ------
    DataError
        If the examples are not valid input.
    ModelError
        If the network cannot be traced.
    """
    checked = examples(x, name)
    program = trace(model, checked, dtype)
    return program, matching_examples(program, checked, name)


def matching_examples(program: Program, x: Any, name: str, like: Tensor | None = None) -> Tensor:
    """Return examples in the dtype and on the device of `program`; as many as in `like`.

    Raises
    ------
    DataError
        If they are not valid input, have another shape, or another number than `like`.
    """
    checked = examples(x, name)
    count = "n" if like is None else str(len(like))
    if tuple(checked.shape[1:]) != program.input_shape or (like is not None and len(checked) != len(like)):
        expected = ", ".join([count, *map(str, program.input_shape)])
        raise DataError(f"{name} must be ({expected}), received {tuple(checked.shape)}")
    return checked.to(device=program.device, dtype=program.dtype)
