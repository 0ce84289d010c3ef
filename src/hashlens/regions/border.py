"""The border: what users give, checked once and turned into rows."""

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
        If it is no array of them.
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
        If they are no array of numbers, not floating point, empty, NaN or infinite.
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
    """Return the program of `model`, and the examples where and how it computes: ``(n, *input_shape)``.

    Raises
    ------
    DataError
        If the examples are unfit.
    ModelError
        If the network is.
    """
    checked = examples(x, name)
    program = trace(model, checked, dtype)
    return program, fitting(program, checked, name)


def fitting(program: Program, x: Any, name: str, like: Tensor | None = None) -> Tensor:
    """Return examples where and how `program` computes; as many as in `like`.

    Raises
    ------
    DataError
        If they are unfit, of another shape, or not as many.
    """
    checked = examples(x, name)
    count = "n" if like is None else str(len(like))
    if tuple(checked.shape[1:]) != program.input_shape or (like is not None and len(checked) != len(like)):
        expected = ", ".join([count, *map(str, program.input_shape)])
        raise DataError(f"{name} must be ({expected}), received {tuple(checked.shape)}")
    return checked.to(device=program.device, dtype=program.dtype)
